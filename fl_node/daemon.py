"""The node's only loop: an event or a tick → read the ledger → duty → act; then again, until it is told to stop."""

import asyncio
import contextlib
import random
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog

from fl_node.acts import Acts
from fl_node.context import Context, now_ms
from fl_node.errors import RefusalError
from fl_node.plan.errors import DataError
from fl_node.secagg.errors import Refusal
from fl_node.session import TURN_MS, Effect, Own, Settle, Train, duty, ripe, turn
from fl_node.views import OVER, Round, Training
from gateway.errors import GatewayError
from network.errors import FedledgerError

log = structlog.get_logger("node")
TICK_S: Final = 1.0
"""How long the loop sleeps at most: nothing depends on an event's arrival."""
URGENT: Final = frozenset(
    {"RoundOpened", "PhaseMoved", "AggregateProposed", "RoundFinal", "RoundVoid", "ProposalExecuted"}
)
"""Events that give every node something to do; of the others only the one whose turn it is to advance need know."""
RESHAPING: Final = frozenset({"RoundFinal", "RoundVoid", "ProposalExecuted"})
"""Events after which the list of trainings may read otherwise."""
SHORTEST_SLEEP_S: Final = 0.02
FIRST_PAUSE_MS: Final = 50
LONGEST_PAUSE_MS: Final = 5000
SWEEP_S: Final = 600.0
WARM_S: Final = 2.0
"""How often newly registered plans are looked for."""


@dataclass
class Seen:
    """What the loop remembers of an attempt between two looks; all of it may be lost."""

    phase: str = ""
    ripe_ms: int = 0
    failures: int = 0
    not_before_ms: int = 0


@dataclass
class Node:
    """One organisation's node over open connections."""

    context: Context
    _acts: Acts = field(init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _seen: dict[str, Seen] = field(default_factory=dict)
    _sleep_s: float = TICK_S
    _warming: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _plans_read: float = 0.0
    _trainings: list[Training] = field(default_factory=list)
    _trainings_read: float = 0.0
    _leading: bool = True

    def __post_init__(self) -> None:
        self._acts = Acts(self.context)
        self.context.workshop.on_trained = self._wake.set

    def stop(self) -> None:
        """End the loop after the duty under way."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Do every training's duties until stopped."""
        listener = asyncio.create_task(self._listen())
        swept = time.monotonic()
        try:
            while not self._stopping:
                self._wake.clear()
                self._sleep_s = TICK_S
                busy = await self._look()
                if time.monotonic() - swept > SWEEP_S:
                    swept = time.monotonic()
                    await asyncio.to_thread(self.context.store.sweep)
                if not busy:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), max(self._sleep_s, SHORTEST_SLEEP_S))
        finally:
            beside = (listener, *self._warming.values())
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._acts.close()

    async def _look(self) -> bool:
        """Do one duty of each training; return whether there may be more at once."""
        try:
            trainings = await self._current_trainings()
            self._leading = not trainings
            await self._warm()
            busy = [await self._attend_safely(training) for training in trainings]
        except FedledgerError as error:
            self.context.health.problem = str(error)
            log.warning("the ledger cannot be read", **error.as_json())
            return False
        return any(busy)

    async def _current_trainings(self) -> list[Training]:
        if time.monotonic() - self._trainings_read > TICK_S:
            self._trainings_read = time.monotonic()
            self._trainings = await self.context.ledger.trainings()
            self.context.health.ledger_answered()
        return self._trainings

    async def _warm(self) -> None:
        """Start the framework for each registered plan before a round waits for it: that takes longer than a phase."""
        if time.monotonic() - self._plans_read < WARM_S:
            return
        self._plans_read = time.monotonic()
        for plan in await self.context.ledger.everything("ListPlans"):
            if not plan["retired"] and plan["plan"] not in self._warming:
                self._warming[plan["plan"]] = asyncio.create_task(self._warm_one(plan["plan"]))

    async def _warm_one(self, plan: str) -> None:
        try:
            await self.context.workshop.warm(plan)
        except (FedledgerError, TimeoutError) as error:
            log.warning("the plan does not run here", plan=plan, error=str(error))
            self.context.health.problem = str(error)
        else:
            self.context.health.plans.append(plan)
            log.info("plan is ready", plan=plan)

    async def _attend_safely(self, training: Training) -> bool:
        """Attend a training; what goes wrong in one, foreseen or not, stops neither the others nor the node."""
        try:
            return await self._attend(training)
        except Exception as error:  # noqa: BLE001  # an odd answer of somebody's must not end the node
            report = reported(error)
            self.context.health.problem = f"{training.training}: {report['message']}"
            log.warning("a training cannot be attended", training=training.training, **report)
            return False

    async def _attend(self, training: Training) -> bool:
        view = await self.context.ledger.round(training.training)
        if view is None:
            return await self._acts.open_first(training)
        if view.name not in self._seen:
            await self._acts.end_missed(view)
        seen = self._seen.setdefault(view.name, Seen())
        self._notice(view, seen, own := self._acts.own(view, training))
        self._leading |= turn(view, own) == 0
        if seen.not_before_ms > now_ms():
            self._sleep_until(seen.not_before_ms)
            return False
        for effect in duty(view, replace(own, ripe_ms=now_ms() - seen.ripe_ms), now_ms()):
            if await self._try(training, view, effect, seen):
                return True
        self._plan_sleep(view, own)
        return False

    def _notice(self, view: Round, seen: Seen, own: Own) -> None:
        """Remember since when the attempt is in its phase, and since when that phase can move on."""
        now = now_ms()
        if view.phase != seen.phase:
            log.info("phase", attempt=view.name, phase=view.phase, void_reason=view.void_reason or None)
            self._seen[view.name] = seen
            seen.phase, seen.ripe_ms, seen.failures, seen.not_before_ms = view.phase, now, 0, 0
            if view.phase in OVER:
                self._acts.ended(view)
        if view.phase not in OVER and not ripe(view, own, now):
            seen.ripe_ms = now
        self.context.health.position = {"attempt": view.name, "phase": view.phase}
        self.context.metrics.round.labels(view.training).set(view.round)
        self.context.mirror.watch(view, self.context.me)

    def _plan_sleep(self, view: Round, own: Own) -> None:
        """Sleep no longer than until this node's own turn, the deadline or a turn to propose."""
        now = now_ms()
        moments = [view.deadline_ms, *(t.from_ms for t in view.turns if t.participant == own.participant)]
        if view.phase in OVER or ripe(view, own, now):
            moments.append(self._seen[view.name].ripe_ms + turn(view, own) * TURN_MS)
        for moment in moments:
            if moment > now:
                self._sleep_until(moment)

    def _sleep_until(self, moment_ms: int) -> None:
        self._sleep_s = min(self._sleep_s, (moment_ms - now_ms()) / 1000 + SHORTEST_SLEEP_S)

    async def _try(self, training: Training, view: Round, effect: Effect, seen: Seen) -> bool:
        """Carry out one effect; what fails is tried again after a pause, what is refused ends the attempt."""
        name = type(effect).__name__
        began = time.monotonic()
        outcome = "failed"
        try:
            moved = await self._acts.do(view, training, effect)
            outcome = "done"
            if not moved and not isinstance(effect, Train | Settle):
                self._back_off(seen)  # the ledger has moved on, or a peer that endorses lags behind ours
        except (RefusalError, Refusal, DataError) as error:
            log.warning("refused", attempt=view.name, duty=name, **error.as_json())
            self._acts.drop(view, error.code)
            outcome, moved = "refused", True
        except Exception as error:  # noqa: BLE001  # see _attend_safely
            self._back_off(seen)
            report = reported(error)
            self.context.health.problem = f"{name}: {report['message']}"
            log.warning("will try again", attempt=view.name, duty=name, failures=seen.failures, **report)
            moved = False
        self.context.metrics.effects.labels(name, outcome).inc()
        self.context.metrics.seconds.labels(name).observe(time.monotonic() - began)
        return moved

    def _back_off(self, seen: Seen) -> None:
        seen.failures += 1
        pause = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2**seen.failures)
        seen.not_before_ms = now_ms() + int(pause * (0.5 + random.random()))  # noqa: S311  # spreads retries
        self._sleep_until(seen.not_before_ms)

    def _hear(self, event: str) -> None:
        if event in RESHAPING:
            self._trainings_read = 0.0
        if self._leading or event in URGENT:
            self._wake.set()

    async def _listen(self) -> None:
        """Wake the loop at every event of the contract; a stream that ends is opened again."""
        ledger = self.context.ledger
        while True:
            try:
                async for event in ledger.network.chaincode_events(ledger.profile.chaincode):
                    self._hear(event.name)
            except GatewayError as error:
                log.warning("event stream broke", error=str(error))
            await asyncio.sleep(TICK_S)


def reported(error: Exception) -> dict[str, Any]:
    """Return an error for the log; of one that nobody foresaw only type and place, for its text may hold a secret."""
    if isinstance(error, FedledgerError):
        return error.as_json()
    if isinstance(error, TimeoutError):
        return {"message": "timed out"}
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return {"code": "FL4010", "message": f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"}
