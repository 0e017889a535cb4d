"""Every step of secure aggregation against the vectors that Go runs too."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_node import codes
from fl_node.canonical import decode_strict
from fl_node.secagg import errors
from fl_node.secagg.keys import KeyPair, check_public_key, pair_key, seed_commitment, self_key, share_key
from fl_node.secagg.layout import Layout
from fl_node.secagg.masks import Mask, apply_masks, keystream
from fl_node.secagg.merkle import Tree, verify_path
from fl_node.secagg.modes.choice import mode_of
from fl_node.secagg.modes.robust import Rule
from fl_node.secagg.modes.secure_sum import SecureSum
from fl_node.secagg.seal import bundle_bytes, part, seal, unseal
from fl_node.secagg.session import Session, threshold
from fl_node.secagg.shamir import rebuild
from fl_node.secagg.shares import KINDS, Dealt, check_share, proof
from fl_node.secagg.simulation import session_of
from fl_node.secagg.unmask import Revealed, unmask, verify

VECTORS = Path(__file__).parents[2] / "vectors"
Case = dict[str, Any]
CODES = {
    "bad-public-key": codes.BAD_KEY,
    "bad-seal": codes.BAD_SEAL,
    "bad-share": codes.BAD_SHARE,
    "bad-secret": codes.BAD_SECRET,
    "bad-proof": codes.BAD_PROOF,
    "bad-layout": codes.BAD_LAYOUT,
    "blob-unavailable": codes.BAD_BLOB,
    "too-few-shares": codes.TOO_FEW_SHARES,
    "dealer": codes.DEALER_FAULT,
    "aggregator": codes.AGGREGATOR_FAULT,
}


def cases(name: str, expect: str | None = None) -> list[Any]:
    """The cases of a file; only those that succeed, or only those that do not, where asked."""
    entries = decode_strict((VECTORS / f"{name}.json").read_bytes())
    chosen = [entry for entry in entries if expect is None or (entry["expect"] == "success") == (expect == "success")]
    assert chosen
    return [pytest.param(entry, id=entry["name"]) for entry in chosen]


def unhex(*texts: str) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


@contextmanager
def refuses(case: Case) -> Iterator[None]:
    """Expects the failure that a case names."""
    with pytest.raises(errors.SecaggError) as refusal:
        yield
    assert CODES[case["expect"]] == refusal.value.code


@pytest.mark.parametrize("case", cases("session"))
def test_the_session_digest_follows_its_vectors(case: Case):
    layout = Layout.from_fields(
        {
            "version": 1,
            "count": None,
            "segments": [{"name": "a", "kind": "value", "word": 32, "ring": 32, "max": 255, "slots": 3}],
        }
    )
    names = ("channel", "training", "round", "attempt")
    digests = {name: bytes.fromhex(case[name]) for name in ("plan", "base_state")}
    session: Session = session_of(layout, 5, **{name: case[name] for name in names}, **digests)
    assert case["layout_digest"] == layout.digest.hex()
    assert case["session"] == session.digest.hex()


@pytest.mark.parametrize("case", cases("threshold"))
def test_the_threshold_follows_its_vectors(case: Case):
    assert case["threshold"] == threshold(case["cohort"])


@pytest.mark.parametrize("case", cases("public_key"))
def test_public_keys_follow_their_vectors(case: Case):
    if case["expect"] == "success":
        check_public_key(bytes.fromhex(case["key"]))
    else:
        with refuses(case):
            check_public_key(bytes.fromhex(case["key"]))


@pytest.mark.parametrize("case", cases("shamir"))
def test_shamir_follows_its_vectors(case: Case):
    shares = [(x, bytes.fromhex(value)) for x, value in case["shares"]]
    if case["expect"] == "success":
        assert case["secret"] == rebuild(shares).hex()
    else:
        with refuses(case):
            rebuild(shares)


@pytest.mark.parametrize("case", cases("merkle"))
def test_merkle_paths_follow_their_vectors(case: Case):
    root, leaf, *path = unhex(case["root"], case["leaf"], *case["path"])
    if case["expect"] == "success":
        verify_path(root, case["index"], case["size"], leaf, path)
    else:
        with refuses(case):
            verify_path(root, case["index"], case["size"], leaf, path)


def test_trees_have_the_known_roots_of_certificate_transparency():
    texts = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    known = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    assert known == {size: Tree(unhex(*texts[:size])).root.hex() for size in known}


@pytest.mark.parametrize("case", cases("keys"))
def test_derived_keys_follow_their_vectors(case: Case):
    session, seed = unhex(case["session"], case["seed"])
    low, high = (KeyPair.of(bytes.fromhex(case[name])) for name in ("low_secret", "high_secret"))
    first, second = (case["low"], low.public), (case["high"], high.public)
    derived = {
        "low_public": low.public,
        "high_public": high.public,
        "seed_commitment": seed_commitment(session, case["low"], seed),
        "self_key": self_key(session, case["low"], seed, low.public),
        "pair_key": pair_key(session, high, low.public, first, second),
        "share_key": share_key(session, low, high.public, first, second),
        "share_key_back": share_key(session, low, high.public, second, first),
    }
    assert {name: case[name] for name in derived} == {name: value.hex() for name, value in derived.items()}
    assert len(set(derived.values())) == len(derived)


@pytest.mark.parametrize("case", cases("sealed"))
def test_sealed_shares_follow_their_vectors(case: Case):
    session, key, sealed = unhex(case["session"], case["key"], case["sealed"])
    ends, at = (case["from"], case["to"]), (case["place"], case["members"])
    if case["expect"] != "success":
        with refuses(case):
            unseal(session, ends, key, sealed, at)
        return
    dealt = Dealt(*unhex(case["mask"], case["seed"]), tuple(unhex(*case["path"])))
    assert dealt == unseal(session, ends, key, sealed, at)
    assert sealed == seal(session, ends, key, dealt, at[1])


@pytest.mark.parametrize("case", cases("bundle"))
def test_bundles_follow_their_vectors(case: Case):
    members, dealer = tuple(case["members"]), case["dealer"]
    session, root, bundle = unhex(case["session"], case["root"], case["bundle"])
    assert bundle_bytes(len(members)) == len(bundle)
    for place, name in enumerate(members):
        if name == dealer:
            continue
        own = KeyPair.of(bytes.fromhex(case["keys"][name]["secret"]))
        public = bytes.fromhex(case["keys"][dealer]["public"])
        key = share_key(session, own, public, (dealer, public), (name, own.public))
        dealt = unseal(session, (dealer, name), key, part(bundle, members, dealer, name), (place, len(members)))
        for kind in KINDS:
            share = (dealer, name, kind, dealt.value(kind))
            check_share(_Digest(session), root, members, share, proof(_Digest(session), dealer, name, kind, dealt))


@pytest.mark.parametrize("case", cases("reveal"))
def test_revealed_shares_follow_their_vectors(case: Case):
    session = _Digest(bytes.fromhex(case["session"]))
    share = (case["dealer"], case["receiver"], case["kind"], bytes.fromhex(case["value"]))
    arguments = (session, bytes.fromhex(case["root"]), tuple(case["members"]), share, tuple(unhex(*case["proof"])))
    if case["expect"] == "success":
        check_share(*arguments)
    else:
        with refuses(case):
            check_share(*arguments)


class _Digest:
    """A session of which only the digest is known."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest


@pytest.mark.parametrize("case", cases("layout"))
def test_layouts_follow_their_vectors(case: Case):
    if case["expect"] != "success":
        with refuses(case):
            Layout.parse(case["layout"].encode())
        return
    layout = Layout.parse(case["layout"].encode())
    expected = (case["digest"], case["length"], case["data"], case["boundary"])
    assert expected == (layout.digest.hex(), layout.length, layout.data_bytes, layout.boundary)


@pytest.mark.parametrize("case", cases("cohort"))
def test_cohort_limits_follow_their_vectors(case: Case):
    layout = Layout.parse(case["layout"].encode())
    if case["expect"] == "success":
        layout.check_cohort(case["cohort"])
    else:
        with refuses(case):
            layout.check_cohort(case["cohort"])


@pytest.mark.parametrize("case", cases("packing"))
def test_packing_follows_its_vectors(case: Case):
    layout = Layout.parse(case["layout"].encode())
    vector = layout.pack({name: np.array(values, dtype=np.uint64) for name, values in case["values"].items()})
    assert case["vector"] == vector.hex()
    assert case["values"] == {name: words.tolist() for name, words in layout.unpack(vector).items()}


@pytest.mark.parametrize("case", cases("keystream"))
def test_keystreams_follow_their_vectors(case: Case):
    stream = keystream(bytes.fromhex(case["key"])).update(bytes(case["offset"] + 32))
    assert case["stream"] == stream[case["offset"] :].hex()
    vector = bytearray(case["offset"] + 32)
    segment = {"name": "all", "kind": "value", "word": 32, "ring": 32, "max": 1, "slots": len(vector) // 4}
    layout = Layout.from_fields({"version": 1, "segments": [segment], "count": None})
    apply_masks(vector, layout, [Mask(bytes.fromhex(case["key"]), add=True)])
    assert case["stream"] == vector[case["offset"] :].hex()


def test_the_keystream_of_the_zero_key_is_the_known_answer_of_aes_256():
    assert keystream(bytes(32)).update(bytes(16)).hex() == "dc95c078a2408989ad48a21492842087"


def revealed_of(case: Case) -> tuple[Revealed, dict[bytes, bytes]]:
    members = case["cohort"]
    cohort = tuple(member["id"] for member in members)
    layout = Layout.parse(case["layout"].encode())
    groups = tuple(map(tuple, case.get("groups", ())))
    mode = mode_of(case["mode"], case) if groups else SecureSum()
    session = session_of(layout, len(cohort), cohort=cohort, threshold=case["threshold"], groups=groups, mode=mode)
    shared = [member for member in members if member["shared"]]
    revealed = Revealed(
        session,
        {member["id"]: bytes.fromhex(member["mask_key"]) for member in shared},
        {member["id"]: bytes.fromhex(member["seed_commitment"]) for member in shared},
        {member["id"]: bytes.fromhex(member["update"]) for member in members if member["survivor"]},
        {member["id"]: {to: bytes.fromhex(share) for to, share in member["shares"]} for member in shared},
    )
    return revealed, {hashlib.sha256(blob).digest(): blob for blob in unhex(*case["blobs"])}


def open_from(blobs: dict[bytes, bytes]):
    def open_blob(digest: bytes) -> io.BytesIO:
        if digest not in blobs:
            raise FileNotFoundError(digest.hex())
        return io.BytesIO(blobs[digest])

    return open_blob


@pytest.mark.parametrize("case", cases("sum", "success") + cases("groups", "success"))
def test_sums_follow_their_vectors(case: Case):
    revealed, blobs = revealed_of(case)
    assert case["session"] == revealed.session.digest.hex()
    aggregate = unmask(revealed, open_from(blobs))
    expected = (case["aggregate"], case["digest"], case["rows"])
    assert expected == (aggregate.vector.hex(), aggregate.digest.hex(), aggregate.rows)
    assert aggregate == verify(revealed, open_from(blobs), *proposed(case))


def proposed(case: Case) -> tuple[bytes, tuple[bytes, ...], tuple[int, ...]]:
    sums, outlying = tuple(unhex(*case.get("sums", ()))), tuple(case.get("outlying", ()))
    return bytes.fromhex(case["digest"]), sums, outlying


@pytest.mark.parametrize("case", cases("sum", "a failure") + cases("groups", "a failure"))
def test_refused_sums_follow_their_vectors(case: Case):
    revealed, blobs = revealed_of(case)
    with refuses(case):
        verify(revealed, open_from(blobs), *proposed(case))


@pytest.mark.parametrize("case", cases("robust"))
def test_robust_rules_follow_their_vectors(case: Case):
    one = {"name": "a", "kind": "value", "word": case["word"], "ring": case["word"], "max": case["max"]}
    layout = Layout.from_fields({"version": 1, "count": None, "segments": [one | {"slots": len(case["slots"])}]})
    rule = Rule(case["rule"], case["faulty"], case["bucket"], case["bound"])
    sums = [bytearray(layout.length) for _ in case["sums"]]
    for total, slots in zip(sums, case["sums"], strict=True):
        layout.segments[0].view(total)[:] = np.array([int(slot) for slot in slots], np.uint64)
    made = rule.combine(layout, sums, case["sizes"], bytes.fromhex(case["draw"]))
    assert case["slots"] == [str(slot) for slot in layout.segments[0].view(made.vector).tolist()]
    assert case["outlying"] == list(made.outlying)
