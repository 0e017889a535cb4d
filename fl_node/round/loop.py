"""One training at this node: read its newest attempt → duty → act, then sleep until there may be more to do."""

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from fl_node.errors import RefusalError, reported
from fl_node.ledger.records import OVER, Round, Training
from fl_node.node.context import Context, now_ms
from fl_node.plan.errors import DataError
from fl_node.round.carry_out import Acts
from fl_node.round.duty import TURN_MS, URGENT, Own, duty, finished, lacking, rest_ms, ripe, turn
from fl_node.round.effects import Effect, OpenRound, Settle, Train
from fl_node.secagg.errors import Refusal

log = structlog.get_logger("node")
TICK_S: Final = 1.0
"""How long an attendance sleeps at most: nothing depends on an event's arrival."""
NEVER: Final = 1 << 30
SHORTEST_SLEEP_S: Final = 0.02
FIRST_PAUSE_MS: Final = 50
LONGEST_PAUSE_MS: Final = 5000


@dataclass
class Seen:
    """What is remembered of the newest attempt between two looks; all of it may be lost."""

    attempt: str = ""
    phase: str = ""
    ripe_ms: int = 0  # since when the phase can move on; later than now while the node rests
    failures: int = 0
    not_before_ms: int = 0


@dataclass
class Attendance:
    """One training's duties, in a task of its own: what one training waits for delays no other.

    Attributes:
        context: What the node holds open.
        acts: Carries out what is due, for all trainings.
        training: The training as it was last read.
        over: Nothing is left to do until the training's record changes.
    """

    context: Context
    acts: Acts
    training: Training
    over: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _began_ms: int = field(default_factory=now_ms)
    _seen: Seen = field(default_factory=Seen)
    _sleep_s: float = TICK_S
    _heard: int = 0
    _lacking: int = NEVER
    _failing: bool = False
    _stopping: bool = False

    async def run(self) -> None:
        """Do the training's duties until it is over or the node stops."""
        while not (self.over or self._stopping):
            self._wake.clear()
            self._heard, self._lacking, self._sleep_s = 0, NEVER, TICK_S
            if not await self._look():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(self._sleep_s, SHORTEST_SLEEP_S))

    def wake(self) -> None:
        """Look again at once, or as soon as the look under way has ended."""
        self._wake.set()

    def stop(self) -> None:
        """End after the duty under way."""
        self._stopping = True
        self._wake.set()

    def hear(self, event: str) -> None:
        """Take note of an event of the training: look again once it can matter to this node."""
        self._heard += 1
        if event in URGENT:
            self._seen.not_before_ms = 0  # it may be what failed for
            self._wake.set()
        elif self._heard >= self._lacking:
            self._wake.set()

    def hear_vote(self) -> None:
        """Take note that a proposal was carried out: it may be what a round that is void again and again needs."""
        self._seen.ripe_ms = min(self._seen.ripe_ms, now_ms())
        self._wake.set()

    def hear_trained(self) -> None:
        """Take note that client work has ended; before Updates nothing waits for it."""
        if self._seen.phase == "Updates":
            self._wake.set()

    async def _look(self) -> bool:
        """Do what is due and return whether to look again at once; no error, foreseen or not, ends the attendance."""
        try:
            view = await self.context.ledger.round(self.training.training)
            if view is None:
                await self._begin()
            again = view is not None and await self._attend(view)
        except Exception as error:  # noqa: BLE001  # an odd answer of somebody's must not end the node
            report = reported(error)
            self._problem(report["message"])
            log.warning("a training cannot be attended", training=self.training.training, **report)
            return False
        if self.over or not self._failing:
            self._problem("")
        return again

    def _problem(self, text: str) -> None:
        self.context.health.note(self.training.training, text)

    async def _begin(self) -> None:
        """Open the first round, the members one after the other in their order until one has."""
        msps = [member.msp_id for member in self.context.consortium.members]
        mine_ms = self._began_ms + msps.index(self.context.msp) * TURN_MS
        if now_ms() >= mine_ms:
            await self.acts.open(self.training)
        else:
            self._sleep_until(mine_ms)

    async def _attend(self, view: Round) -> bool:
        if view.name != self._seen.attempt:
            await self.acts.end_missed(view)
            self._seen = Seen(view.name)
        own = self.acts.own(view, self.training)
        self._notice(view, own)
        if self._seen.not_before_ms > now_ms():
            self._sleep_until(self._seen.not_before_ms)
            return False
        self._failing = False
        own = replace(own, ripe_ms=now_ms() - self._seen.ripe_ms)
        left = [await self._try(view, effect) for effect in duty(view, own, now_ms())]
        self.over = finished(view, own)
        self._plan_sleep(view, own)
        return any(left)

    def _notice(self, view: Round, own: Own) -> None:
        """Remember since when the attempt is in its phase, since when that can move on, and what it still lacks."""
        now, seen = now_ms(), self._seen
        if view.phase != seen.phase:
            log.info("phase", attempt=view.name, phase=view.phase, void_reason=view.void_reason or None)
            seen.phase, seen.ripe_ms, seen.failures, seen.not_before_ms = view.phase, now + rest_ms(view), 0, 0
            if view.phase in OVER:
                self.acts.ended(view)
        if view.phase not in OVER and not ripe(view, own, now):
            seen.ripe_ms = now
        if turn(view, own) == 0:
            self._lacking = lacking(view, own) or NEVER
        if self._heard >= self._lacking:  # heard while the ledger answered
            self._wake.set()
        self.context.health.position = {"attempt": view.name, "phase": view.phase}
        self.context.metrics.round.labels(view.training).set(view.round)
        self.context.mirror.watch(view)

    def _plan_sleep(self, view: Round, own: Own) -> None:
        """Sleep no longer than until this node's own turn, the deadline or a turn to propose."""
        now = now_ms()
        moments = [view.deadline_ms, *(t.from_ms for t in view.turns if t.participant == own.participant)]
        if view.phase in OVER or ripe(view, own, now):
            moments.append(self._seen.ripe_ms + turn(view, own) * TURN_MS)
        for moment in moments:
            if moment > now:
                self._sleep_until(moment)

    def _sleep_until(self, moment_ms: int) -> None:
        self._sleep_s = min(self._sleep_s, (moment_ms - now_ms()) / 1000 + SHORTEST_SLEEP_S)

    async def _try(self, view: Round, effect: Effect) -> bool:
        """Carry out one effect; what fails is tried again after a pause, what is refused ends the attempt.

        Returns:
            Whether the node's own side changed, so that no event will tell of it.
        """
        name = type(effect).__name__
        began = time.monotonic()
        outcome = "failed"
        try:
            moved = await self.acts.do(view, self.training, effect)
            outcome = "done"
            if not moved and not isinstance(effect, Train | Settle):
                self._back_off()  # the ledger has moved on, a peer that endorses lags behind ours, or an answer is due
                if isinstance(effect, OpenRound):
                    self.training = await self.context.ledger.training(view.training)
        except (RefusalError, Refusal, DataError) as error:
            log.warning("refused", attempt=view.name, duty=name, **error.as_json())
            self.acts.drop(view, error.code)
            outcome = "refused"
        except Exception as error:  # noqa: BLE001  # see _look
            self._back_off()
            self._failing = True
            report = reported(error)
            self._problem(f"{name}: {report['message']}")
            log.warning("will try again", attempt=view.name, duty=name, failures=self._seen.failures, **report)
        self.context.metrics.effects.labels(name, outcome).inc()
        self.context.metrics.seconds.labels(name).observe(time.monotonic() - began)
        return outcome == "refused"

    def _back_off(self) -> None:
        self._seen.failures += 1
        if self._wake.is_set():
            return  # what was heard meanwhile may be what it failed for
        pause = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2**self._seen.failures)
        self._seen.not_before_ms = now_ms() + int(pause * (0.5 + random.random()))  # noqa: S311  # spreads retries
        self._sleep_until(self._seen.not_before_ms)
