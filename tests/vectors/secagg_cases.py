"""Cases for the steps of secure aggregation that are not about vectors of slots."""

from dataclasses import replace
from typing import Any

from fixed import Fixed

from fl_node.secagg.dealing import deal_sealed
from fl_node.secagg.keys import FIELD_PRIME, KeyPair, Secrets, pair_key, seed_commitment, self_key, share_key
from fl_node.secagg.layout import Layout
from fl_node.secagg.merkle import Tree
from fl_node.secagg.seal import seal
from fl_node.secagg.session import Session, threshold
from fl_node.secagg.shamir import PRIME, SHARE_BYTES, split
from fl_node.secagg.shares import KINDS, Dealt, Kind, deal, proof
from fl_node.secagg.simulation import session_of

Case = dict[str, Any]

LAYOUT = b'{"count":null,"segments":[{"kind":"value","max":255,"name":"a","ring":32,"slots":3,"word":32}],"version":1}'


def _session(participants: int = 5, **changes: object) -> Session:
    return session_of(Layout.parse(LAYOUT), participants, **changes)


def session_cases() -> list[Case]:
    changes: list[tuple[str, dict[str, Any]]] = [
        ("the first attempt", {}),
        ("another attempt", {"attempt": 2}),
        ("another round", {"round": 2}),
        ("another training", {"training": "other"}),
        ("another channel", {"channel": "other"}),
        ("another plan", {"plan": b"\x03" * 32}),
        ("another base state", {"base_state": b"\x03" * 32}),
        ("round and attempt are eight bytes", {"round": 1 << 40, "attempt": (1 << 63) + 1}),
    ]
    cases = []
    for name, change in changes:
        one = _session(**change)
        fields = {"channel": one.channel, "training": one.training, "round": one.round, "attempt": one.attempt}
        digests = {"plan": one.plan.hex(), "base_state": one.base_state.hex(), "layout_digest": one.layout.digest.hex()}
        cases.append({"name": name, "expect": "success", **fields, **digests, "session": one.digest.hex()})
    return cases


def threshold_cases() -> list[Case]:
    return [
        {"name": f"a cohort of {n}", "expect": "success", "cohort": n, "threshold": threshold(n)}
        for n in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 99, 100, 500]
    ]


def public_key_cases() -> list[Case]:
    order_eight = (
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    )
    low_order = [0, 1, *order_eight, FIELD_PRIME - 1]
    not_reduced = [FIELD_PRIME, FIELD_PRIME + 1, FIELD_PRIME + 9, (1 << 255) + 9, (1 << 256) - 1]
    cases = [
        {"name": "a fresh key", "expect": "success", "key": KeyPair.of(Fixed("key")(32)).public.hex()},
        {"name": "the base point", "expect": "success", "key": (9).to_bytes(32, "little").hex()},
        {"name": "a byte short", "expect": "bad-public-key", "key": "09" * 31},
        {"name": "a byte long", "expect": "bad-public-key", "key": "09" * 33},
        {"name": "nothing", "expect": "bad-public-key", "key": ""},
    ]
    for kind, values in (("low order", low_order), ("not reduced", not_reduced)):
        for value in values:
            name = f"{kind}: {value:x}"
            cases.append({"name": name, "expect": "bad-public-key", "key": value.to_bytes(32, "little").hex()})
    return cases


def shamir_cases() -> list[Case]:
    cases = []
    for n, t, chosen in [(3, 3, [1, 2, 3]), (4, 3, [1, 3, 4]), (10, 7, [2, 3, 4, 6, 8, 9, 10]), (5, 1, [4])]:
        entropy = Fixed(f"shamir {n} {t}")
        secret = entropy(32)
        shares = split(secret, n, t, entropy)
        pairs = [[x, shares[x - 1].hex()] for x in chosen]
        name = f"{t} of {n}, at {chosen}"
        cases.append({"name": name, "expect": "success", "shares": pairs, "secret": secret.hex()})
    for name, value in (("a secret of zeros", bytes(32)), ("a secret of ones", b"\xff" * 32)):
        shares = split(value, 4, 3, Fixed(name))
        pairs = [[x, shares[x - 1].hex()] for x in (4, 2, 1)]
        cases.append({"name": name, "expect": "success", "shares": pairs, "secret": value.hex()})
    large = [[1, (1 << 256).to_bytes(SHARE_BYTES, "big").hex()]]
    cases.append({"name": "a secret of 257 bits", "expect": "bad-secret", "shares": large})
    for name, value in (("the prime itself", PRIME), ("all bits", (1 << 528) - 1)):
        outside = [[1, value.to_bytes(SHARE_BYTES, "big").hex()]]
        cases.append({"name": name, "expect": "bad-share", "shares": outside})
    return cases


def merkle_cases() -> list[Case]:
    cases = []
    for size in (1, 2, 3, 5, 7, 8):
        leaves = [bytes([i]) * (i + 1) for i in range(size)]
        tree = Tree(leaves)
        base = {"root": tree.root.hex(), "size": size}
        for index in range(size):
            path = [node.hex() for node in tree.path(index)]
            leaf = {"index": index, "leaf": leaves[index].hex()}
            cases.append({"name": f"leaf {index} of {size}", "expect": "success", **base, **leaf, "path": path})
    good = cases[-1]
    spoiled = {
        "another index": {"index": 6},
        "an index outside": {"index": 8},
        "a negative index": {"index": -1},
        "another size": {"size": 9},
        "another leaf": {"leaf": "ff"},
        "another root": {"root": "00" * 32},
        "a path too short": {"path": good["path"][:-1]},
        "a path too long": {"path": good["path"] + ["00" * 32]},
        "a path in another order": {"path": good["path"][::-1]},
    }
    return cases + [good | {"name": name, "expect": "bad-proof"} | change for name, change in spoiled.items()]


def key_cases() -> list[Case]:
    entropy, one = Fixed("keys"), _session()
    low, high = KeyPair.of(entropy(32)), KeyPair.of(entropy(32))
    seed, names = entropy(32), ("hospital-000", "hospital-001")
    first, second = (names[0], low.public), (names[1], high.public)
    common = {"expect": "success", "session": one.digest.hex(), "low": names[0], "high": names[1]}
    common |= {"low_secret": low.secret.hex(), "high_secret": high.secret.hex(), "seed": seed.hex()}
    common |= {"low_public": low.public.hex(), "high_public": high.public.hex()}
    outputs = {
        "seed_commitment": seed_commitment(one.digest, names[0], seed),
        "self_key": self_key(one.digest, names[0], seed, low.public),
        "pair_key": pair_key(one.digest, low, high.public, first, second),
        "share_key": share_key(one.digest, low, high.public, first, second),
        "share_key_back": share_key(one.digest, high, low.public, second, first),
    }
    return [{"name": "all keys of one pair", **common, **{name: value.hex() for name, value in outputs.items()}}]


def sealed_cases() -> list[Case]:
    entropy, one = Fixed("sealed"), _session()
    key = entropy(32)
    _, dealt = deal(one, "hospital-000", one.cohort, entropy(32), entropy(32), entropy)
    content = dealt["hospital-004"]
    ends = ("hospital-000", "hospital-004")
    blob = seal(one.digest, ends, key, content, len(one.cohort))
    base = {"session": one.digest.hex(), "from": ends[0], "to": ends[1], "key": key.hex(), "sealed": blob.hex()}
    base |= {"place": 4, "members": len(one.cohort)}
    path = [node.hex() for node in content.path]
    opened = {"mask": content.mask.hex(), "seed": content.seed.hex(), "path": path}
    spoiled = {
        "another direction": {"from": ends[1], "to": ends[0]},
        "another session": {"session": "00" * 32},
        "another key": {"key": "00" * 32},
        "one bit changed": {"sealed": (blob[:-1] + bytes([blob[-1] ^ 1])).hex()},
        "cut short": {"sealed": blob[:-1].hex()},
        "empty": {"sealed": ""},
        "another number of members": {"members": 9},
        "padded with other than zeros": {"sealed": _sealed_with(one.digest, ends, key, content, b"\x01" * 32).hex()},
    }
    good = {"name": "a sealed message", "expect": "success", **base, **opened}
    return [good, *(base | {"name": name, "expect": "bad-seal"} | change for name, change in spoiled.items())]


def _sealed_with(session: bytes, ends: tuple[str, str], key: bytes, content: Dealt, padding: bytes) -> bytes:
    return seal(session, ends, key, replace(content, path=(*content.path, padding)), 5)


def bundle_cases() -> list[Case]:
    """Whole bundles, each of which every receiver opens its part of: powers of two and their neighbours."""
    cases = []
    for members in (3, 4, 5, 8, 9):
        entropy, one = Fixed(f"bundle {members}"), _session(members)
        secrets = {name: Secrets.fresh(entropy) for name in one.cohort}
        dealer = one.cohort[1]
        keys = {name: own.public for name, own in secrets.items()}
        dealing = deal_sealed(one, dealer, secrets[dealer], keys, entropy)
        seals = {name: own.seal for name, own in secrets.items()}
        pairs = {name: {"secret": pair.secret.hex(), "public": pair.public.hex()} for name, pair in seals.items()}
        case = {"name": f"{members} members", "expect": "success", "session": one.digest.hex(), "dealer": dealer}
        case |= {"members": list(one.cohort), "keys": pairs}
        cases.append(case | {"root": dealing.shares_root.hex(), "bundle": dealing.bundle.hex()})
    return cases


def reveal_cases() -> list[Case]:
    entropy, one = Fixed("reveal"), _session(7)
    members = tuple(name for name in one.cohort if name != "hospital-002")
    root, dealt = deal(one, "hospital-001", members, entropy(32), entropy(32), entropy)
    base = {"session": one.digest.hex(), "root": root.hex(), "members": list(members), "dealer": "hospital-001"}
    cases = []
    for receiver in members:
        for kind in KINDS:
            path = [node.hex() for node in proof(one, "hospital-001", receiver, kind, dealt[receiver])]
            share = {"receiver": receiver, "kind": kind, "value": dealt[receiver].value(kind).hex(), "proof": path}
            cases.append({"name": f"{kind} share of {receiver}", "expect": "success", **base, **share})
    return cases + _refused_reveals(cases[2])


def _refused_reveals(good: Case) -> list[Case]:
    other: Kind = "mask" if good["kind"] == "seed" else "seed"
    value = bytearray.fromhex(good["value"])
    value[-1] ^= 1
    spoiled = {
        "one bit of the value": ({"value": value.hex()}, "bad-proof"),
        "the other kind": ({"kind": other}, "bad-proof"),
        "another receiver": ({"receiver": "hospital-004"}, "bad-proof"),
        "another dealer": ({"dealer": "hospital-004"}, "bad-proof"),
        "another root": ({"root": "11" * 32}, "bad-proof"),
        "another session": ({"session": "11" * 32}, "bad-proof"),
        "other members before it": ({"members": ["hospital-002", *good["members"]]}, "bad-proof"),
        "a value outside the field": ({"value": "ff" * SHARE_BYTES}, "bad-share"),
    }
    return [good | {"name": name, "expect": kind} | change for name, (change, kind) in spoiled.items()]
