"""Follows a training on the ledger: every change of every attempt, with the seconds that each phase took."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from fl_node.commands.timeline import Seen, clock_ms
from fl_node.ledger.client import Ledger
from fl_node.ledger.records import OVER, Round
from fl_node.round.duty import URGENT
from gateway.errors import GatewayError

TICK_S: Final = 1.0
GATHER_S: Final = 0.2
"""How long events that move nothing are gathered before the ledger is read for them."""


@dataclass
class Progress:
    """One attempt as it was watched; `seconds` maps phase → time spent in it, as seen from here."""

    view: Round
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    entered: float = field(default_factory=time.monotonic)
    timeline: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        """Begin the timeline with the first view."""
        self.timeline.see(self.view.model_dump(), clock_ms())

    def see(self, view: Round) -> None:
        """Take a newer view in."""
        now = time.monotonic()
        if view.phase != self.view.phase:
            spent = self.seconds.get(self.view.phase, 0.0)
            self.seconds[self.view.phase] = spent + now - self.entered
            self.entered = now
        self.timeline.see(view.model_dump(), clock_ms())
        self.view = view

    @property
    def over(self) -> bool:
        """Tell whether the attempt has ended."""
        return self.view.phase in OVER

    def as_json(self) -> dict[str, Any]:
        """Return the attempt for machines."""
        view = self.view
        return {
            "round": view.round,
            "attempt": view.attempt,
            "status": view.phase,
            "void_reason": view.void_reason,
            "cohort": list(view.cohort),
            "survivors": list(view.survivors),
            "metrics": {name: float(value) for name, value in view.proposal.metrics.items()} if view.proposal else {},
            "examples": view.proposal.examples if view.proposal else 0,
            "aggregate_digest": view.proposal.aggregate if view.proposal else "",
            "state_digest": view.state,
            "update_bytes": sum(update.length for update in view.updates.values()),
            "exposure": {e.participant: e.difference for e in view.exposure},
            "seconds": {
                **{k: round(v, 3) for k, v in self.seconds.items()},
                "total": round(sum(self.seconds.values()), 3),
            },
        }


async def watch(ledger: Ledger, training: str, gather_s: float = GATHER_S) -> AsyncIterator[Progress]:
    """Yield each attempt whenever it has changed, until the training is finished or stopped.

    A first attempt that has ended before the watch began is not shown.
    """
    progress: Progress | None = None
    shown: Round | None = None
    async for _ in changes(ledger, gather_s):
        view = await ledger.round(training)
        if view is None or view == shown:
            if shown is not None and shown.phase in OVER and not (await ledger.training(training)).running:
                return
            continue
        shown = view
        if progress is None or progress.view.name != view.name:
            if progress is not None and not progress.over:
                yield await _caught_up(ledger, progress)
            progress = Progress(view)
        progress.see(view)
        yield progress
        if progress.over and not (await ledger.training(training)).running:
            return


async def changes(ledger: Ledger, gather_s: float = GATHER_S) -> AsyncIterator[None]:
    """Yield at once, then after every event that moves a round, soon after any other, and at least every second."""
    woken, moved = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        while True:
            with contextlib.suppress(GatewayError):
                async for event in ledger.network.chaincode_events(ledger.profile.chaincode):
                    woken.set()
                    if event.name in URGENT:
                        moved.set()
            await asyncio.sleep(TICK_S)

    listener = asyncio.create_task(listen())
    try:
        while True:
            woken.clear()
            moved.clear()
            yield
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), TICK_S)
                await asyncio.wait_for(moved.wait(), gather_s)
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def _caught_up(ledger: Ledger, progress: Progress) -> Progress:
    """Take in how an attempt ended that was over, and the next one open, between two looks."""
    view = await ledger.round(progress.view.training, progress.view.round, progress.view.attempt)
    if view is not None:
        progress.see(view)
    return progress
