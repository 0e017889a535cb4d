"""Four real nodes on the real rules that speak through a carrier, honest or not: how a round of them ends."""

import asyncio
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from fl_node.blobs.words import FUNCTIONS
from fl_node.ledger.records import Round
from tests.model.carriers import CARRIERS, Carrier, beyond
from tests.model.consortium import msp, place_of
from tests.model.misdeeds import Misdeeds
from tests.model.nodes import TURN_MS, World, world
from tests.model.test_ends import MEMORY, right

SOME = settings(
    max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


class Spoken(World):
    """Four organisations that have voted for the second version of the rules, one of which carries as it likes."""

    carrier = Carrier()
    idle_ms = TURN_MS  # as often as a node looks, or it would see that a carrier's time is over when the phase is

    def prepare(self) -> None:
        """Vote for the rules that know words."""
        assert self.vote("set_rules_version", {"version": 2}, range(len(self.names))) == ""

    def between(self) -> None:
        """Let the carrier do what is not its node's."""
        self.carrier.meddle(self)


def played(binary: Path, carrier: Carrier) -> Counter[str]:
    """Play an attempt, and where it is void a second; return how often the rules took what."""

    async def play(folder: Path) -> Counter[str]:
        async with world(binary, folder, *carrier.kinds(), of=Spoken) as made:
            made.carrier = carrier  # type: ignore[attr-defined]
            view, _ = await made.ended(1)
            await judged(made, carrier, view)
            if view.phase == "Void":
                carrier.misdeeds.repent()
                view, _ = await made.ended(2)
                await judged(made, carrier, view)
            assert view.phase == "Final", view.void_reason
            return made.accepted

    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="fedledger-words-", dir=memory) as folder:
        return asyncio.run(play(Path(folder)))


async def judged(made: World, carrier: Carrier, view: Round) -> None:
    """The end is the one of the true sum, nobody said more than it may, and nobody spoke for another."""
    assert view.survivors == view.u2 == view.cohort, "an honest node is lost to a carrier"
    right(made, carrier.misdeeds, view)
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for told in (await made.nodes[0].node.ledger.reveals(view)).values():
        for dealer, share in told.items():
            kinds[dealer].add(share.kind)
    assert all(len(kind) == 1 for kind in kinds.values()), "both kinds open an update (T2)"
    records = [
        *((name, "PublishKeys", keys) for name, keys in view.keys.items() if view.attempt == 1),
        *((name, "CommitShares", shares) for name, shares in view.shares.items()),
        *((name, "CommitUpdate", update) for name, update in view.updates.items()),
        *((name, "Attest", view.attestations[msp(place_of(name))]) for name in attesters(view)),
    ]
    for name, function, record in records:
        shown = record.model_dump().items()
        assert any(shown <= said.items() for said in made.said[name, function]), f"{name} has not said {function} so"


def attesters(view: Round) -> list[str]:
    """Return the participants whose organisations attested: a proposal is its own organisation's word as well."""
    proposer = view.proposal.proposer if view.proposal else ""
    return [name for name in view.cohort if msp(place_of(name)) in view.attestations and name != proposer]


def alone(accepted: Counter[str]) -> set[str]:
    """Return what somebody said in a transaction of its own."""
    return set(FUNCTIONS) & set(accepted)


def test_four_honest_nodes_and_an_honest_carrier_need_one_transaction_a_phase(binary: Path):
    accepted = played(binary, Carrier())
    assert accepted == {"CarryWords": len(FUNCTIONS), "ProposeAggregate": 1}


@pytest.mark.parametrize("drops", [0b1, 0b1010, 0b11111111], ids=["the first", "every second", "all"])
def test_whoever_is_left_out_by_the_carrier_speaks_alone(binary: Path, drops: int):
    accepted = played(binary, Carrier(drops=drops))
    decided = drops != 0b11111111  # with the proposer's word the two that are carried are a majority
    assert alone(accepted) == set(FUNCTIONS) - ({"Attest"} if decided else set())
    assert bool(accepted["CarryWords"]) is (drops < 0b11111111)


@pytest.mark.parametrize("late_ms", [1_000, 9_000])
def test_words_that_a_carrier_brings_late_are_taken_once_or_not_at_all(binary: Path, late_ms: int):
    carrier = Carrier(late_ms=late_ms)
    accepted = played(binary, carrier)
    assert carrier.outcomes
    assert bool(alone(accepted)) is (late_ms > 1_000)


def test_words_of_phases_and_attempts_that_are_over_are_not_taken_again(binary: Path):
    carrier = Carrier(repeats=True, misdeeds=Misdeeds(masked=beyond))
    accepted = played(binary, carrier)
    assert {"FL0002", "FL0408"} <= set(carrier.outcomes), "of another attempt, of another phase"
    assert accepted["CarryWords"] > len(FUNCTIONS)


def test_words_that_are_brought_under_other_names_are_not_taken(binary: Path):
    carrier = Carrier(misplaces=True)
    accepted = played(binary, carrier)
    assert {"FL0002", "FL0702"} <= set(carrier.outcomes)
    assert alone(accepted) == set()


def test_whatever_a_carrier_makes_of_words_the_round_ends_as_the_true_sum_says(binary: Path):
    taken: Counter[str] = Counter()
    ways: Counter[Any] = Counter()

    @SOME
    @given(CARRIERS)
    def each(carrier: Carrier) -> None:
        taken.update(played(binary, carrier))
        ways[bool(carrier.drops), bool(carrier.late_ms), carrier.repeats, carrier.misplaces] += 1

    each()
    assert taken["CarryWords"] > len(FUNCTIONS)
    assert len(ways) > 6, "most ways go together"
