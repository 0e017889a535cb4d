"""Cases of sums of groups: the rules over groups' means, and whole rounds under masks.

What the rules are said to make of them is computed by robust_reading.py.
"""

from random import Random
from typing import Any

import vector_cases
from fixed import Fixed
from robust_reading import reading

from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.choice import mode_of
from fl_node.secagg.simulation import Simulation, session_of

Case = dict[str, Any]

UNWEIGHTED = vector_cases.document(
    vector_cases.segment("model", slots=7),
    vector_cases.segment("wide", 64, 2, 1 << 40),
    vector_cases.segment("rows", 64, 1, 1_000_000, kind="count"),
    vector_cases.segment("weight", maximum=1, kind="weight"),
    vector_cases.segment("present", maximum=1, kind="one"),
    vector_cases.segment("metric/contribution", 64, 3, (1 << 32) - 1, kind="metric"),
    vector_cases.segment("loss", slots=2, maximum=100_000, kind="metric"),
    count={"segment": "rows", "numerator": 1, "denominator": 1},
)


RULES = (
    ("median", 1, True, (3, 3, 3)),
    ("median", 1, False, (4, 3, 4, 3, 4)),
    ("trimmed_mean", 1, True, (4, 4, 4, 4)),
    ("trimmed_mean", 3, True, (5, 4, 4, 4, 4, 3, 3)),
    ("trimmed_mean", 2, False, (1,) * 6),
    ("median", 2, False, (1,) * 11),
    ("multi_krum", 2, False, (1,) * 9),
    ("centred_clipping", 2, False, (1,) * 8),
)


def robust_cases() -> list[Case]:
    """Sums of groups, slot by slot → the slots of the aggregate, and the groups that are left out."""
    random, cases = Random(19), []
    for word, maximum in ((32, 65_535), (64, (1 << 18) - 2), (64, 1 << 40), (64, (1 << 58) - 1)):
        for kind, faulty, bound, sizes in RULES:
            for bucket in (1, 2) if not bound and len(sizes) > 2 * (2 * faulty + 1) - 2 else (1,):
                for spread in (maximum, maximum // 8):
                    sums = _sums(random, sizes, maximum, spread)
                    settings = {"rule": kind, "faulty": faulty, "bucket": bucket, "bound": bound}
                    draw = random.randbytes(32)
                    slots, outlying = reading(sums, sizes, maximum, settings, draw)
                    case = {
                        "name": f"{kind} for {faulty} of {len(sizes)} in {bucket}s, {word} bits, {spread} of {maximum}",
                        "expect": "success",
                        "word": word,
                        "max": maximum,
                        "sizes": sizes,
                        "draw": draw.hex(),
                        "sums": [[str(slot) for slot in one] for one in sums],
                        "slots": [str(slot) for slot in slots],
                        "outlying": outlying,
                    }
                    cases.append(case | settings)
    return cases


def _sums(random: Random, sizes: tuple[int, ...], maximum: int, spread: int) -> list[list[int]]:
    """Values near the middle of the range, or all over it; the last group has the least and the largest there are."""
    least = (maximum - spread) // 2
    sums = [[size * least + random.randint(0, size * spread) for _ in range(7)] for size in sizes]
    sums[-1] = [0, sizes[-1] * maximum, *sums[-1][2:]]
    return sums


GROUPS = {"mode": "robust_groups", "bucket": 1, "bound": True}
PLAIN = {"mode": "plain", "bucket": 1, "bound": False}


def group_cases() -> list[Case]:
    """Whole rounds in groups: what the ledger and the blobs hold → the aggregate and the groups' digests."""
    four = GROUPS | {"rule": "trimmed_mean", "faulty": 1}
    full = _played("nine in three groups, the median", 9, 3, GROUPS | {"rule": "median", "faulty": 1})
    dropped = _played("sixteen in four groups, one drops out", 16, 4, four, "hospital-005")
    gone = ("hospital-001", "hospital-005")
    closed = _played("sixteen in four groups, one of which stays closed", 16, 4, four, *gone)
    krum = PLAIN | {"rule": "multi_krum", "faulty": 1}
    shown = _played("seven updates that are shown, multi-Krum, one drops out", 7, 7, krum, "hospital-002")
    buckets = PLAIN | {"rule": "centred_clipping", "faulty": 1, "bucket": 2}
    dealt = _played("seven updates that are shown, clipped in buckets of two", 7, 7, buckets)
    other = dict(full) | {"name": "another digest of a group", "expect": "aggregator"}
    other["sums"] = [*full["sums"][:2], "00" * 32]
    left = dict(shown) | {"name": "another update left out", "expect": "aggregator"}
    left["outlying"] = [(shown["outlying"][0] + 1) % 7]
    return [full, dropped, closed, shown, dealt, other, left]


def _played(name: str, participants: int, groups: int, settings: Case, *absent: str) -> Case:
    layout, entropy = Layout.from_fields(UNWEIGHTED), Fixed(name)
    plain = session_of(layout, participants)
    split = tuple(plain.cohort[number::groups] for number in range(groups))
    session = session_of(layout, participants, groups=split, mode=mode_of(settings["mode"], settings))
    simulation = Simulation(session, entropy)
    values = {one: vector_cases.packed(layout, vector_cases.values_of(layout, entropy)) for one in session.cohort}
    simulation.publish_keys()
    simulation.commit_shares()
    simulation.commit_updates(values, absent)
    simulation.reveal()
    aggregate = simulation.unmask()
    case = {"name": name, "expect": "success", "rows": aggregate.rows, "aggregate": bytes(aggregate.vector).hex()}
    case |= {"digest": aggregate.digest.hex(), "sums": [digest.hex() for digest in aggregate.sums]}
    case |= {"groups": split, "outlying": aggregate.outlying} | settings
    return case | vector_cases.inputs_of(simulation.revealed, simulation.blobs)
