"""Whatever one of four participants does to its vector, its proposals or its states, the attempt has an end.

The end is the one that the true sum gives: Final with the state that honest nodes compute, or Void where none follows.
"""

import asyncio
import math
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from fl_node.ledger.records import Round
from fl_node.plan.errors import PlanError
from fl_node.plan.interface import UpdateResult
from fl_node.plan.state_codec import compare_states
from tests.faults.synthetic import GARBAGE
from tests.model.misdeeds import PROPOSALS, SEGMENTS, STATES, VECTORS, Change, Misdeeds
from tests.model.nodes import NAMES, TOLERANCE, World, summed, within, world

MEMORY = Path("/dev/shm")
ENOUGH = settings(
    max_examples=30, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


def expected(made: World, misdeeds: Misdeeds, view: Round) -> tuple[str, UpdateResult | None]:
    """Return the reason of the void end that the true sum must have; or none, and the result that it must have."""
    vectors = [made.nodes[NAMES.index(name)].runners[0].plain for name in view.survivors]
    if made.first in view.survivors:
        assert misdeeds.added is not None, "a vector of another length was taken"
        vectors.append(misdeeds.added)
    total = summed(vectors)
    if not within(total, len(view.survivors)):
        return "FL0428", None
    try:
        result = made.follows(total, view)
    except PlanError:
        return "FL0432", None
    return ("", result) if math.isfinite(result.metrics["mean"]) else ("FL0432", None)


def right(made: World, misdeeds: Misdeeds, view: Round) -> None:
    """Hold an attempt that is over against what its survivors' true sum gives."""
    reason, result = expected(made, misdeeds, view)
    assert (view.phase, view.void_reason) == ("Void" if reason else "Final", reason)
    if result is not None:
        assert compare_states(result.state, made.store.read(view.state), TOLERANCE) <= TOLERANCE
        assert view.proposal is not None
        assert math.isclose(float(view.proposal.metrics["mean"]), result.metrics["mean"], rel_tol=2 * TOLERANCE)


def play(binary: Path, misdeeds: Misdeeds, ends: Counter[str]) -> int:
    """Play a round's first attempt, and where that is void the second with everybody honest; return its turns."""
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="fedledger-ends-", dir=memory) as folder:
        return asyncio.run(_played(binary, Path(folder), misdeeds, ends))


async def _played(binary: Path, folder: Path, misdeeds: Misdeeds, ends: Counter[str]) -> int:
    async with world(binary, folder, *misdeeds.kinds()) as made:
        first, turns = await made.ended(1)
        right(made, misdeeds, first)
        ends[first.void_reason or f"Final with proposal {first.proposal and first.proposal.number}"] += 1
        if first.phase == "Void":
            misdeeds.repent()
            second, _ = await made.ended(2)
            assert second.phase == "Final", f"{second.void_reason} after {first.void_reason}"
            right(made, misdeeds, second)
        return turns


def put(place: int, number: int) -> Change:
    """Write a number to all slots of a segment."""

    def change(vector: bytes) -> bytes:
        mine = bytearray(vector)
        SEGMENTS[place].view(mine)[:] = np.array(number, SEGMENTS[place].dtype)
        return bytes(mine)

    return change


def proposing(**fields: Any) -> Misdeeds:
    return Misdeeds(proposal=lambda proposal: {**proposal, **fields})


def test_four_honest_nodes_bring_a_round_to_final_in_a_few_turns(binary: Path):
    assert play(binary, Misdeeds(), ends := Counter()) < 30
    assert ends == {"Final with proposal 1": 1}


@pytest.mark.parametrize(
    ("misdeeds", "end"),
    [
        pytest.param(Misdeeds(plain=put(0, 21)), "Final with proposal 1", id="half a row"),
        pytest.param(Misdeeds(plain=put(1, GARBAGE["raises"])), "FL0432", id="the update fails"),
        pytest.param(Misdeeds(plain=put(1, GARBAGE["no number"])), "FL0432", id="a metric is no number"),
        pytest.param(Misdeeds(plain=put(2, 21)), "FL0432", id="more weight than its rows have"),
        pytest.param(Misdeeds(masked=lambda blob: blob[:-16]), "Final with proposal 1", id="too short"),
        pytest.param(proposing(metrics=None), "Final with proposal 1", id="metrics that are none"),
        pytest.param(proposing(metrics={"mean": "7"}), "Final with proposal 2", id="other metrics"),
        pytest.param(proposing(state="0" * 64), "Final with proposal 2", id="a state that nobody has"),
    ],
)
def test_a_round_ends_as_it_must(binary: Path, misdeeds: Misdeeds, end: str):
    play(binary, misdeeds, ends := Counter())
    assert ends == {end: 1}


def test_whatever_a_participant_makes_of_its_vector_the_round_ends_as_the_true_sum_says(binary: Path):
    ends: Counter[str] = Counter()

    @ENOUGH
    @given(VECTORS)
    def each(misdeeds: Misdeeds) -> None:
        play(binary, misdeeds, ends)

    each()
    assert set(ends) == {"Final with proposal 1", "FL0428", "FL0432"}


def test_whatever_a_participant_proposes_the_round_ends_final_with_the_honest_state(binary: Path):
    ends: Counter[str] = Counter()

    @ENOUGH
    @given(PROPOSALS)
    def each(misdeeds: Misdeeds) -> None:
        play(binary, misdeeds, ends)

    each()
    assert set(ends) == {"Final with proposal 1", "Final with proposal 2"}


def test_whatever_state_a_participant_publishes_the_round_ends_final_with_the_honest_one(binary: Path):
    ends: Counter[str] = Counter()

    @ENOUGH
    @given(STATES)
    def each(misdeeds: Misdeeds) -> None:
        play(binary, misdeeds, ends)

    each()
    assert set(ends) <= {"Final with proposal 1", "Final with proposal 2"}
    assert ends["Final with proposal 2"] > ends["Final with proposal 1"], "most states are refuted"
