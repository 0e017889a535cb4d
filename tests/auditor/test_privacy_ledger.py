"""A ledger that counts what a plan with noise tells of each participant: shown, derived again, and forged."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from typer.testing import CliRunner

from audit.evidence.fetch import fetch
from audit.verify.verdict import Rule
from fl_node.commands.application import application
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import Goal, calibrated
from fl_node.plan.arithmetic.state import read_state
from fl_node.plan.manifest import Quantisation
from fl_node.plan.state_codec import encode_state
from network.connection import profile
from network.folders import held_blobs
from tests.auditor.auditing import audited, without_commit_hashes
from tests.auditor.conftest import open_ledger, running
from tests.auditor.corpus import Ledger
from tests.auditor.federation_corpus import MAJORITY, forged, places
from tests.auditor.forge import Opened, copy_chain
from tests.scenarios.federation import Federation, digest
from tests.scenarios.rounds import EXAMPLES, Attempt
from tests.unit.plan.arithmetic import models
from tests.waiting import PATIENCE_S

QUANTISATION = Quantisation(bits=18, clip="4", weight_cap=64)
NOISE = calibrated(Goal(epsilon="3", rounds=20), QUANTISATION, models.MEASURED, models.NUMBERS)
PLAN = models.private(Averaging(quantisation=QUANTISATION, measured=models.MEASURED, privacy=NOISE))
UNDERSTATED = PLAN.model_copy(update={"name": "understated"})
LOSS = PLAN.registered.loss(4)


class NoisyAttempt(Attempt):
    """A round of the plan with noise."""

    layout: ClassVar[Mapping[str, Any]] = PLAN.layout.model_dump(mode="json")

    def vectors(self) -> dict[str, bytes]:
        """Return every participant's plain update."""
        state = read_state(PLAN, encode_state(models.first_of(PLAN).leaves()))
        return {n: models.vector(PLAN, state, seed, EXAMPLES) for seed, n in enumerate(self.simulation.session.cohort)}


@pytest.fixture(scope="module")
def private_ledger(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Two trainings with frozen survivors: of an honest plan, and of one that is registered with half of its loss."""
    with running(pytestconfig, tmp_path_factory.mktemp("private")) as run:
        asyncio.run(live(run))
        asyncio.run(fetch(profile(run, "regulator", "client"), run.parent / "blocks"))
        yield open_ledger(run, run.parent / "blocks")


async def live(run: Path) -> None:
    """Found a federation under version 2 that freezes a round of each training."""
    async with Federation.connect(run) as federation:
        await federation.found()
        for member in federation.members:
            await federation.admit(member)
        await federation.agree("set_rules_version", version=2)
        await frozen(federation, "honest", PLAN, asdict(PLAN.registered))
        told = asdict(PLAN.registered)
        await frozen(federation, "understated", UNDERSTATED, told | {"squared_e15": told["squared_e15"] // 2})


async def frozen(federation: Federation, training: str, plan: AveragingManifest, promise: dict[str, Any]) -> None:
    """Register a plan, train it until the survivors are frozen, and wait until the regulator's peer has seen it."""
    name = federation.put_blob(models.packed(plan), federation.members)
    body = {"name": plan.name, "layout": NoisyAttempt.layout, "initial_state": plan.initial_state, "privacy": promise}
    await federation.agree("register_plan", plan=name, schema=digest("schema"), **body)
    await federation.agree("start_training", training=training, plan=name, rounds=20, cohort=4)
    attempt = await NoisyAttempt.open(federation, training)
    await attempt.keys_and_shares()
    await attempt.updates()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if (await federation.query("GetRound", by="regulator", user="client", **attempt.ref))["phase"] == "Unmask":
                break
            await asyncio.sleep(0.1)


def test_an_honest_account_holds_and_a_promise_that_is_not_the_plans_is_found(
    private_ledger: Ledger, tmp_path: Path
) -> None:
    verdict = audited(private_ledger, private_ledger.chain, [held_blobs(private_ledger.run)], tmp_path)
    (breach,) = verdict.failures
    assert (breach.code, breach.text.startswith("understated: its plan is registered with")) == ("FL5054", True)
    assert verdict.held[Rule.PRIVACY.value] == 1
    honest, understated = verdict.privacy
    assert set(honest.participants.values()) == {LOSS.epsilon(1e-5)}
    assert min(honest.participants.values()) > max(understated.participants.values())


def test_people_see_the_ledgers_account(private_ledger: Ledger) -> None:
    asked = ["train", "status", "honest", "--org", "hospital-a", "--run", str(private_ledger.run), "--json"]
    answer = CliRunner().invoke(application(), asked)
    assert answer.exit_code == 0, answer.output
    privacy = json.loads(answer.stdout)["privacy"]
    assert {one["epsilon"] for one in privacy["participants"]} == {f"{LOSS.epsilon(1e-5):.4g}"}
    shown = CliRunner().invoke(application(), asked[:-1]).stdout
    assert "so far for every record" in " ".join(shown.split())


def test_an_account_that_colluding_endorsers_made_smaller_is_found(private_ledger: Ledger, tmp_path: Path) -> None:
    chain = copy_chain(private_ledger.chain)
    without_commit_hashes(chain)
    keeps = [place for place in places(private_ledger, chain, "Advance") if accounts(private_ledger, chain, place)]
    place = keeps[0]
    opened = Opened.of(chain[place[0]].data.data[place[1]])

    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        next(
            write for write in rwset.writes if write.key.startswith("\0privacy\0")
        ).value = b'{"slack_e15":0,"squared_e15":1}'

    opened.rwset(change, private_ledger.chaincode)
    forged(private_ledger, chain, place, opened, MAJORITY)
    verdict = audited(private_ledger, chain, [held_blobs(private_ledger.run)], tmp_path)
    first = verdict.failures[0]
    assert (first.code, first.block) == (Rule.REPLAY_WRITES.value, place[0])
    assert "privacy/honest/hospital-a" in first.text
    assert any(one.code == Rule.PRIVACY.value and "honest: the rounds told" in one.text for one in verdict.failures)


def accounts(ledger: Ledger, chain: Any, place: tuple[int, int]) -> list[str]:
    """The accounts that a transaction writes."""
    found: list[str] = []

    def look(rwset: kv_rwset_pb2.KVRWSet) -> None:
        found.extend(write.key for write in rwset.writes if write.key.startswith("\0privacy\0"))

    Opened.of(chain[place[0]].data.data[place[1]]).rwset(look, ledger.chaincode)
    return found
