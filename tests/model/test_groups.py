"""Nine real nodes on the real rules, summed in three groups: what one of them does, and how the round ends."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fl_node.ledger.records import Round
from tests.faults import synthetic
from tests.model.consortium import participant
from tests.model.misdeeds import Misdeeds
from tests.model.nodes import World, world

VALUES = synthetic.LAYOUT.flat.segment("values")


class Grouped(World):
    """Nine organisations that have voted for groups of three, one of which may be spoilt."""

    title: ClassVar[str] = "alike-ends"
    plan: ClassVar[dict[str, Any]] = synthetic.registration(title)
    names: ClassVar[tuple[str, ...]] = tuple(map(participant, range(9)))

    def prepare(self) -> None:
        """Vote for the second version of the rules, and for groups."""
        everybody = range(len(self.names))
        assert self.vote("set_rules_version", {"version": 2}, everybody) == ""
        settings = {"size": 3, "faulty": 1, "rule": "trimmed_mean"}
        parameters = {"mode": "robust_groups", "robust_groups": settings}
        assert self.vote("set_parameters", {"parameters": parameters}, everybody) == ""


class Larger(Grouped):
    """Twelve of them, in four groups: one may stay closed."""

    names: ClassVar[tuple[str, ...]] = tuple(map(participant, range(12)))


def played(binary: Path, folder: Path, misdeeds: Misdeeds) -> tuple[Round, dict[str, dict[str, str]]]:
    """Play the first attempt; return it, and which kind of share of whom each node revealed."""

    async def play() -> tuple[Round, dict[str, dict[str, str]]]:
        async with world(binary, folder, *misdeeds.kinds(), of=Grouped) as made:
            view, _ = await made.ended(1)
            reveals = await made.nodes[0].node.ledger.reveals(view)
            return view, {who: {of: share.kind for of, share in said.items()} for who, said in reveals.items()}

    return asyncio.run(play())


def mean(view: Round) -> float:
    """The plan's metric: the mean of the first slot, without what the base state adds."""
    assert view.phase == "Final", view.void_reason
    assert view.proposal is not None
    return float(view.proposal.metrics["mean"]) - synthetic.initial_of("alike-ends")[0]


def shouted(vector: bytes) -> bytes:
    """Put the largest number into every value."""
    loud = bytearray(vector)
    VALUES.view(loud)[:] = np.array(VALUES.maximum, VALUES.dtype)
    return bytes(loud)


def test_t19_nine_honest_nodes_bring_a_round_in_groups_to_final(binary: Path, tmp_path: Path):
    view, reveals = played(binary, tmp_path, Misdeeds())
    assert sorted(map(len, view.groups)) == [3, 3, 3]
    assert view.proposal is not None
    assert len(view.proposal.sums) == 3
    groups = sorted(np.mean([int(name[-3:]) + 1 for name in group]) for group in view.groups)
    assert abs(mean(view) - groups[1]) < 1
    assert all(set(kinds.values()) == {"seed"} for kinds in reveals.values())


def test_t19_one_that_sends_the_largest_numbers_moves_its_group_and_not_the_state(binary: Path, tmp_path: Path):
    view, _ = played(binary, tmp_path, Misdeeds(plain=shouted))
    assert 1 <= mean(view) <= 9


def test_t16_a_proposer_of_another_digest_of_a_group_is_passed_over(binary: Path, tmp_path: Path):
    misdeeds = Misdeeds(proposal=lambda true: {**true, "sums": ["0" * 64, *true["sums"][1:]]})
    view, _ = played(binary, tmp_path, misdeeds)
    assert view.proposal is not None
    assert view.proposal.proposer != view.aggregators[0]
    assert 1 <= mean(view) <= 9


def test_t19_of_a_group_that_lost_a_member_nothing_is_revealed_and_nobody_pays_for_it(binary: Path, tmp_path: Path):
    async def play() -> tuple[World, Round, set[str], dict[str, int]]:
        async with world(binary, tmp_path, of=Larger) as made:
            await lost(made, made.view().groups[0][0])
            view, _ = await made.ended(1)
            reveals = await made.nodes[0].node.ledger.reveals(view)
            await made.nodes[0].node.ledger.submit("Settle", training=view.training, round=1)
            staked = {name: made.ledger.get("stake", name)["amount"] for name in made.names}
            return made, view, {of for said in reveals.values() for of in said}, staked

    _, view, shown, staked = asyncio.run(play())
    first, *others = view.groups
    assert view.left_out == first[1:]
    assert shown == {name for group in others for name in group} == set(view.survivors)
    assert set(view.revealed) >= set(view.survivors)
    assert view.proposal is not None
    assert len(view.proposal.sums) == 3
    assert mean(view) >= 1
    assert {staked[name] for name in (*view.survivors, *view.left_out)} == {2_000_000}
    assert staked[first[0]] < 2_000_000


async def lost(made: World, name: str) -> None:
    """Let a node be gone once shares are dealt."""
    node = made.nodes[made.names.index(name)]
    look = node.look

    async def until_updates() -> None:
        if made.view().phase in {"Keys", "Shares"}:
            await look()

    node.look = until_updates  # type: ignore[method-assign]
