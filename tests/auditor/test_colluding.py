"""A majority that agrees on a state which does not follow from the verified sum: nobody but the audit can find it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from audit.evidence.fetch import fetch
from audit.verify.verdict import Rule
from fl_node.ledger.decimals import decimal
from fl_node.plan.arithmetic.state import read_state
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.state_codec import encode_state
from network.connection import profile
from network.folders import held_blobs
from tests.auditor.auditing import audited
from tests.auditor.conftest import open_ledger, running
from tests.scenarios.federation import Federation, digest
from tests.scenarios.rounds import EXAMPLES, Attempt
from tests.unit.plan.arithmetic import models
from tests.waiting import PATIENCE_S

PLAN = models.manifest("fedadam")
INITIAL = encode_state(models.first(PLAN.averaging.server).leaves())


class ExactAttempt(Attempt):
    """A round of a plan whose step everybody computes alike, from the initial state."""

    layout: ClassVar[Mapping[str, Any]] = PLAN.layout.model_dump(mode="json")
    lied: ClassVar[bool] = False

    def vectors(self) -> dict[str, bytes]:
        """Return every participant's plain update."""
        state, cohort = read_state(PLAN, INITIAL), self.simulation.session.cohort
        return {name: models.vector(PLAN, state, seed, EXAMPLES) for seed, name in enumerate(cohort)}

    def made(self) -> tuple[bytes, dict[str, float]]:
        """Return the state that follows from the sum, a bit changed where the majority lies, and the metrics."""
        aggregate = bytes(self.simulation.unmask().vector)
        state, metrics = next_state(PLAN, INITIAL, aggregate, [EXAMPLES] * len(self.simulation.updates))
        self.federation.put_blob(aggregate, self.federation.members)
        return (state[:-1] + bytes([state[-1] ^ 1]) if self.lied else state), metrics

    def state(self) -> str:
        """Return the digest of the state that this round makes."""
        return self.federation.put_blob(self.made()[0], self.federation.members)

    def result(self, **changes: Any) -> dict[str, Any]:
        """Return the rest of ProposeAggregate's argument."""
        metrics = {name: decimal(value) for name, value in self.made()[1].items()}
        return super().result(metrics=metrics, **changes)


class LyingAttempt(ExactAttempt):
    """Such a round in which the aggregator and a majority of organisations lie."""

    lied = True


async def trained(federation: Federation, training: str, plan: str, kind: type[ExactAttempt]) -> None:
    """Train one round of the exact plan."""
    await federation.agree("start_training", training=training, plan=plan, rounds=1, cohort=4)
    attempt = await kind.open(federation, training)
    await attempt.keys_and_shares()
    await attempt.updates()
    await attempt.unmask()
    await attempt.finish()
    async with asyncio.timeout(PATIENCE_S):  # until the regulator's peer, which is read, has it too
        while True:
            if await final(federation, attempt):
                break
            await asyncio.sleep(0.1)


async def final(federation: Federation, attempt: Attempt) -> bool:
    """Tell whether the regulator's peer knows that a round is final."""
    view = await federation.query("GetRound", by="regulator", user="client", **attempt.ref)
    return bool(view["phase"] == "Final")


async def live(run: Path) -> None:
    """Found a federation that trains twice: honestly, then with a majority that lies."""
    async with Federation.connect(run) as federation:
        await federation.found()
        for member in federation.members:
            await federation.admit(member)
        plan = federation.put_blob(models.packed(PLAN), federation.members)
        body = {"name": PLAN.name, "layout": ExactAttempt.layout, "initial_state": PLAN.initial_state}
        await federation.agree("register_plan", plan=plan, schema=digest("schema"), **body)
        await trained(federation, "honest", plan, ExactAttempt)
        await trained(federation, "lying", plan, LyingAttempt)


def test_a_state_that_a_majority_made_up_is_found_by_the_audit_alone(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    with running(pytestconfig, tmp_path) as run:
        asyncio.run(live(run))
        asyncio.run(fetch(profile(run, "regulator", "client"), tmp_path / "blocks"))
        ledger = open_ledger(run, tmp_path / "blocks")
        verdict = audited(ledger, ledger.chain, [held_blobs(run)], tmp_path)
    assert (verdict.steps, verdict.derived, verdict.held[Rule.STATE.value]) == (2, 2, 1)
    (breach,) = verdict.failures
    assert breach.code == Rule.STATE.value == "FL5052"
    assert breach.text.startswith("lying/1/1: its sum gives the state ")
