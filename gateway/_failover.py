"""Which of several peers is used: the first that answers. One that is dead is left, and used again once it is back."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Failover:
    """When a peer is left for the next one, and when it is used again; all in seconds.

    Attributes:
        probe: a call whose deadline passed may be slow or its peer dead: dead is who accepts no fresh connection in so
            long.
        every: how often a peer that was left is tried.
        steady: for how long it must have answered before it is used again; most have caught up with the ledger by then.
    """

    probe: float = 5.0
    every: float = 5.0
    steady: float = 30.0


class Link(Protocol):
    """The way to one peer."""

    @property
    def address(self) -> str:
        """Return the peer's address."""

    async def ready(self, deadline: float) -> bool:
        """Say whether the connection for calls stands, or can be made."""

    async def answers(self, deadline: float) -> bool:
        """Say whether the peer accepts a fresh connection; the one in use may hang."""

    def abandon(self, *, streams_only: bool) -> None:
        """Break the calls under way; they fail as those of a lost connection do."""


class Choice:
    """The peer in use, by its place in the order of preference."""

    def __init__(self, links: Sequence[Link], policy: Failover) -> None:
        self.current = 0
        self._links = links
        self._policy = policy
        self._down: set[int] = set()  # peers that did not answer when they were asked last
        self._probing: dict[int, asyncio.Task[None]] = {}
        self._watching: asyncio.Task[None] | None = None

    def answered(self, index: int) -> None:
        """Note that a peer completed a call."""
        self._down.discard(index)

    def lost(self, index: int, reason: str) -> None:
        """Leave a peer whose connection is lost, or cannot be made."""
        # Many calls may fail together: only the first of them moves on.
        if index != self.current or len(self._links) == 1:
            return
        news = index not in self._down
        self._down.add(index)
        self.current = self._next(index)
        if news:
            self._tell(logging.WARNING, "peer left", index, reason=reason)
        if self.current and self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    def late(self, index: int) -> None:
        """Find out whether a peer that let a deadline pass is dead, and leave it if so."""
        if index == self.current and len(self._links) > 1 and index not in self._probing:
            self._probing[index] = asyncio.create_task(self._probe(index))

    async def close(self) -> None:
        """End what runs beside the calls."""
        tasks = [*self._probing.values(), *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _next(self, index: int) -> int:
        others = [other for other in range(len(self._links)) if other != index]
        following = (index + 1) % len(self._links)
        return next((other for other in others if other not in self._down), following)

    async def _probe(self, index: int) -> None:
        try:
            if not await self._links[index].answers(self._policy.probe):
                self.lost(index, "it lets deadlines pass and accepts no connection")
                self._links[index].abandon(streams_only=False)
        finally:
            del self._probing[index]

    async def _watch(self) -> None:
        """Try the peers before the one in use until the first is used again."""
        since: dict[int, float] = {}
        while self.current:
            await asyncio.sleep(self._policy.every)
            for index in range(self.current):
                if not await self._links[index].answers(self._policy.probe):
                    since.pop(index, None)
                elif time.monotonic() - since.setdefault(index, time.monotonic()) < self._policy.steady:
                    continue
                elif await self._links[index].ready(self._policy.probe):
                    self._return_to(index)
                    break
        self._watching = None

    def _return_to(self, index: int) -> None:
        left, self.current = self.current, min(index, self.current)
        self._down.discard(index)
        if left != self.current:
            self._tell(logging.INFO, "peer used again", left)
            self._links[left].abandon(streams_only=True)  # they go on where the calls are

    def _tell(self, level: int, event: str, left: int, **more: str) -> None:
        addresses = {"left": self._links[left].address, "used": self._links[self.current].address}
        extra = {"event": event, "fields": {**addresses, **more}}
        _log.log(level, "%s: from %s to %s", event, *addresses.values(), extra=extra)
