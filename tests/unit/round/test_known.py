"""What a node takes for true of a training: its own deeds, and what a majority attested by the ledger's own count."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.errors import RefusalError
from fl_node.ledger.records import Parameters, Round, Training
from fl_node.round import known
from fl_node.round.consent import Consent
from fl_node.round.known import GovernanceCache, KnowledgeDependencies
from tests.unit.round.test_checks import DIGEST, OTHER, ROUND

NEXT = ROUND.model_copy(update={"round": 2, "base_state": OTHER})
"""An attempt on the state that round 1 made."""


class Ledger:
    """A training whose round 1 some organisations attested, of so many that may; counts what is read."""

    def __init__(self, agree: int, majority: int) -> None:
        said = {f"{number}MSP": {"state": OTHER, "agree": number < agree} for number in range(5)}
        made = ROUND.model_dump() | {"phase": "Final", "voters": 5, "majority": majority, "attestations": said}
        self.made = Round.model_validate(made)
        self.reads = 0

    async def training(self, name: str) -> Training:
        self.reads += 1
        head = {"round": 1, "state": OTHER, "depth": 1}
        fields = {"training": name, "plan": DIGEST, "rounds": 2, "cohort": 4, "head": head}
        return Training.model_validate(fields)

    async def parameters(self) -> Parameters:
        self.reads += 1
        return Parameters(survivor_difference_min=3, share_limit_ppm=600_000, count_bucket=5, time_window_ms=0)

    async def everything(self, _: str) -> list[Any]:
        self.reads += 1
        return [{"participant": name, "msp_id": f"{name}MSP"} for name in ROUND.cohort]

    async def query(self, *_: object, **__: object) -> Any:
        return {"steps": [{"state": OTHER, "round": 1, "attempt": 1}]}

    async def round(self, *_: object) -> Round:
        return self.made


def node(ledger: Ledger, *facts: str, plans: frozenset[str] = frozenset()) -> KnowledgeDependencies:
    async def runner(_: str) -> Any:
        return SimpleNamespace(manifest=SimpleNamespace(layout_digest=DIGEST, initial_state=DIGEST))

    made = SimpleNamespace(
        consent=Consent(plans=plans),
        ledger=ledger,
        workshop=SimpleNamespace(runner=runner),
        journal=SimpleNamespace(facts=lambda _: facts),
        governance_cache=GovernanceCache(),
    )
    return cast("KnowledgeDependencies", made)


@pytest.mark.parametrize(("agree", "majority", "trusted"), [(3, 3, True), (2, 3, False), (3, 4, False)])
async def test_a_state_is_attested_by_as_many_as_the_ledger_counts_for_a_majority(
    agree: int, majority: int, trusted: bool
):
    found = await known.gather(node(Ledger(agree, majority)), NEXT)
    assert (OTHER in found.base_states) is trusted


async def test_a_state_that_the_node_computed_itself_needs_nobody_elses_word():
    assert OTHER in (await known.gather(node(Ledger(0, 3), OTHER), NEXT)).base_states


async def test_what_votes_change_is_read_once_until_there_was_a_vote():
    ledger = Ledger(3, 3)
    made = node(ledger)
    for reads in (3, 3):
        trusted = await known.gather(made, NEXT)
        assert ledger.reads == reads
    made.governance_cache.clear()
    await known.gather(made, NEXT)
    assert ledger.reads == 6
    assert (trusted.share_limit_ppm, trusted.count_bucket) == (600_000, 5)
    assert trusted.organisations == {name: f"{name}MSP" for name in ROUND.cohort}


async def test_a_plan_that_the_organisation_does_not_consent_to_is_refused():
    with pytest.raises(RefusalError) as caught:
        await known.gather(node(Ledger(3, 3), plans=frozenset({OTHER})), NEXT)
    assert caught.value.code == "FL4301"
