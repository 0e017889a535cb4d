"""One organisation's node: a task for each training on the ledger, and the events that wake them."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from fl_node.data.errors import DataError
from fl_node.errors import NodeError, reported
from fl_node.node.context import Context
from fl_node.plan.errors import PlanError
from fl_node.round.carry_out import Deeds
from fl_node.round.loop import Attendance

log = structlog.get_logger("node")
SURVEY_S: Final = 10.0
"""How often trainings and plans are read again where no event says that they changed."""
RESHAPING: Final = "ProposalExecuted"
"""The event after which the lists of trainings and plans may read otherwise."""
RETRY_S: Final = 1.0
SWEEP_S: Final = 600.0


@dataclass
class Node:
    """One organisation's node over open connections."""

    context: Context
    _deeds: Deeds = field(init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _attended: dict[str, Attendance] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _warming: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._deeds = Deeds(self.context, self._on_words)
        self.context.workshop.on_trained = self._on_trained

    def stop(self) -> None:
        """End after the duties under way."""
        self._stopping = True
        self._wake.set()
        for attendance in self._attended.values():
            attendance.stop()

    async def run(self) -> None:
        """Attend to every training until stopped."""
        listener = asyncio.create_task(self._listen())
        swept = time.monotonic()
        try:
            while not self._stopping:
                self._wake.clear()
                pause = SURVEY_S if await self._survey() else RETRY_S
                if time.monotonic() - swept > SWEEP_S:
                    swept = time.monotonic()
                    await self._sweep()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)
            await asyncio.gather(*self._tasks)
        finally:
            beside = (listener, *self._warming.values(), *self._tasks)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._deeds.close()

    async def _sweep(self) -> None:
        try:
            await asyncio.to_thread(self.context.store.sweep)
        except (OSError, NodeError) as error:
            self.context.health.note("blobs", reported(error)["message"])
            log.warning("the blob folder cannot be swept", **reported(error))
        else:
            self.context.health.note("blobs", "")

    async def _survey(self) -> bool:
        """Attend to trainings that are new or have changed, start new plans; tell whether the ledger answered."""
        self.context.governance_cache.clear()
        try:
            for training in await self.context.ledger.trainings():
                known = self._attended.get(training.training)
                if known is None or (known.over and known.training != training):
                    self._attend(Attendance(self.context, self._deeds, training))
                elif known.training != training:
                    known.training = training
                    known.wake()
            for plan in await self.context.ledger.everything("ListPlans"):
                if not plan["retired"] and plan["plan"] not in self._warming:
                    self._warming[plan["plan"]] = asyncio.create_task(self._warm(plan["plan"]))
        except Exception as error:  # noqa: BLE001  # an odd answer, even of our own peer, must not end the node
            report = reported(error)
            self.context.health.note("ledger", report["message"])
            log.warning("the ledger cannot be read", **report)
            return False
        self.context.health.ledger_answered()
        return True

    def _attend(self, attendance: Attendance) -> None:
        self._attended[attendance.training.training] = attendance
        task = asyncio.create_task(attendance.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._stopping:
            attendance.stop()

    async def _warm(self, plan: str) -> None:
        """Start the framework of a plan before a round waits for it: that takes longer than a phase."""
        try:
            await self.context.workshop.warm(plan)
        except Exception as error:  # noqa: BLE001  # see _survey
            report = reported(error)
            log.warning("the plan does not run here", plan=plan, **report)
            self.context.health.note(f"plan {plan[:8]}", report["message"])
            if not isinstance(error, PlanError | DataError):
                self._warming.pop(plan)  # nobody had it yet, say: tried again with the next survey
        else:
            self.context.health.note(f"plan {plan[:8]}", "")
            self.context.health.plans.append(plan)
            log.info("plan is ready", plan=plan)
        self._wake_all()

    def _on_words(self, training: str) -> None:
        if attendance := self._attended.get(training):
            attendance.on_words()

    def _on_trained(self, training: str) -> None:
        if attendance := self._attended.get(training):
            attendance.on_trained()

    def _wake_all(self) -> None:
        for attendance in self._attended.values():
            attendance.wake()

    async def _listen(self) -> None:
        """Hear every event of the contract; a stream that ends is opened again, and what it missed is looked for."""
        ledger = self.context.ledger
        while True:
            calm = asyncio.get_running_loop().call_later(SURVEY_S, self.context.health.note, "events", "")
            try:
                async for event in ledger.network.chaincode_events(ledger.profile.chaincode):
                    self._on_event(event.name, json.loads(event.payload or b"{}"))
            except Exception as error:  # noqa: BLE001  # see _survey; without events the trainings are looked at all the same
                report = reported(error)
                self.context.health.note("events", report["message"])
                log.warning("event stream broke", **report)
            calm.cancel()
            await asyncio.sleep(RETRY_S)
            self._wake.set()
            self._wake_all()

    def _on_event(self, name: str, about: dict[str, Any]) -> None:
        attendance = self._attended.get(about.get("training", ""))
        if name == "RoundSettled":
            self._deeds.settled(about["training"], about["round"])
        if name == RESHAPING:
            self.context.governance_cache.clear()
            self._wake.set()
            for attended in self._attended.values():
                attended.on_vote()
        if attendance is not None and not attendance.over:
            attendance.on_event(name, about)
        elif name == "RoundOpened":
            self._wake.set()
