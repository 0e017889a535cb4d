"""Cases of sums of groups: the rules over groups' means, and whole rounds under masks.

The rules are computed here in Python's own integers, one slot after the other: a second reading of
fl_node/secagg/modes/robust_groups.py, which shares no line with it.
"""

from random import Random
from typing import Any

import vector_cases
from fixed import Fixed

from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.robust_groups import RobustGroups
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


def robust_cases() -> list[Case]:
    """Sums of groups, slot by slot → the slots of the aggregate."""
    random, cases = Random(19), []
    for word, maximum in ((32, 65_535), (64, (1 << 18) - 2), (64, 1 << 40), (64, (1 << 58) - 1)):
        for sizes in ([3, 3, 3], [4, 4, 4, 4], [4, 3, 4, 3, 4], [5, 4, 4, 4, 4, 3, 3]):
            for rule, faulty in (("median", 1), ("trimmed_mean", 1), ("trimmed_mean", (len(sizes) - 1) // 2)):
                sums = [[random.randint(0, size * maximum) for _ in range(5)] for size in sizes]
                sums = [[*one, 0, size * maximum] for one, size in zip(sums, sizes, strict=True)]
                cases.append(
                    {
                        "name": f"{rule} for {faulty} of {len(sizes)} groups, words of {word} bits, up to {maximum}",
                        "expect": "success",
                        "word": word,
                        "max": maximum,
                        "sizes": sizes,
                        "rule": rule,
                        "faulty": faulty,
                        "sums": [[str(slot) for slot in one] for one in sums],
                        "slots": [str(robust(list(slots), sizes, rule, faulty)) for slots in zip(*sums, strict=True)],
                    }
                )
    return cases


def robust(sums: list[int], sizes: list[int], rule: str, faulty: int) -> int:
    """One slot of the aggregate."""
    means = sorted(((total << 16) + size // 2) // size for total, size in zip(sums, sizes, strict=True))
    out = (len(means) - 1) // 2 if rule == "median" else faulty
    left = means[out : len(means) - out]
    return (sum(left) // len(left) * sum(sizes) + (1 << 15)) >> 16


def group_cases() -> list[Case]:
    """Whole rounds in groups: what the ledger and the blobs hold → the aggregate and the groups' digests."""
    full = _played("nine in three groups, the median", (3, "median"), {})
    dropped = _played("sixteen in four groups, one drops out", (4, "trimmed_mean"), {"updates": ["hospital-005"]})
    gone = {"updates": ["hospital-001", "hospital-005"]}
    closed = _played("sixteen in four groups, one of which stays closed", (4, "trimmed_mean"), gone)
    other = dict(full) | {"name": "another digest of a group", "expect": "aggregator"}
    other["sums"] = [*full["sums"][:2], "00" * 32]
    return [full, dropped, closed, other]


def _played(name: str, settings: tuple[int, str], absent: dict[str, list[str]]) -> Case:
    (groups, rule), layout, entropy = settings, Layout.from_fields(UNWEIGHTED), Fixed(name)
    participants = 9 if groups == 3 else 16
    plain = session_of(layout, participants)
    split = tuple(plain.cohort[number::groups] for number in range(groups))
    session = session_of(layout, participants, groups=split, mode=RobustGroups(1, rule == "median"))
    simulation = Simulation(session, entropy)
    values = {one: vector_cases.packed(layout, vector_cases.values_of(layout, entropy)) for one in session.cohort}
    simulation.publish_keys()
    simulation.commit_shares()
    simulation.commit_updates(values, absent.get("updates", ()))
    simulation.reveal()
    aggregate = simulation.unmask()
    case = {"name": name, "expect": "success", "rows": aggregate.rows, "aggregate": bytes(aggregate.vector).hex()}
    case |= {"digest": aggregate.digest.hex(), "sums": [digest.hex() for digest in aggregate.sums]}
    case |= {"groups": split, "rule": rule, "faulty": 1}
    return case | vector_cases.inputs_of(simulation.revealed, simulation.blobs)
