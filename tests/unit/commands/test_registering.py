"""What a plan is registered as, and that a voter's own tool holds a proposal against the plan's file."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fl_node.commands import registering
from fl_node.commands.registering import check_proposed, registration
from fl_node.errors import NodeError
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.private import Goal, calibrated
from fl_node.plan.container import Plan, read_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.manifest import Quantisation
from tests.unit.plan.arithmetic import models

QUANTISATION = Quantisation(bits=18, clip="4", weight_cap=64)
GOAL = Goal(epsilon="3", rounds=20)


class Peer:
    """The own peer, as far as its rules are asked for."""

    def __init__(self, rules: int = 2) -> None:
        self.rules = rules

    async def query(self, function: str) -> Any:
        assert function == "GetFederation"
        return {"rules": self.rules}


def private(goal: Goal = GOAL) -> bytes:
    noise = calibrated(goal, QUANTISATION, models.MEASURED, models.NUMBERS)
    return models.packed(models.private(Averaging(quantisation=QUANTISATION, measured=models.MEASURED, privacy=noise)))


def plan_of(raw: bytes) -> Plan:
    return read_plan(raw, sha256(raw).hexdigest())


@pytest.fixture(scope="module")
def raw() -> bytes:
    return private()


def held(monkeypatch: pytest.MonkeyPatch, raw: bytes | None) -> None:
    """The blob services hold these bytes, or nothing."""

    async def fetch(*_: object) -> bytes:
        if raw is None:
            raise NodeError("FL4704", "no blob service has it")
        return raw

    monkeypatch.setattr(registering, "fetch", fetch)


def test_a_plan_with_noise_is_registered_with_its_promise_from_version_2_on(raw: bytes):
    body = registration(plan_of(raw), 2)
    promise = body["privacy"]
    assert (promise["unit"], promise["delta"], promise["survivors"], promise["colluders"]) == (
        "record",
        "0.00001",
        3,
        1,
    )
    one = plan_of(raw).manifest.promise
    assert one
    assert promise["squared_e15"] / 2 / 1e15 == pytest.approx(one.loss.squared, rel=1e-9)
    assert "privacy" not in registration(plan_of(raw), 1)
    assert "privacy" not in registration(plan_of(models.packed(models.manifest("fedadam"))), 2)


def test_a_promise_beyond_what_the_ledger_counts_is_not_registered():
    lax = plan_of(private(GOAL.model_copy(update={"epsilon": "5000", "rounds": 1})))
    with pytest.raises(PlanError, match="FL3050"):
        registration(lax, 2)


@pytest.mark.parametrize("rules", [1, 2])
async def test_a_proposal_that_says_what_the_file_gives_passes(rules: int, raw: bytes, monkeypatch: pytest.MonkeyPatch):
    held(monkeypatch, raw)
    body = registration(plan_of(raw), rules)
    assert await check_proposed(Peer(rules), Path(), "a", "admin", body | {"passport": {}})  # type: ignore[arg-type]


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda body: body.pop("privacy"), "privacy"),
        (lambda body: body["privacy"].update(squared_e15=1), "privacy"),
        (lambda body: body["privacy"].update(slack_e15=9), "privacy"),
        (lambda body: body["privacy"].update(delta="0.1"), "privacy"),
        (lambda body: body["privacy"].update(colluders=0), "privacy"),
        (lambda body: body["layout"].update(version=9), "layout"),
        (lambda body: body.update(initial_state="ab" * 32, schema="cd" * 32), "initial_state, schema"),
    ],
)
async def test_a_proposal_that_says_something_else_is_not_voted_for(
    change: Change, named: str, raw: bytes, monkeypatch: pytest.MonkeyPatch
):
    held(monkeypatch, raw)
    body = registration(plan_of(raw), 2)
    change(body)
    with pytest.raises(NodeError, match=f"of: {named} ") as caught:
        await check_proposed(Peer(), Path(), "a", "admin", body)  # type: ignore[arg-type]
    assert caught.value.code == "FL4019"


async def test_a_voter_is_told_where_nobody_holds_the_file(raw: bytes, monkeypatch: pytest.MonkeyPatch):
    held(monkeypatch, None)
    assert not await check_proposed(Peer(), Path(), "a", "admin", registration(plan_of(raw), 2))  # type: ignore[arg-type]
