"""When a node looks at a training again: for what everyone must do at once, and for the rest when it can matter."""

import asyncio
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.blobs.seen import Seen
from fl_node.errors import NodeError, RefusalError
from fl_node.ledger.records import OVER, Round
from fl_node.metrics import Health, Metrics
from fl_node.round.attempts import RECORDED
from fl_node.round.carry_out import Deeds
from fl_node.round.duty import TURN_MS, LocalState
from fl_node.round.effects import Advance, Effect, OpenRound, PublishKeys
from fl_node.round.loop import LEAST_TURNS, SHORTEST_SLEEP_S, TICK_S, Attendance, LoopDependencies, LoopMemory
from fl_node.round.progress import rest_ms
from network.rules import NEWEST_RULES
from tests.unit.node.test_daemon import training
from tests.unit.round.test_duty import ME, NAMES, SHARES, keys, shared, updated, view
from tests.waiting import settle, until

ROOT = Path(__file__).resolve().parents[3]


class Ledger:
    """Shows one view, and counts how often it was asked."""

    def __init__(self, shown: Round | None) -> None:
        self.shown = shown
        self.looks = 0

    async def round(self, _: str) -> Round | None:
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
        self.opened = 0
        self.dropped: list[str] = []
        self.over: list[str] = []

    def local_state(self, _: Round, training: Any) -> LocalState:
        return LocalState(**{**vars(self.side), "running": training.running})

    async def do(self, _: Round, __: Any, effect: Effect) -> bool:
        self.done.append(effect)
        return self.moved

    async def open(self, _: Any) -> None:
        self.opened += 1

    def drop(self, _: Round, code: str) -> None:
        self.dropped.append(code)

    async def end_missed(self, _: Round) -> None:
        pass

    def ended(self, shown: Round) -> None:
        self.over.append(shown.phase)


@dataclass
class Clock:
    """The time, where a test sets it; milliseconds since 1970."""

    ms: int = 1_700_000_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("fl_node.round.loop.now_ms", lambda: made.ms)
    return made


def attendance(shown: Round | None, own: LocalState) -> tuple[Attendance, Ledger, Doing]:
    ledger, deeds = Ledger(shown), Doing(own)
    mirror = SimpleNamespace(watch=lambda *_: None)
    consortium = SimpleNamespace(members=[SimpleNamespace(msp_id=f"{name.upper()}MSP") for name in NAMES])
    held = SimpleNamespace(
        ledger=ledger,
        health=Health(),
        metrics=Metrics(),
        mirror=mirror,
        msp=own.msp,
        consortium=consortium,
        seen=Seen(),
        speaking=SimpleNamespace(),
    )
    return Attendance(cast("LoopDependencies", held), cast("Deeds", deeds), training("t")), ledger, deeds


async def looks(made: Attendance, ledger: Ledger, *events: str, **about: Any) -> int:
    """Return how many more looks the events bring about, which are all about the same."""
    task = asyncio.create_task(made.run())
    await until(lambda: ledger.looks == 1)
    await settle()
    for event in events:
        made.on_event(event, about)
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


@pytest.mark.parametrize(("events", "expected"), [(1, 0), (2, 1)])
async def test_everybody_steps_when_all_have_delivered_and_no_advance_is_needed(events: int, expected: int):
    own = LocalState("c", "MSP", frozenset({"keys"}))
    made, ledger, _ = attendance(view("Keys", deadline_ms=1 << 60, rules=2, **keys("b", "c")), own)
    assert await looks(made, ledger, *["KeysPublished"] * events) == expected


@pytest.mark.parametrize(("participant", "words", "expected"), [("c", 1, 0), ("c", 2, 1), ("b", 1, 1)])
async def test_the_carrier_steps_when_words_are_carried_and_the_others_with_the_last(
    participant: str, words: int, expected: int
):
    own = LocalState(participant, "MSP", frozenset({"keys"}))
    made, ledger, _ = attendance(view("Keys", deadline_ms=1 << 60, rules=2, **keys("b", "c")), own)
    assert await looks(made, ledger, "WordsCarried", phase="Keys", words=words) == expected


@pytest.mark.parametrize(("participant", "expected"), [("b", 1), ("c", 0)])
async def test_the_carrier_looks_when_somebody_leaves_since_it_may_hold_all_other_words(
    participant: str, expected: int
):
    made, ledger, _ = attendance(
        view("Updates", deadline_ms=1 << 60, rules=2, **shared(*NAMES)),
        LocalState(participant, "MSP", RECORDED, trained=False),
    )
    assert await looks(made, ledger, "DroppedOut", phase="Updates") == expected


@pytest.mark.parametrize(
    ("participant", "event", "phase", "expected"),
    [
        ("b", "PhaseMoved", "Attest", 1),
        ("c", "PhaseMoved", "Attest", 0),
        ("c", "PhaseMoved", "Unmask", 1),
        ("c", "AggregateProposed", "Attest", 1),
    ],
)
async def test_before_there_is_a_proposal_only_who_proposes_first_looks(
    participant: str, event: str, phase: str, expected: int
):
    own = LocalState(participant, "MSP", RECORDED)
    made, ledger, _ = attendance(view("Unmask", deadline_ms=1 << 60, **updated(*NAMES)), own)
    assert await looks(made, ledger, event, phase=phase) == expected


async def test_a_node_that_has_not_looked_yet_looks_whatever_it_hears():
    made, _, _ = attendance(None, LocalState("c", "MSP"))
    made.on_event("PhaseMoved", {"phase": "Attest"})
    assert made._wake.is_set()


async def test_what_is_heard_while_the_ledger_answers_is_not_lost():
    made, ledger, _ = attendance(view("Keys", deadline_ms=1 << 60, **keys("a", "b", "c")), LocalState("b", "BMSP"))

    async def slow(_: str) -> Round | None:
        ledger.looks += 1
        made.on_event("KeysPublished", {})
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
            made.on_event("ComplaintAnswered", {})
        return False

    deeds.do = do  # type: ignore[method-assign]
    task = asyncio.create_task(made.run())
    await until(lambda: deeds.done)
    await settle()
    if when == "after":
        made.on_event("ComplaintAnswered", {})
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


async def test_a_round_under_newer_rules_is_left_alone_and_said_so_until_the_next_one():
    made, ledger, deeds = attendance(
        view("Keys", deadline_ms=1 << 60).model_copy(update={"rules": NEWEST_RULES + 1}), ME
    )
    assert not await made._step()
    assert (deeds.done, made.over) == ([], False)
    assert f"version {NEWEST_RULES + 1} of the rules" in made.node.health.report()["problem"]
    ledger.shown = view("Keys", deadline_ms=1 << 60)
    await made._step()
    assert deeds.done
    assert made.node.health.report()["problem"] == ""


def test_a_node_knows_the_newest_rules_of_its_own_chaincode():
    source = (ROOT / "chaincode" / "round" / "versions.go").read_text()
    assert f"const Newest = {NEWEST_RULES}\n" in source


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


@pytest.mark.parametrize(("msp", "turns"), [("AMSP", 0), ("BMSP", 1), ("CMSP", 2), ("DMSP", 3)])
async def test_the_first_round_is_opened_by_the_members_one_after_the_other(clock: Clock, msp: str, turns: int):
    made, _, deeds = attendance(None, LocalState("a", msp))
    made._began_ms, mine = clock.ms, clock.ms + turns * TURN_MS
    clock.ms = mine - 300
    await made._step()
    assert (deeds.opened, made._sleep_s) == (0, pytest.approx(0.3 + SHORTEST_SLEEP_S))
    for tries, late_ms in enumerate((0, 1, 5 * TURN_MS), 1):
        clock.ms = mine + late_ms
        await made._step()
        assert deeds.opened == tries


async def test_a_phase_whose_deadline_passed_before_anybody_saw_it_is_not_ended_at_once(clock: Clock):
    own = LocalState("b", "BMSP", frozenset({"keys", "shares"}))
    made, _, deeds = attendance(view("Shares", deadline_ms=1, **keys(*NAMES), shares={"b": SHARES}), own)
    for later_ms, ended in ((0, False), (LEAST_TURNS * TURN_MS - 1, False), (1, True)):
        clock.ms += later_ms
        await made._step()
        assert (Advance() in deeds.done) is ended


NOW = Clock().ms
LATER = NOW + 60_000
COMPLETE = keys(*NAMES) | {"deadline_ms": LATER}
TURNS = ({"participant": "a", "from_ms": NOW + 300}, {"participant": "c", "from_ms": NOW + 100})


@pytest.mark.parametrize(
    ("participant", "shown", "ripe_ms", "sleep_s"),
    [
        ("a", view("Keys", deadline_ms=LATER), NOW, TICK_S),
        ("a", view("Keys", deadline_ms=NOW + 500), NOW, 0.5 + SHORTEST_SLEEP_S),
        ("a", view("Keys", **COMPLETE), NOW - 600, 0.4 + SHORTEST_SLEEP_S),
        ("d", view("Keys", **COMPLETE), NOW - 1900, 0.1 + SHORTEST_SLEEP_S),
        ("a", view("Void", deadline_ms=NOW - 1), NOW - 600, 0.4 + SHORTEST_SLEEP_S),
        ("a", view("Attest", deadline_ms=LATER, turns=TURNS), NOW, 0.3 + SHORTEST_SLEEP_S),
        ("b", view("Attest", deadline_ms=LATER, turns=TURNS), NOW, TICK_S),
    ],
    ids=["tick", "deadline", "second to advance", "third to advance", "second to open", "to propose", "not to propose"],
)
async def test_a_node_sleeps_a_tick_or_less_where_its_turn_or_the_deadline_comes_sooner(
    clock: Clock, participant: str, shown: Round, ripe_ms: int, sleep_s: float
):
    made, _, deeds = attendance(shown, LocalState(participant, "MSP", RECORDED, dropped="FL3010"))
    made._memory = LoopMemory(shown.name, shown.phase, ripe_ms)
    assert not await made._step()
    assert (deeds.done, made._sleep_s) == ([], pytest.approx(sleep_s))
    assert clock.ms == NOW


@pytest.mark.parametrize(
    ("participant", "ripe_ms", "advances", "sleep_s"),
    [
        ("b", NOW - 1000, True, 3 * TICK_S),
        ("a", NOW - 1000, False, 2.0 + SHORTEST_SLEEP_S),
        ("a", NOW - 3000, True, 3 * TICK_S),
        ("d", NOW - 5900, False, 0.1 + SHORTEST_SLEEP_S),
    ],
    ids=["first", "second, who would be due at the usual pace", "second", "third"],
)
async def test_where_the_ledger_answers_late_a_node_looks_less_often_and_waits_longer_for_those_before_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, participant: str, ripe_ms: int, advances: bool, sleep_s: float
):
    times = itertools.count(0.0, 0.5)  # half a second between asking and the answer: (1 + 5) / 2 times the usual pace
    monkeypatch.setattr("fl_node.round.loop.time", SimpleNamespace(monotonic=lambda: next(times)))
    shown = view("Keys", **COMPLETE)
    made, _, deeds = attendance(shown, LocalState(participant, "MSP", RECORDED, dropped="FL3010"))
    made._memory = LoopMemory(shown.name, shown.phase, ripe_ms)
    await made._step()
    assert (deeds.done == [Advance()], made._sleep_s) == (advances, pytest.approx(sleep_s))
    assert clock.ms == NOW


@pytest.mark.parametrize(("left_ms", "sleep_s"), [(60_000, 3 * TICK_S), (8_000, 4.0), (3_000, TICK_S), (1_500, 1.5)])
async def test_however_late_the_ledger_answers_a_node_looks_again_in_time_for_the_deadline(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, left_ms: int, sleep_s: float
):
    times = itertools.count(0.0, 0.5)
    monkeypatch.setattr("fl_node.round.loop.time", SimpleNamespace(monotonic=lambda: next(times)))
    shown = view("Unmask", rules=2, deadline_ms=NOW + left_ms, **updated(*NAMES))
    made, _, _ = attendance(shown, LocalState("c", "CMSP", RECORDED, handed=frozenset({"RevealShares"})))
    made._memory = LoopMemory(shown.name, shown.phase, NOW, since_ms=NOW - 60_000)
    await made._step()
    assert made._sleep_s == pytest.approx(sleep_s, abs=2 * SHORTEST_SLEEP_S)
    assert clock.ms == NOW


@pytest.mark.parametrize(
    ("phase", "expected"), [("Keys", 0), ("Shares", 0), ("Updates", 1), ("Unmask", 0), ("Attest", 0), ("Void", 0)]
)
async def test_only_updates_waits_for_client_work_so_that_its_end_is_looked_at_in_no_other_phase(
    phase: str, expected: int
):
    made, ledger, _ = attendance(view(phase, deadline_ms=1 << 60), LocalState("c", "CMSP", dropped="FL3010"))
    task = asyncio.create_task(made.run())
    await until(lambda: ledger.looks == 1)
    await settle()
    made.on_trained()
    await settle()
    made.stop()
    await task
    assert ledger.looks - 1 == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Keys", "Shares"),
        ("Shares", "Updates"),
        ("Updates", "Unmask"),
        ("Unmask", "Attest"),
        ("Attest", "Final"),
        ("Keys", "Void"),
        ("Updates", "Void"),
    ],
)
async def test_a_new_phase_ends_the_pause_of_the_one_before_and_an_attempt_that_is_over_is_ended_once(
    clock: Clock, before: str, after: str
):
    made, _, deeds = attendance(view(after, deadline_ms=LATER), LocalState("c", "CMSP", dropped="FL3010"))
    made._memory = LoopMemory("t/1/1", before, ripe_ms=1, failures=7, not_before_ms=clock.ms + 1)
    await made._step()
    assert made._memory == LoopMemory("t/1/1", after, ripe_ms=clock.ms, since_ms=clock.ms, first=False)
    await made._step()
    assert deeds.over == ([after] if after in OVER else [])


async def test_in_a_pause_nothing_is_done_nor_looked_at_again_at_once(clock: Clock):
    made, _, deeds = attendance(view("Keys", deadline_ms=LATER), ME)
    made._memory = LoopMemory("t/1/1", "Keys", failures=1, not_before_ms=clock.ms + 200)
    assert not await made._step()
    assert (deeds.done, made._sleep_s) == ([], pytest.approx(0.2 + SHORTEST_SLEEP_S))
    clock.ms += 200
    await made._step()
    assert PublishKeys() in deeds.done


async def test_the_pauses_after_failures_double_up_to_the_longest_and_are_spread_by_lot(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
):
    own = replace(ME, done=frozenset({"keys"}))
    made, _, deeds = attendance(view("Unmask", deadline_ms=NOW + (1 << 40), **updated(*NAMES)), own)

    async def fail(*_: object) -> bool:
        raise NodeError("FL4007", "disk full")

    deeds.do = fail  # type: ignore[method-assign]
    for lot, expected in ((0.25, [37, 75, 150, 300, 600, 1200, 2400, 3750, 3750]), (0.75, [62, 125, 250, 500])):
        monkeypatch.setattr("random.random", lambda lot=lot: lot)
        made._memory = LoopMemory()
        pauses = []
        for _ in expected:
            made._sleep_s = TICK_S
            assert not await made._step()
            pauses.append(made._memory.not_before_ms - clock.ms)
            assert made._sleep_s == pytest.approx(min(TICK_S, pauses[-1] / 1000 + SHORTEST_SLEEP_S))
            clock.ms = made._memory.not_before_ms
        assert pauses == expected


async def test_what_the_node_refuses_ends_the_attempt_for_it_and_is_looked_at_again_at_once(clock: Clock):
    own = replace(ME, done=frozenset({"keys"}))
    made, _, deeds = attendance(view("Shares", deadline_ms=LATER, **keys(*NAMES)), own)

    async def refuse(*_: object) -> bool:
        raise RefusalError("FL4305", "another attempt than ours")

    deeds.do = refuse  # type: ignore[method-assign]
    assert await made._step()
    assert (deeds.dropped, made._memory.not_before_ms) == (["FL4305"], 0)
    assert clock.ms == NOW


async def test_a_vote_takes_nothing_from_the_time_that_a_node_has_waited_already(clock: Clock):
    made, _, _ = attendance(view("Void"), ME)
    made._memory = LoopMemory("t/1/1", "Void", ripe_ms=clock.ms - 500)
    made.on_vote()
    assert made._memory.ripe_ms == clock.ms - 500
