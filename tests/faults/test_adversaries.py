"""Adversaries as nodes on a network: one that knows the rule, a free-rider, one that counts too much, one split in two.

Nine organisations in three groups. What each faulty node sends is its own program (`misdeeds`); all else is as agreed.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.demo import regulator
from fl_node.demo.federation import opened
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round
from network import contract_codes
from tests.faults import synthetic
from tests.faults.conftest import network
from tests.faults.stage import Nodes, ended, found, last_attempt, settled, stakes, start

MORE = tuple(f"hospital-{letter}" for letter in "efghi")
ALL = ("hospital-a", "hospital-b", "hospital-c", "hospital-d", *MORE)
FAULTY = "hospital-c"
NUMBERS = {name: number for number, name in enumerate(ALL, 1)}
PATIENT = {"keys_ms": 60_000, "shares_ms": 60_000, "updates_ms": 60_000, "unmask_ms": 60_000, "attest_ms": 60_000}

pytestmark = [pytest.mark.lengthy, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """Nine nodes that aggregate in groups of three, of which one may be spoilt."""
    with network(tmp_path_factory.mktemp("nine"), request, *MORE, **PATIENT) as run:
        nodes = Nodes(run)

        async def begin() -> None:
            await nodes.ready(*ALL)
            async with opened(run) as federation:
                await found(federation)
                await federation.decide("set_rules_version", {"version": 2})
                settings = {"size": 3, "faulty": 1, "rule": "trimmed_mean"}
                body = {"mode": "robust_groups", "robust_groups": settings}
                await federation.decide("set_parameters", {"parameters": body})

        try:
            for name in ALL:
                honest(nodes, name)
            asyncio.run(begin())
            yield nodes
        finally:
            nodes.close()


def honest(nodes: Nodes, name: str, **misdeed: str) -> None:
    nodes.start(name, rows=[NUMBERS[name]] * synthetic.ROWS, **misdeed)


async def turned(nodes: Nodes, **misdeed: str) -> None:
    """Let the faulty node begin anew, with another misdeed or none."""
    nodes.stop(FAULTY)
    honest(nodes, FAULTY, **misdeed)
    await nodes.ready(FAULTY)


def means(view: Round) -> list[float]:
    """The means of the groups that the faulty one is not in."""
    return [sum(NUMBERS[name] for name in group) / len(group) for group in view.groups if FAULTY not in group]


def moved(run: Path, view: Round, training: str) -> float:
    """How far the round moved the model: the robust mean of the numbers."""
    assert view.proposal
    first = view.base_state == synthetic.registration(training)["initial_state"]
    digest = view.base_state
    base = synthetic.initial_of(training) if first else next(run.glob(f"**/{digest[:2]}/{digest}")).read_bytes()
    return float(view.proposal.metrics["mean"]) - base[0]


async def test_t19_who_knows_rule_groups_and_updates_moves_the_model_within_sound_groups_means(nine: Nodes):
    await turned(nine, ADAPTS=json.dumps(NUMBERS))
    async with opened(nine.run) as federation:
        await start(federation, "alike-adaptive", 2, cohort=len(ALL))
        for number in (1, 2):
            view = await last_attempt(federation.first, "alike-adaptive", number)
            assert view.phase == "Final"
            sound = means(view)
            assert moved(nine.run, view, "alike-adaptive") == pytest.approx(
                max(sound), abs=0.1
            )  # so far it has its way
    assert nine.logged(FAULTY, "adapted")


async def test_a_free_rider_is_paid_by_its_rows_and_moves_the_model_to_a_sound_groups_mean_at_most(nine: Nodes):
    await turned(nine, RIDES="1")
    async with opened(nine.run) as federation:
        await start(federation, "alike-riding", 1, cohort=len(ALL))
        view = await last_attempt(federation.first, "alike-riding", 1)
        rewards = await federation.first.everything("ListRewards", training="alike-riding", round=1)
    assert view.phase == "Final"
    sound = means(view)
    assert min(sound) - 0.1 <= moved(nine.run, view, "alike-riding") <= max(sound) + 0.1
    amounts = {reward["participant"]: reward["amount"] for reward in rewards}
    assert amounts[FAULTY] * 10 >= max(amounts.values()) * 9  # terms of contribution would have to be voted


async def test_t20_who_counts_more_than_its_vetted_rows_commits_nothing_and_is_slashed(nine: Nodes):
    await turned(nine)
    async with opened(nine.run) as federation:
        await federation.decide("set_parameters", {"parameters": {"mode": "secure_sum", "updates_ms": 12_000}})
        before = await stakes(federation.first)
        await turned(nine, INFLATES="3")
        await start(federation, "inflated", 1, cohort=len(ALL))
        view = await ended(federation.first, "inflated", 1)
        await settled(federation.first, "inflated", 1)
        after = await stakes(federation.first)
    assert (view.phase, FAULTY in view.survivors) == ("Final", False)
    assert contract_codes.COUNT_REFUSED in nine.log(FAULTY)
    assert after[FAULTY] < before[FAULTY]
    assert {name for name in ALL if after[name] < before[name]} == {FAULTY}


async def test_t10_one_organisation_has_no_second_participant_without_a_vote(nine: Nodes):
    await turned(nine)
    async with opened(nine.run) as federation:
        described = {"rows": synthetic.ROWS // 2, "missing_ppm": 0, "labels": [3, 2], "schema": synthetic.SCHEMA}
        shell = {
            "participant": "shell",
            "key_hash": "ab" * 32,
            "profile": described,
            "evidence": [],
            "stake": 2_000_000,
        }
        with pytest.raises(LedgerError) as refused:
            await federation.admins[FAULTY].submit("Apply", **shell)
    assert refused.value.code == contract_codes.TOO_MANY_PARTICIPANTS
    verdict = await regulator.audit(nine.run)
    assert verdict.get("ok") is True, verdict.get("failures") or verdict.get("error")
