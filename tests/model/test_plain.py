"""Five real nodes on the real rules that show one another their updates: what one of them does, and how it ends."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from fl_node.ledger.records import Round
from fl_node.round.consent import Consent
from tests.faults import synthetic
from tests.model.consortium import participant
from tests.model.misdeeds import Misdeeds
from tests.model.nodes import World, world
from tests.model.test_groups import mean, shouted


class Shown(World):
    """Five organisations that have voted for multi-Krum over updates that they see, one of which may be anything."""

    title: ClassVar[str] = "alike-ends"
    plan: ClassVar[dict[str, Any]] = synthetic.registration(title)
    names: ClassVar[tuple[str, ...]] = tuple(map(participant, range(5)))
    consent: ClassVar[Consent] = Consent(show_updates=True)

    def prepare(self) -> None:
        """Vote for the second version of the rules, and for the mode."""
        everybody = range(len(self.names))
        assert self.vote("set_rules_version", {"version": 2}, everybody) == ""
        settings = {"faulty": 1, "rule": "multi_krum", "bucket": 1}
        assert self.vote("set_parameters", {"parameters": {"mode": "plain", "plain": settings}}, everybody) == ""


def played(binary: Path, folder: Path, misdeeds: Misdeeds, refusing: str = "") -> Round:
    """Play the first attempt; one organisation may not have consented."""

    async def play() -> Round:
        async with world(binary, folder, *misdeeds.kinds(), of=Shown) as made:
            for name, member in zip(made.names, made.nodes, strict=True):
                if name == refusing:
                    member.node.consent = Consent()
            return (await made.ended(1))[0]

    return asyncio.run(play())


def test_t19_one_that_sends_the_largest_numbers_is_left_out_and_the_record_says_so(binary: Path, tmp_path: Path):
    view = played(binary, tmp_path, Misdeeds(plain=shouted))
    assert view.proposal is not None
    assert len(view.proposal.sums) == 5
    assert [view.groups[place] for place in view.proposal.outlying] == [(view.aggregators[0],)]
    assert 1 <= mean(view) <= 5


def test_a_node_whose_organisation_has_not_consented_shows_nothing(binary: Path, tmp_path: Path):
    refusing = participant(3)
    view = played(binary, tmp_path, Misdeeds(), refusing)
    assert view.phase == "Final"
    assert refusing not in view.keys
    assert len(view.survivors) == 4
