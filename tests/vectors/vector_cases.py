"""Cases about vectors of slots: layouts, packing, keystreams, sums."""

import json
from typing import Any

import numpy as np
from fixed import Fixed

from fl_node.canonical import canonical_json
from fl_node.secagg.layout import Layout
from fl_node.secagg.masks import keystream
from fl_node.secagg.simulation import Simulation, session_of
from fl_node.secagg.unmask import Revealed

Case = dict[str, Any]
Fields = dict[str, Any]


def segment(name: str, word: int = 32, slots: int = 1, maximum: int = 65535, **changes: Any) -> Fields:
    return {"name": name, "kind": "value", "word": word, "ring": word, "max": maximum, "slots": slots} | changes


def document(*segments: Fields, count: Fields | None = None) -> Fields:
    return {"version": 1, "segments": list(segments), "count": count}


MIXED = document(
    segment("model", slots=7, path=["client_work", 0], shape=[7], dtype="int32"),
    segment("rows", 64, 1, 1_000_000, kind="count"),
    segment("hash", slots=5, maximum=8191, ring=13),
    segment("wide", 64, 2, 1 << 40, kind="weight"),
    segment("wide-modular", 64, 2, (1 << 40) - 1, ring=40),
    segment("present", maximum=1, kind="one"),
    segment("loss", slots=2, maximum=100_000, kind="metric"),
    count={"segment": "rows", "numerator": 3, "denominator": 2},
)

LAYOUTS: list[tuple[str, Fields]] = [
    ("both words and every kind", MIXED),
    ("one 32-bit slot", document(segment("a"))),
    ("four 32-bit slots need no padding", document(segment("a", slots=4))),
    ("64-bit words only", document(segment("a", 64, 3))),
    ("64-bit words come first", document(segment("a", slots=3), segment("b", 64), segment("c", 64, 2))),
    ("the largest value of 64 bits", document(segment("a", 64, 1, (1 << 64) - 1))),
    ("a modular ring of one bit", document(segment("a", maximum=1, ring=1))),
]

REFUSED_LAYOUTS: list[tuple[str, Fields]] = [
    ("no segment", document()),
    ("another version", document(segment("a")) | {"version": 2}),
    ("a name twice", document(segment("a"), segment("a", 64))),
    ("words of 16 bits", document(segment("a", 16))),
    ("a ring above the word", document(segment("a", ring=33))),
    ("a ring of no bits", document(segment("a", ring=0))),
    ("no slots", document(segment("a", slots=0))),
    ("a maximum of zero", document(segment("a", maximum=0))),
    ("a maximum above the ring", document(segment("a", maximum=8192, ring=13))),
    ("a maximum above the word", document(segment("a", maximum=1 << 32))),
    ("an unknown kind", document(segment("a", kind="noise"))),
    ("a one with another maximum", document(segment("a", kind="one", maximum=2))),
    ("a one that wraps", document(segment("a", kind="one", maximum=1, ring=1))),
    ("too long", document(segment("a", 64, 1 << 27), segment("b"))),
    ("a count of no segment", document(segment("a"), count={"segment": "b", "numerator": 1, "denominator": 1})),
    ("a count of two slots", document(segment("a", slots=2), count={"segment": "a", "numerator": 1, "denominator": 1})),
    ("an unknown field of a segment", document(segment("a", extra=1))),
    ("an unknown field of the layout", document(segment("a")) | {"extra": 1}),
    ("a number as a name", document(segment("a") | {"name": 7})),
    ("text for a number", document(segment("a", ring="32"))),
    ("a fraction of a slot", document(segment("a", slots=1.5))),
    ("a truth for a number", document(segment("a", kind="one", maximum=True))),
    ("a list for the segment", document([segment("a")])),
    ("no dtype where one is announced", document(segment("a", dtype=None))),
    ("an empty count", document(segment("a"), count={})),
    ("a count by zero", document(segment("a"), count={"segment": "a", "numerator": 1, "denominator": 0})),
]


def layout_cases() -> list[Case]:
    accepted = []
    for name, fields in LAYOUTS:
        layout = Layout.from_fields(fields)
        sizes = {"length": layout.length, "data": layout.data_bytes, "boundary": layout.boundary}
        text = json.dumps(fields)  # not canonical on purpose: the digest is that of the canonical form
        accepted.append({"name": name, "expect": "success", "layout": text, "digest": layout.digest.hex(), **sizes})
    refused = [{"name": name, "expect": "bad-layout", "layout": json.dumps(f)} for name, f in REFUSED_LAYOUTS]
    return accepted + refused


def cohort_cases() -> list[Case]:
    limits = [
        ("32-bit words keep eight bits free", segment("a", maximum=65535), 256, 257),
        ("64-bit words may fill their ring", segment("a", 64, maximum=1 << 62), 3, 4),
    ]
    cases = []
    for name, one, fits, overflows in limits:
        text = canonical_json(document(one)).decode()
        cases.append({"name": name, "expect": "success", "layout": text, "cohort": fits})
        cases.append({"name": f"{name}: one too many", "expect": "bad-layout", "layout": text, "cohort": overflows})
    modular = canonical_json(document(segment("a", ring=13, maximum=8191))).decode()
    cases.append({"name": "modular words never overflow", "expect": "success", "layout": modular, "cohort": 500})
    return cases


def values_of(layout: Layout, entropy: Fixed) -> dict[str, list[int]]:
    values = {}
    for one in layout.segments:
        raw = [int.from_bytes(entropy(9), "big") % (one.maximum + 1) for _ in range(one.slots)]
        values[one.name] = [1] if one.kind == "one" else raw
    return values


def packed(layout: Layout, values: dict[str, list[int]]) -> bytes:
    return bytes(layout.pack({name: np.array(numbers, dtype=np.uint64) for name, numbers in values.items()}))


def packing_cases() -> list[Case]:
    cases = []
    for name, fields in LAYOUTS:
        layout = Layout.from_fields(fields)
        values = values_of(layout, Fixed(f"packing {name}"))
        text = layout.document.decode()
        cases.append(
            {
                "name": name,
                "expect": "success",
                "layout": text,
                "values": values,
                "vector": packed(layout, values).hex(),
            }
        )
    return cases


def keystream_cases() -> list[Case]:
    key = Fixed("keystream")(32)
    stream = keystream(key).update(bytes(1 << 20))
    at = [0, 16, 4080, 4096, (1 << 20) - 32]
    return [
        {
            "name": f"from byte {start}",
            "expect": "success",
            "key": key.hex(),
            "offset": start,
            "stream": stream[start : start + 32].hex(),
        }
        for start in at
    ]


def sum_cases() -> list[Case]:
    full = _played("a round without dropouts", 4, {})
    dropped = _played("two of seven drop out after sharing", 7, {"updates": ["hospital-000", "hospital-004"]})
    silent = _played(
        "one shares nothing and one drops out", 7, {"shares": ["hospital-006"], "updates": ["hospital-003"]}
    )
    cases = [full, dropped, silent]
    return cases + _refused_sums(dropped)


def _played(name: str, participants: int, absent: dict[str, list[str]]) -> Case:
    layout = Layout.from_fields(MIXED)
    entropy = Fixed(name)
    simulation = Simulation(session_of(layout, participants), entropy)
    vectors = {one: packed(layout, values_of(layout, entropy)) for one in simulation.session.cohort}
    simulation.publish_keys()
    simulation.commit_shares(absent.get("shares", ()))
    simulation.commit_updates(vectors, absent.get("updates", ()))
    simulation.reveal()
    aggregate = simulation.unmask()
    case = {"name": name, "expect": "success", "rows": aggregate.rows, "aggregate": bytes(aggregate.vector).hex()}
    return case | {"digest": aggregate.digest.hex()} | inputs_of(simulation.revealed, simulation.blobs)


def inputs_of(revealed: Revealed, blobs: dict[bytes, bytes]) -> Fields:
    cohort = []
    for name in revealed.session.cohort:
        shares = [[to, share.hex()] for to, share in revealed.shares.get(name, {}).items()]
        member = {"id": name, "shared": name in revealed.dealers, "survivor": name in revealed.updates}
        public = {
            "mask_key": revealed.mask_keys.get(name, b""),
            "seed_commitment": revealed.seed_commitments.get(name, b""),
        }
        digests = public | {"update": revealed.updates.get(name, b"")}
        cohort.append(member | {key: value.hex() for key, value in digests.items()} | {"shares": shares})
    updates = [blobs[digest].hex() for digest in revealed.updates.values()]
    session = {"session": revealed.session.digest.hex(), "threshold": revealed.session.threshold}
    return session | {"layout": revealed.session.layout.document.decode(), "cohort": cohort, "blobs": updates}


def _refused_sums(good: Case) -> list[Case]:
    def spoiled(name: str, expect: str) -> Case:
        return json.loads(json.dumps(good)) | {"name": name, "expect": expect}

    digest = spoiled("another digest is proposed", "aggregator")
    digest["digest"] = "00" * 32
    missing = spoiled("a blob is missing", "blob-unavailable")
    missing["blobs"].pop()
    few = spoiled("a secret lacks a share", "too-few-shares")
    few["cohort"][1]["shares"] = few["cohort"][1]["shares"][: good["threshold"] - 1]
    seed = spoiled("a survivor dealt another seed than committed", "dealer")
    seed["cohort"][2]["seed_commitment"] = "00" * 32
    key = spoiled("a dropout dealt another mask key than published", "dealer")
    key["cohort"][0]["shares"][0][1] = key["cohort"][0]["shares"][1][1]
    outside = spoiled("a share lies outside the field", "bad-share")
    outside["cohort"][1]["shares"][0][1] = "ff" * 66
    return [digest, missing, few, seed, key, outside]
