"""When a node looks at a training again: for what everyone must do at once, and for the rest when it can matter."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.errors import NodeError
from fl_node.ledger.records import Round
from fl_node.metrics import Health, Metrics
from fl_node.round.attempts import RECORDED
from fl_node.round.carry_out import Deeds
from fl_node.round.duty import LocalState, rest_ms
from fl_node.round.effects import Advance, Effect, OpenRound, PublishKeys
from fl_node.round.loop import Attendance, LoopDependencies, LoopMemory
from tests.unit.node.test_daemon import training
from tests.unit.round.test_duty import ME, NAMES, keys, updated, view
from tests.waiting import settle, until


class Ledger:
    """Shows one view, and counts how often it was asked."""

    def __init__(self, shown: Round) -> None:
        self.shown = shown
        self.looks = 0

    async def round(self, _: str) -> Round:
        self.looks += 1
        return self.shown

    async def training(self, name: str) -> Any:
        return training(name, depth=1).model_copy(update={"finished": True})


class Doing:
    """Stands for the deeds: notes what was asked for."""

    def __init__(self, own: LocalState) -> None:
        self.side = own
        self.done: list[Effect] = []
        self.moved = True

    def local_state(self, _: Round, training: Any) -> LocalState:
        return LocalState(**{**vars(self.side), "running": training.running})

    async def do(self, _: Round, __: Any, effect: Effect) -> bool:
        self.done.append(effect)
        return self.moved

    async def end_missed(self, _: Round) -> None:
        pass

    def ended(self, _: Round) -> None:
        pass


def attendance(shown: Round, own: LocalState) -> tuple[Attendance, Ledger, Doing]:
    ledger, deeds = Ledger(shown), Doing(own)
    mirror = SimpleNamespace(watch=lambda *_: None)
    held = SimpleNamespace(ledger=ledger, health=Health(), metrics=Metrics(), mirror=mirror, me=own.participant)
    return Attendance(cast("LoopDependencies", held), cast("Deeds", deeds), training("t")), ledger, deeds


async def looks(made: Attendance, ledger: Ledger, *events: str) -> int:
    """Return how many more looks the events bring about."""
    task = asyncio.create_task(made.run())
    await until(lambda: ledger.looks == 1)
    await settle()
    for event in events:
        made.on_event(event)
    await settle()
    made.stop()
    await task
    return ledger.looks - 1


@pytest.mark.parametrize(
    ("participant", "events", "expected"),
    [
        ("b", ("KeysPublished",), 0),
        ("b", ("KeysPublished", "KeysPublished"), 1),
        ("c", ("KeysPublished", "KeysPublished"), 0),
        ("c", ("PhaseMoved",), 1),
    ],
)
async def test_a_node_steps_when_the_phase_moved_and_the_first_in_order_when_all_have_delivered(
    participant: str, events: tuple[str, ...], expected: int
):
    own = LocalState(participant, "MSP", frozenset({"keys"}))
    made, ledger, _ = attendance(view("Keys", deadline_ms=1 << 60, **keys("b", "c")), own)
    assert await looks(made, ledger, *events) == expected


async def test_what_is_heard_while_the_ledger_answers_is_not_lost():
    made, ledger, _ = attendance(view("Keys", deadline_ms=1 << 60, **keys("a", "b", "c")), LocalState("b", "BMSP"))

    async def slow(_: str) -> Round:
        ledger.looks += 1
        made.on_event("KeysPublished")
        return ledger.shown

    ledger.round = slow  # type: ignore[method-assign]
    task = asyncio.create_task(made.run())
    await until(lambda: ledger.looks > 1)
    made.stop()
    await task


async def test_all_that_is_due_is_done_in_one_step():
    made, _, deeds = attendance(view("Keys", deadline_ms=1 << 60), ME)
    await made._step()
    assert [type(effect).__name__ for effect in deeds.done] == ["Train", "PublishKeys"]
    assert PublishKeys() in deeds.done


async def test_a_training_that_has_no_round_left_to_open_is_over():
    made, _, deeds = attendance(view("Final", deadline_ms=0, **updated("a", "b", "c", "d")), LocalState("b", "BMSP"))
    deeds.moved = False
    await made._step()
    assert (deeds.done[0], made.training.running, made.over) == (OpenRound(), False, False)
    made._memory.not_before_ms = 0
    await made._step()
    assert made.over


@pytest.mark.parametrize(("when", "expected"), [("after", 2), ("meanwhile", 2), ("never", 1)])
async def test_a_node_that_waits_for_a_complaints_answer_advances_as_soon_as_it_hears_of_it(when: str, expected: int):
    shown = view("Updates", deadline_ms=0, **updated(*NAMES))
    made, _, deeds = attendance(shown, LocalState("b", "BMSP", RECORDED))
    made._memory = LoopMemory("t/1/1", "Updates", failures=7)
    deeds.moved = False

    async def do(*_: object) -> bool:
        deeds.done.append(Advance())
        if when == "meanwhile" and len(deeds.done) == 1:
            made.on_event("ComplaintAnswered")
        return False

    deeds.do = do  # type: ignore[method-assign]
    task = asyncio.create_task(made.run())
    await until(lambda: deeds.done)
    await settle()
    if when == "after":
        made.on_event("ComplaintAnswered")
    await until(lambda: len(deeds.done) >= expected)
    await settle()
    made.stop()
    await task
    assert len(deeds.done) == expected


@pytest.mark.parametrize(
    ("phase", "attempt", "rest"),
    [("Void", 1, 0), ("Void", 3, 0), ("Void", 4, 2_000), ("Void", 7, 16_000), ("Void", 523, 300_000), ("Final", 9, 0)],
)
def test_the_more_attempts_of_a_round_are_void_the_longer_a_node_rests(phase: str, attempt: int, rest: int):
    assert rest_ms(view(phase, attempt=attempt)) == rest


async def test_a_vote_ends_the_rest_after_void_attempts():
    made, _, deeds = attendance(view("Void", attempt=9, **keys(*NAMES)), LocalState("b", "BMSP"))
    await made._step()
    assert deeds.done == []
    made.on_vote()
    await made._step()
    assert deeds.done == [OpenRound()]


async def test_a_problem_is_shown_until_the_duty_is_done():
    made, _, deeds = attendance(view("Keys", deadline_ms=1 << 60), ME)
    right, full = deeds.do, NodeError("FL4007", "disk full")

    async def fail(*_: object) -> bool:
        raise full

    deeds.do = fail  # type: ignore[method-assign]
    await made._step()
    health = made.node.health
    assert "disk full" in health.report()["problem"]
    await made._step()  # before the pause has passed
    assert "disk full" in health.report()["problem"]
    deeds.do = right  # type: ignore[method-assign]
    made._memory.not_before_ms = 0
    await made._step()
    assert health.report()["problem"] == ""
