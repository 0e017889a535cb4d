"""The node attends to each training by itself: what goes wrong, or takes long, in one keeps no other waiting."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.blobs.seen import Seen
from fl_node.errors import NodeError, reported
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Training
from fl_node.metrics import Health
from fl_node.node.context import Context
from fl_node.node.daemon import Node
from fl_node.plan.errors import plan_error
from fl_node.round.known import GovernanceCache
from fl_node.round.speaking import Speaking, SpeakingDependencies
from tests.unit.round.test_duty import DIGEST
from tests.waiting import until


def training(name: str, depth: int = 0) -> Training:
    head = {"round": depth, "state": DIGEST, "depth": depth}
    return Training.model_validate({"training": name, "plan": DIGEST, "rounds": 1, "cohort": 4, "head": head})


class Ledger:
    """Two trainings: the first cannot be read, or does not answer."""

    def __init__(self, odd: Exception | None) -> None:
        self.odd = odd
        self.streams, self.surveys, self.payloads = 0, 0, list[bytes]()
        self.plans: list[Any] = []
        self.profile = SimpleNamespace(chaincode="fedledger")
        self.network = SimpleNamespace(chaincode_events=self._events)
        self.opened: asyncio.Queue[str] = asyncio.Queue()
        self.listed = [training("odd"), training("sound")]

    async def trainings(self) -> list[Training]:
        return self.listed

    async def everything(self, _: str) -> list[Any]:
        self.surveys += 1
        return self.plans

    async def round(self, name: str) -> None:
        if name == "odd":
            if self.odd:
                raise self.odd
            await asyncio.Event().wait()

    async def move(self, function: str, training: str) -> bool:
        assert function == "OpenRound"
        self.opened.put_nowait(training)
        return True

    async def _events(self, _: str) -> AsyncIterator[Any]:
        self.streams += 1
        for payload in self.payloads:
            yield SimpleNamespace(name="RoundSettled", payload=payload)
        await asyncio.Event().wait()


class Workshop:
    """Fails to start a plan, the first time."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.on_trained: Any = None
        self.problems = [problem] if problem else []
        self.warmed = asyncio.Event()
        self.tries = 0

    async def warm(self, _: str) -> None:
        self.tries += 1
        if self.problems:
            raise self.problems.pop()
        self.warmed.set()


@contextlib.asynccontextmanager
async def running(ledger: Ledger, workshop: Workshop | None = None) -> AsyncIterator[Node]:
    held = SimpleNamespace(
        ledger=ledger,
        store=SimpleNamespace(notes=lambda _: {}),
        organisation="hospital-a",
        consortium=SimpleNamespace(members=[SimpleNamespace(msp_id="AMSP")]),
        msp="AMSP",
        governance_cache=GovernanceCache(),
        health=Health(),
        seen=Seen(),
        workshop=workshop or Workshop(),
    )
    held.speaking = Speaking(cast("SpeakingDependencies", held))
    node = Node(cast("Context", held))
    task = asyncio.create_task(node.run())
    yield node
    assert not task.done(), "nothing ends the node"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("odd", [LedgerError("FL0302", "too few candidates"), KeyError("secret"), None])
async def test_a_training_that_cannot_be_read_or_does_not_answer_keeps_no_other_from_its_round(odd: Exception | None):
    ledger = Ledger(odd)
    async with running(ledger):
        assert await asyncio.wait_for(ledger.opened.get(), 5) == "sound"


async def test_a_training_that_is_voted_later_is_attended_to_as_soon_as_the_vote_is_heard():
    ledger = Ledger(None)
    async with running(ledger) as node:
        await ledger.opened.get()
        ledger.listed.append(training("new"))
        node._on_event("ProposalExecuted", {"proposal": "x"})
        while (name := await asyncio.wait_for(ledger.opened.get(), 5)) != "new":
            assert name == "sound"


async def test_an_odd_answer_of_the_own_peer_does_not_end_the_node(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fl_node.node.daemon.RETRY_S", 0.01)
    ledger = Ledger(None)
    right, answers = ledger.trainings, iter([ValueError("no list"), KeyError("items")])

    async def odd() -> list[Training]:
        for error in answers:
            raise error
        return await right()

    ledger.trainings = odd  # type: ignore[method-assign]
    async with running(ledger) as node:
        assert await asyncio.wait_for(ledger.opened.get(), 5) == "sound"
        assert node.context.health.report()["problem"] == ""


@pytest.mark.parametrize("payload", [b"[]", b"{", b"1", b"{}", b"[" * 100_000])
async def test_an_event_that_cannot_be_read_does_not_end_the_listening(monkeypatch: pytest.MonkeyPatch, payload: bytes):
    monkeypatch.setattr("fl_node.node.daemon.RETRY_S", 0.01)
    monkeypatch.setattr("fl_node.node.daemon.SURVEY_S", 0.05)
    ledger = Ledger(None)
    ledger.payloads = [payload]
    async with running(ledger) as node:
        await until(lambda: ledger.streams > 1)
        assert node.context.health.report()["problem"].startswith("events: ")
        ledger.payloads = []  # from now on the stream stays, which is no problem
        await until(lambda: node.context.health.report()["problem"] == "")


@pytest.mark.parametrize(
    ("problem", "again"), [(NodeError("FL4704", "nowhere"), True), (TimeoutError(), True), (KeyError(), True),
                           (plan_error("FL3004", "other version"), False)]
)  # fmt: skip
async def test_a_plan_that_nobody_had_yet_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, again: bool
):
    monkeypatch.setattr("fl_node.node.daemon.SURVEY_S", 0.01)
    ledger, workshop = Ledger(None), Workshop(problem)
    ledger.plans = [{"plan": DIGEST, "retired": False}]
    async with running(ledger, workshop) as node:
        await until(lambda: workshop.tries == 1)
        await until(lambda: node.context.health.report()["problem"] or workshop.warmed.is_set())
        surveyed = ledger.surveys
        await until(lambda: ledger.surveys > surveyed + 2 or workshop.warmed.is_set())
        assert (workshop.tries, workshop.warmed.is_set()) == ((2, True) if again else (1, False))
        assert (node.context.health.report()["problem"] == "") is again


def test_a_problem_shows_at_once_ends_with_its_cause_and_lasting_makes_unhealthy():
    now = 100.0
    health = Health(clock=lambda: now)
    health.ledger_answered()
    health.note("t", "disk full")
    assert (health.healthy, health.report()["problem"]) == (True, "t: disk full")
    for now in (110.0, 131.0):  # noqa: B007  # the clock reads it
        health.note("t", "disk still full")
        health.ledger_answered()
    assert (health.healthy, health.report()["problem"]) == (False, "t: disk still full")
    health.note("t", "")
    assert (health.healthy, health.report()["problem"]) == (True, "")
    now = 162.0
    assert not health.healthy


def test_of_an_unforeseen_error_only_type_and_place_are_shown():
    with pytest.raises(KeyError) as caught:
        os.environ["NO SUCH SECRET"]
    report = reported(caught.value)
    assert (report["code"], report["message"].split(":")[0]) == ("FL4010", "KeyError at <frozen os>")
