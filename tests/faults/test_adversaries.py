"""Adversaries as nodes on a network: nine organisations in three groups, of which one may be spoilt.

What the faulty node sends is a program of `tests/adversary`; all else is as agreed. Who counts too much, and who splits
itself in two, need no groups.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fl_node.demo import regulator
from fl_node.demo.federation import opened
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round
from network import contract_codes
from tests.adversary.attacks import Updates
from tests.faults import adversary, synthetic
from tests.faults.adversary import NAMES, NUMBERS
from tests.faults.conftest import network
from tests.faults.stage import NAMES as STAGE
from tests.faults.stage import Nodes, ended, found, last_attempt, settled, stakes, start

FAULTY = "hospital-c"
KINDS = (
    *("sign-flip", "scaling", "ipm", "alie", "mimic", "label-flip", "backdoor", "loud-backdoor", "free-rider"),
    "adaptive",
)
ROUNDS = {"sign-flip": 4, "adaptive": 4}
"""How many rounds, where the monitor is to have enough to look at; else one."""
BESIDE_TRIGGER = synthetic.SLOTS - 1
PATIENT = {"keys_ms": 60_000, "shares_ms": 60_000, "updates_ms": 60_000, "unmask_ms": 60_000, "attest_ms": 60_000}
SETTINGS = {"size": 3, "faulty": 1, "rule": "trimmed_mean"}


class Nine:
    """Nine nodes in groups of three; the faulty one sends what a program says."""

    def __init__(self, run: Path) -> None:
        self.nodes, self.program = Nodes(run), run / "attack"
        self.rounds: dict[str, list[Round]] = {}

    async def begin(self) -> None:
        self.program.write_text("")
        for name in NAMES:
            attack = {"ATTACK": str(self.program)} if name == FAULTY else {}
            self.nodes.start(name, rows=[NUMBERS[name]] * synthetic.ROWS, **attack)
        await self.nodes.ready(*NAMES)
        async with opened(self.nodes.run) as federation:
            await found(federation)
            await federation.decide("set_rules_version", {"version": 2})
            body = {"mode": "robust_groups", "robust_groups": SETTINGS}
            await federation.decide("set_parameters", {"parameters": body})

    async def attacked(self, attack: str) -> list[Round]:
        """Train under an attack, unless that was done, and return the rounds as they ended."""
        if attack in self.rounds:
            return self.rounds[attack]
        self.program.write_text(attack)
        training = named(attack)
        async with opened(self.nodes.run) as federation:
            await start(federation, training, ROUNDS.get(attack, 1), cohort=len(NAMES))
            numbers = range(1, 1 + ROUNDS.get(attack, 1))
            self.rounds[attack] = [await last_attempt(federation.first, training, number) for number in numbers]
        self.program.write_text("")
        return self.rounds[attack]

    def moved(self, view: Round) -> Updates:
        """Return how far the round moved each slot: the aggregate's mean, from zero on."""
        assert view.proposal
        digest, slots = view.proposal.aggregate, synthetic.SLOTS
        vector = next(self.nodes.run.glob(f"**/{digest[:2]}/{digest}")).read_bytes()
        values = synthetic.layout_of(view.training).unpack(vector, len(NAMES))[1]
        assert values.shape == (slots,)
        return values / len(NAMES) - adversary.MIDDLE


def named(attack: str) -> str:
    """A training's name under an attack."""
    return f"alike-from-the-middle-{attack}"


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Nine]:
    """Nine nodes that aggregate in groups of three, of which one may be spoilt."""
    with network(tmp_path_factory.mktemp("nine"), request, *NAMES[4:], **PATIENT) as run:
        nine = Nine(run)
        try:
            asyncio.run(nine.begin())
            yield nine
        finally:
            nine.nodes.close()


@pytest.mark.lengthy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("attack", KINDS)
async def test_t19_an_attacker_in_one_of_three_groups_moves_the_model_hardly_beyond_the_sound_groups(
    nine: Nine, attack: str
):
    for view in await nine.attacked(attack):
        assert view.phase == "Final"
        assert view.proposal
        assert sorted(view.survivors) == [*NAMES]
        means = adversary.means(attack, FAULTY, view.groups, synthetic.SLOTS)
        (spoilt,) = [at for at, group in enumerate(view.groups) if FAULTY in group]
        moved, sound = nine.moved(view), np.delete(means, spoilt, axis=0)[:, BESIDE_TRIGGER]
        beyond = (sound.max() - sound.min()) / 6  # the bound may leave out a sound group: decision 24
        assert sound.min() - beyond - 0.1 <= moved[BESIDE_TRIGGER] <= sound.max() + beyond + 0.1
        left_out = {*view.proposal.outlying}
        # who knows the rule goes to the bound itself, where fractions and integers may differ
        assert adversary.far(means, adversary.FAR * 1.001) <= left_out <= adversary.far(means, adversary.FAR * 0.999)
        kept = np.sort(np.delete(means, [*left_out], axis=0), axis=0)
        assert moved == pytest.approx(np.median(kept, axis=0), abs=0.1)  # of three, or two, the trimmed mean is that
    assert {line["by"] for line in nine.nodes.logged(FAULTY, "attacked")} >= {attack}


@pytest.mark.lengthy
@pytest.mark.timeout(900)
async def test_a_free_rider_is_paid_by_its_rows_where_nobody_voted_for_contributions(nine: Nine):
    (view,) = await nine.attacked("free-rider")
    async with opened(nine.nodes.run) as federation:
        await settled(federation.first, view.training, 1)
        rewards = await federation.first.everything("ListRewards", training=view.training, round=1)
    amounts = {reward["participant"]: reward["amount"] for reward in rewards}
    assert amounts[FAULTY] * 10 >= max(amounts.values()) * 9


@pytest.mark.lengthy
@pytest.mark.timeout(900)
async def test_the_audit_makes_all_of_it_again_and_the_monitor_sees_who_is_loud(nine: Nine):
    for attack in ROUNDS:
        await nine.attacked(attack)
    verdict = await regulator.audit(nine.nodes.run)
    assert verdict.get("ok") is True, verdict.get("failures") or verdict.get("error")
    assert not [gap for gap in verdict["unchecked"] if "sum" in gap["text"]]
    found = await regulator.command("anomalies", *regulator.evidence(nine.nodes.run))
    by_training = {one["training"]: one for one in found["trainings"]}
    flagged = {attack: by_training[named(attack)]["flags"] for attack in ROUNDS}
    assert {by_training[named(attack)]["in_groups"] for attack in ROUNDS} == {4}
    (spoilt,) = [group for group in nine.rounds["sign-flip"][0].groups if FAULTY in group]
    assert [flag["about"] for flag in flagged["sign-flip"] if flag["kind"] == "opposed"] == [sorted(spoilt)]
    assert "outlying" in {flag["kind"] for flag in flagged["sign-flip"]}


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_t20_who_counts_more_than_its_vetted_rows_commits_nothing_and_is_slashed(run: Path, nodes: Nodes):
    await nodes.ready()
    nodes.stop(FAULTY)
    nodes.start(FAULTY, INFLATES="3")
    await nodes.ready(FAULTY)
    async with opened(run) as federation:
        before = await stakes(federation.first)
        await start(federation, "inflated", 1)
        view = await ended(federation.first, "inflated", 1)
        await settled(federation.first, "inflated", 1)
        after = await stakes(federation.first)
    nodes.stop(FAULTY)
    nodes.start(FAULTY)
    assert (view.phase, FAULTY in view.survivors) == ("Final", False)
    assert contract_codes.COUNT_REFUSED in nodes.log(FAULTY)
    assert {name: after[name] < before[name] for name in STAGE} == {name: name == FAULTY for name in STAGE}


async def test_t10_one_organisation_has_no_second_participant_without_a_vote(run: Path, nodes: Nodes):
    await nodes.ready()
    described = {"rows": synthetic.ROWS // 2, "missing_ppm": 0, "labels": [3, 2], "schema": synthetic.SCHEMA}
    shell = {"participant": "shell", "key_hash": "ab" * 32, "profile": described, "evidence": [], "stake": 2_000_000}
    async with opened(run) as federation:
        with pytest.raises(LedgerError) as refused:
            await federation.admins[FAULTY].submit("Apply", **shell)
    assert refused.value.code == contract_codes.TOO_MANY_PARTICIPANTS
