"""One training at this node: read its newest attempt → duty → act, then sleep until there may be more to do."""

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import structlog

from fl_node import codes
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.seen import Seen
from fl_node.clock import now_ms
from fl_node.data.errors import DataError
from fl_node.errors import NodeError, RefusalError, reported
from fl_node.ledger.client import Ledger
from fl_node.ledger.records import OVER, Round, Training
from fl_node.metrics import Health, Metrics
from fl_node.round.carry_out import Deeds
from fl_node.round.duty import TURN_MS, URGENT, LocalState, duty, finished, turn
from fl_node.round.effects import Effect, OpenRound, Settle, Train
from fl_node.round.pace import paced
from fl_node.round.progress import EXPECTED, flows, lacking, rest_ms, ripe
from fl_node.round.speaking import Speaking
from fl_node.secagg.errors import Refusal
from network.rules import NEWEST_RULES
from network.topology import Consortium

log = structlog.get_logger("node")
TICK_S: Final = 2.0
"""How long an attendance sleeps at most, at its ledger's pace: nothing depends on an event's arrival.

It is longer than a phase takes where all answer: of twenty members' looks a third came from a second's sleep.
"""
NEVER: Final = 1 << 30
SHORTEST_SLEEP_S: Final = 0.02
LEAST_TURNS: Final = 2
"""For how many turns, of TURN_MS each, a node lets a phase be before it ends it by its deadline."""
FIRST_PAUSE_MS: Final = 50
LONGEST_PAUSE_MS: Final = 5000


class LoopDependencies(Protocol):
    """What attending to a training needs of the node, beside what is due in its rounds."""

    @property
    def consortium(self) -> Consortium:
        """Return the consortium as it is defined now."""
        ...

    msp: str
    ledger: Ledger
    mirror: Mirror
    metrics: Metrics
    health: Health
    seen: Seen
    speaking: Speaking


@dataclass
class LoopMemory:
    """What is remembered of the newest attempt between two steps; all of it may be lost.

    Attributes:
        attempt: The attempt's name. Invariant: everything below is of this attempt.
        phase: The phase it was last seen in.
        ripe_ms: Since when the phase can move on, milliseconds since 1970; later than now while the node rests.
            Invariant: now, as long as the phase cannot move on.
        failures: How many duties failed in this phase. Invariant: 0 when the phase has just changed.
        not_before_ms: Until when to wait after a failure. Invariant: 0 when the phase has just changed, or an event
            came that the failure may have waited for.
        since_ms: Since when it has been seen in this phase, milliseconds since 1970.
        first: Whether this node is the first in the order in which what anyone may do is done.
    """

    attempt: str = ""
    phase: str = ""
    ripe_ms: int = 0
    failures: int = 0
    not_before_ms: int = 0
    since_ms: int = 0
    first: bool = True


@dataclass
class Attendance:
    """One training's duties, in a task of its own: what one training waits for delays no other.

    Attributes:
        node: What the node holds open.
        deeds: Carries out what is due, for all trainings.
        training: The training as it was last read.
        over: Nothing is left to do until the training's record changes.
    """

    node: LoopDependencies
    deeds: Deeds
    training: Training
    over: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _began_ms: int = field(default_factory=now_ms)
    _memory: LoopMemory = field(default_factory=LoopMemory)
    _pace: float = 1.0
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
            if not await self._step():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), max(self._sleep_s, SHORTEST_SLEEP_S))

    def wake(self) -> None:
        """Look again at once, or as soon as the look under way has ended."""
        self._wake.set()

    def stop(self) -> None:
        """End after the duty under way."""
        self._stopping = True
        self._wake.set()

    def on_event(self, event: str, about: Mapping[str, Any]) -> None:
        """Take note of an event of the training: look again once it can matter to this node.

        Scenario: all have revealed. The first in order proposes the result, and the others look when it has: until then
        they have nothing to attest to, and the turn of the second to propose is a while away.
        """
        self._heard += about.get("words", 1)
        if event == "PhaseMoved" and about.get("phase") == "Attest" and not self._memory.first:
            return
        carried = event in {"WordsCarried", "DroppedOut"} and self._memory.first  # there may be more, or enough
        if carried or event in URGENT:
            self._memory.not_before_ms = 0  # it may be what failed for
            self._wake.set()
        elif self._heard >= self._lacking:
            self._wake.set()

    def on_vote(self) -> None:
        """Take note that a proposal was carried out: it may be what a round that is void again and again needs."""
        self._memory.ripe_ms = min(self._memory.ripe_ms, now_ms())
        self._wake.set()

    def on_words(self) -> None:
        """Take note that words have come that this node carries."""
        self._wake.set()

    def on_trained(self) -> None:
        """Take note that client work has ended; before Updates nothing waits for it."""
        if self._memory.phase == "Updates":
            self._wake.set()

    async def _step(self) -> bool:
        """Do what is due and return whether to look again at once; no error, foreseen or not, ends the attendance."""
        try:
            began = time.monotonic()
            view = await self.node.ledger.round(self.training.training)
            self._pace = self.node.speaking.pace = paced(self._pace, time.monotonic() - began)
            self._sleep_s = TICK_S * self._pace
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

    @property
    def _turn_ms(self) -> int:
        return int(TURN_MS * self._pace)

    def _problem(self, text: str) -> None:
        self.node.health.note(self.training.training, text)

    async def _begin(self) -> None:
        """Open the first round, the members one after the other in their order until one has."""
        msps = [member.msp_id for member in self.node.consortium.members]
        mine_ms = self._began_ms + msps.index(self.node.msp) * self._turn_ms
        if now_ms() >= mine_ms:
            await self.deeds.open(self.training)
        else:
            self._sleep_until(mine_ms)

    async def _attend(self, view: Round) -> bool:
        if view.rules > NEWEST_RULES:  # what it would do may be wrong there: it does nothing, and says so
            raise NodeError(
                codes.RULES_TOO_NEW,
                f"{view.name} follows version {view.rules} of the rules, this node knows 1 to {NEWEST_RULES}",
                hint="Install a newer fedledger and start the node again; until then it takes no part.",
            )
        if view.name != self._memory.attempt:
            await self.deeds.end_missed(view)
            self._memory = LoopMemory(view.name)
        view = self._unhurried(view)
        own = self.deeds.local_state(view, self.training)
        self._notice(view, own)
        if self._memory.not_before_ms > now_ms():
            self._sleep_until(self._memory.not_before_ms)
            return False
        self._failing = False
        own = replace(own, ripe_ms=now_ms() - self._memory.ripe_ms, turn_ms=self._turn_ms)
        left = await self._do(view, duty(view, own, now_ms()))
        self.over = finished(view, own)
        if self.over:
            self.node.metrics.over(view.training)
            self.deeds.over(view.training)
        self._plan_sleep(view, own)
        return left

    async def _do(self, view: Round, effects: tuple[Effect, ...]) -> bool:
        """Carry out what is due until something is refused: that ends the attempt, and the rest is not due any more."""
        for effect in effects:
            if await self._try(view, effect):
                return True
        return False

    def _unhurried(self, view: Round) -> Round:
        """Return the attempt with no earlier deadline than a while after this node first saw its phase.

        Scenario: orderers stand still for a minute and then put everybody's keys into one block. By the keys' own times
        the phase of shares is over when the first node sees it. If that node moved it on, the attempt would be void for
        want of shares that everybody is about to send.
        """
        if view.phase not in EXPECTED:
            return view
        since = self._memory.since_ms if view.phase == self._memory.phase else now_ms()
        return view.model_copy(update={"deadline_ms": max(view.deadline_ms, since + LEAST_TURNS * self._turn_ms)})

    def _notice(self, view: Round, own: LocalState) -> None:
        """Remember since when the attempt is in its phase, since when that can move on, and what it still lacks."""
        now, memory = now_ms(), self._memory
        if view.phase != memory.phase:
            log.info("phase", attempt=view.name, phase=view.phase, void_reason=view.void_reason or None)
            memory.phase, memory.since_ms, memory.ripe_ms = view.phase, now, now + rest_ms(view)
            memory.failures, memory.not_before_ms = 0, 0
            self.node.metrics.phase(view.training, view.deadline_ms)
            if view.phase in OVER:
                self.deeds.ended(view)
        if view.phase not in OVER and not ripe(view, now):
            memory.ripe_ms = now
        memory.first = turn(view, own) == 0
        if memory.first or flows(view):
            self._lacking = lacking(view) or NEVER
        if self._heard >= self._lacking:  # heard while the ledger answered
            self._wake.set()
        self.node.health.position = {"attempt": view.name, "phase": view.phase}
        self.node.metrics.round.labels(view.training).set(view.round)
        self.node.mirror.watch(view)
        self.node.seen.put(view)

    def _plan_sleep(self, view: Round, own: LocalState) -> None:
        """Sleep no longer than until this node's own turn, the deadline or a turn to propose, nor half of what is left.

        Scenario: the ledger has answered late, so that a node looks every twelve seconds. It leaves its reveal to the
        carrier in a phase of eight. Were it to sleep until the deadline, it could not say alone what was not carried.
        """
        now = now_ms()
        if view.phase not in OVER and view.deadline_ms > now:
            self._sleep_until(max(now + int(TICK_S * 1000), (now + view.deadline_ms) // 2))
        moments = [view.deadline_ms, *(t.from_ms for t in view.turns if t.participant == own.participant)]
        if view.phase in OVER or ripe(view, now):
            moments.append(self._memory.ripe_ms + turn(view, own) * self._turn_ms)
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
            moved = await self.deeds.do(view, self.training, effect)
            outcome = "done"
            if not moved and not isinstance(effect, Train | Settle):
                self._back_off()  # the ledger has moved on, a peer that endorses lags behind ours, or an answer is due
                if isinstance(effect, OpenRound):
                    self.training = await self.node.ledger.training(view.training)
        except (RefusalError, Refusal, DataError) as error:
            log.warning("refused", attempt=view.name, duty=name, **error.as_json())
            self.deeds.drop(view, error.code)
            outcome = "refused"
        except Exception as error:  # noqa: BLE001  # see _step
            self._back_off()
            self._failing = True
            report = reported(error)
            self._problem(f"{name}: {report['message']}")
            log.warning("will try again", attempt=view.name, duty=name, failures=self._memory.failures, **report)
        self.node.metrics.effects.labels(name, outcome).inc()
        self.node.metrics.seconds.labels(name).observe(time.monotonic() - began)
        return outcome == "refused"

    def _back_off(self) -> None:
        self._memory.failures += 1
        if self._wake.is_set():
            return  # what was heard meanwhile may be what it failed for
        pause = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (self._memory.failures - 1))
        self._memory.not_before_ms = now_ms() + int(pause * (0.5 + random.random()))  # noqa: S311  # spreads retries
        self._sleep_until(self._memory.not_before_ms)
