"""Whole cohorts: the sum of the survivors is exact, or the attempt voids with the right reason."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_node import codes
from fl_node.secagg import errors
from fl_node.secagg.layout import Layout
from fl_node.secagg.masks import CHUNK
from fl_node.secagg.session import threshold
from fl_node.secagg.simulation import session_of, simulate

PHASES = ("keys", "shares", "updates", "reveal")


def layout_of(narrow: int, wide: int, modular: int) -> Layout:
    segments = [
        {"name": "narrow", "kind": "value", "word": 32, "ring": 32, "max": 65535, "slots": narrow},
        {"name": "wide", "kind": "weight", "word": 64, "ring": 64, "max": 1 << 50, "slots": wide},
        {"name": "modular", "kind": "value", "word": 32, "ring": 20, "max": (1 << 20) - 1, "slots": modular},
        {"name": "rows", "kind": "count", "word": 64, "ring": 64, "max": 1 << 20, "slots": 1},
        {"name": "one", "kind": "one", "word": 32, "ring": 32, "max": 1, "slots": 1},
    ]
    count = {"segment": "rows", "numerator": 1, "denominator": 2}
    return Layout.from_fields({"version": 1, "segments": [s for s in segments if s["slots"]], "count": count})


def plain_values(layout: Layout, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        one.name: np.full(one.slots, 1 if one.kind == "one" else 0, np.uint64)
        + (0 if one.kind == "one" else random.integers(0, one.maximum, one.slots, np.uint64, endpoint=True))
        for one in layout.segments
    }


def plain_sum(layout: Layout, values: list[dict[str, np.ndarray]]) -> dict[str, list[int]]:
    """The naive twin: sums integers of any size, then takes the ring."""
    totals = {}
    for one in layout.segments:
        columns = zip(*(value[one.name].tolist() for value in values), strict=True)
        totals[one.name] = [sum(column) % (1 << one.ring) for column in columns]
    return totals


@dataclass(frozen=True)
class Plan:
    """A cohort, its threshold and who drops out in which phase."""

    cohort: int
    threshold: int
    gone: dict[str, frozenset[int]]

    def names(self, phase: str) -> frozenset[str]:
        return frozenset(f"hospital-{place:03d}" for place in self.gone[phase])

    def left(self, *phases: str) -> int:
        return self.cohort - len(frozenset().union(*(self.gone[phase] for phase in phases)))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    cohort = draw(st.integers(3, 9))
    places = draw(st.permutations(range(cohort)))
    counts = [draw(st.sampled_from([0, 0, 0, 0, 1, 2])) for _ in PHASES]
    gone, at = {}, 0
    for phase, count in zip(PHASES, counts, strict=True):
        gone[phase] = frozenset(places[at : at + count])
        at += count
    least = threshold(cohort)
    return Plan(cohort, draw(st.sampled_from([least, least, min(least + 1, cohort), cohort])), gone)


def expected_reason(plan: Plan) -> str | None:
    if min(plan.left("keys"), plan.left("keys", "shares")) < plan.threshold:
        return codes.TOO_FEW_SURVIVORS
    if plan.left("keys", "shares", "updates") < max(plan.threshold, 3):
        return codes.TOO_FEW_SURVIVORS
    if plan.left("keys", "shares", "reveal") < plan.threshold:
        return codes.TOO_FEW_SHARES
    return None


@settings(max_examples=60, deadline=None)
@given(
    plan=plans(), narrow=st.integers(0, 40), wide=st.integers(0, 9), modular=st.integers(0, 9), seed=st.integers(0, 99)
)
def test_the_sum_of_survivors_is_exact_or_the_attempt_voids(
    plan: Plan, narrow: int, wide: int, modular: int, seed: int
):
    layout = layout_of(narrow, wide, modular)
    session = session_of(layout, plan.cohort, threshold=plan.threshold)
    values = {name: plain_values(layout, seed + place) for place, name in enumerate(session.cohort)}
    vectors = {name: layout.pack(value) for name, value in values.items()}
    absent = {phase: plan.names(phase) for phase in PHASES}
    reason = expected_reason(plan)
    if reason:
        with pytest.raises(errors.SecaggError) as refusal:
            simulate(session, vectors, absent)
        assert reason == refusal.value.code
        return
    aggregate = simulate(session, vectors, absent)
    gone = plan.names("keys") | plan.names("shares") | plan.names("updates")
    total = plain_sum(layout, [value for name, value in values.items() if name not in gone])
    assert total == {name: words.tolist() for name, words in layout.unpack(aggregate.vector).items()}
    assert aggregate.rows == total["rows"][0] // 2


@pytest.mark.parametrize(("cohort", "dropouts"), [(4, 1), (7, 2), (10, 3)])
def test_a_third_less_one_may_drop_out_after_sharing_and_one_more_voids(cohort: int, dropouts: int):
    layout = layout_of(5, 1, 1)
    session = session_of(layout, cohort)
    values = {name: plain_values(layout, place) for place, name in enumerate(session.cohort)}
    vectors = {name: layout.pack(value) for name, value in values.items()}
    aggregate = simulate(session, vectors, {"updates": session.cohort[:dropouts]})
    total = plain_sum(layout, [values[name] for name in session.cohort[dropouts:]])
    assert total == {name: words.tolist() for name, words in layout.unpack(aggregate.vector).items()}
    with pytest.raises(errors.Refusal) as refusal:
        simulate(session, vectors, {"updates": session.cohort[: dropouts + 1]})
    assert refusal.value.code == codes.TOO_FEW_SURVIVORS


def test_vectors_longer_than_a_chunk_sum_exactly():
    layout = layout_of(CHUNK // 4 + 3, CHUNK // 8 + 1, 5)
    session = session_of(layout, 4)
    values = {name: plain_values(layout, place) for place, name in enumerate(session.cohort)}
    vectors = {name: layout.pack(value) for name, value in values.items()}
    aggregate = simulate(session, vectors, {"updates": [session.cohort[2]]})
    total = plain_sum(layout, [value for name, value in values.items() if name != session.cohort[2]])
    assert total == {name: words.tolist() for name, words in layout.unpack(aggregate.vector).items()}


def test_a_participant_that_drops_out_before_sharing_keys_does_not_stop_the_round():
    layout = layout_of(3, 1, 1)
    session = session_of(layout, 4)
    vectors = {name: layout.pack(plain_values(layout, 1)) for name in session.cohort}
    aggregate = simulate(session, vectors, {"keys": [session.cohort[1]]})
    assert layout.unpack(aggregate.vector)["one"].tolist() == [3]
