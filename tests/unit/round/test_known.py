"""What a node takes for true of a training: its own deeds, and what a majority attested by the ledger's own count."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.errors import RefusalError
from fl_node.journal.journal import Journal
from fl_node.ledger.records import Frozen, Parameters, Plan, Round, Training
from fl_node.privacy.integers import NOTHING
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

    async def plan(self, plan: str) -> Plan:
        return Plan(plan=plan, name="tumour", layout={}, initial_state=DIGEST)  # the client reads a plan once

    async def parameters(self) -> Parameters:
        self.reads += 1
        return Parameters(survivor_difference_min=3, share_limit_ppm=600_000, count_bucket=5, time_window_ms=0)

    async def everything(self, _: str) -> list[Any]:
        self.reads += 1
        return [{"participant": name, "msp_id": f"{name}MSP"} for name in ROUND.cohort]

    async def lineage(self, _: str) -> dict[str, Any]:
        others = [{"state": "ee" * 32, "round": 3, "attempt": 1}, {"state": "01" * 32, "round": 4, "attempt": 1}]
        return {"steps": [*others, {"state": OTHER, "round": 1, "attempt": 1}]}

    async def round(self, _: str, number: int, attempt: int) -> Round | None:
        assert (number, attempt) == (1, 1), "only the round that made the state tells whether it is attested"
        return self.made


def node(ledger: Ledger, *facts: str, plans: frozenset[str] = frozenset()) -> KnowledgeDependencies:
    async def runner(_: str) -> Any:
        about = {
            "layout_digest": DIGEST,
            "initial_state": DIGEST,
            "promise": None,
            "registered": NOTHING,
            "zeroing": False,
        }
        return SimpleNamespace(manifest=SimpleNamespace(**about))

    made = SimpleNamespace(
        consent=Consent(plans=plans),
        ledger=ledger,
        workshop=SimpleNamespace(runner=runner),
        journal=SimpleNamespace(facts=lambda _: facts),
        governance_cache=GovernanceCache(),
    )
    return cast("KnowledgeDependencies", made)


@pytest.mark.parametrize(("agree", "majority", "trusted"), [(3, 3, True), (4, 3, True), (2, 3, False), (3, 4, False)])
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


async def test_a_state_whose_round_the_ledger_does_not_show_is_attested_by_nobody():
    ledger = Ledger(5, 3)

    async def nothing(*_: object) -> None:
        return None

    ledger.round = nothing  # type: ignore[method-assign]
    assert OTHER not in (await known.gather(node(ledger), NEXT)).base_states


def test_t2_the_set_that_this_very_attempt_froze_is_no_earlier_one_and_those_of_others_are(tmp_path: Path):
    before, elsewhere = ROUND.model_copy(update={"attempt": 2}), ROUND.model_copy(update={"base_state": OTHER})
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        known.freeze(journal, before.model_copy(update={"survivors": ("a", "b", "c")}))
        known.freeze(journal, ROUND)
        judge(journal, before, elsewhere)
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:  # after a restart
        judge(journal, before, elsewhere)


def judge(journal: Journal, before: Round, elsewhere: Round) -> None:
    theirs = ROUND.model_copy(update={"frozen": (Frozen(survivors=("b", "c", "d")),)})
    assert set(known.earlier_sets(journal, ROUND)) == {frozenset("abc")}
    assert set(known.earlier_sets(journal, before)) == {frozenset("abcd")}
    assert set(known.earlier_sets(journal, theirs)) == {frozenset("abc"), frozenset("bcd")}
    assert known.earlier_sets(journal, elsewhere) == ()
    assert (known.frozen_as(journal, ROUND), known.frozen_as(journal, before)) == (list("abcd"), list("abc"))
    assert known.frozen_as(journal, ROUND.model_copy(update={"attempt": 3})) is None
