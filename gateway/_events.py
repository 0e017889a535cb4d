"""Streams of events that resume where they broke, or raise; they never just end."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from . import _retry
from ._checkpoint import Checkpointer, Position
from ._client import Client
from ._retry import RetryPolicy
from .errors import StatusCode, StreamError, TransportError

T = TypeVar("T")

# A stream that lived for so many seconds was open, even if nothing came: no attempt to connect takes as long.
_LIVED = 10.0


class Source(Protocol[T]):
    """One kind of events: how to ask for them, how to read them, what comes after one."""

    @property
    def resumable(self) -> bool:
        """Whether a broken stream can be asked for again."""

    async def start(self) -> Position:
        """Return the position that "from now on" means at this moment."""

    async def request(self, position: Position) -> tuple[str, bytes]:
        """Return the method's path and the signed request for events from a position."""

    def seen(self, block: int, address: str) -> None:
        """Note that the peer at an address holds a block."""

    def read(self, raw: bytes) -> list[tuple[T, Position]]:
        """Return the events of a response, each with the position after it; TransportError where it is a failure."""


@dataclass(slots=True)
class EventStream(Generic[T]):
    """Events in the order of the ledger, for `async for`, each exactly once while the stream lives.

    A connection that breaks is opened again behind the last event read. With a checkpointer, an event counts as done
    when the loop asks for the next one: a crash in between shows it again, and so handlers must be idempotent.
    Leaving the loop does not count as done: `await stream.done()` says so.

    Iterating raises StreamError where the peer refuses the stream or is out of reach for too long.
    """

    _source: Source[T] = field(repr=False)
    _client: Client = field(repr=False)
    _policy: RetryPolicy = field(repr=False)
    _position: Position
    _checkpointer: Checkpointer | None = field(default=None, repr=False)
    _responses: AsyncIterator[bytes] | None = field(default=None, repr=False)
    _waiting: deque[tuple[T, Position]] = field(default_factory=deque, repr=False)
    _undone: Position | None = field(default=None, repr=False)
    _broken_since: float | None = field(default=None, repr=False)
    _failures: int = field(default=0, repr=False)
    _asked_at: float = field(default=0.0, repr=False)
    _address: str = field(default="", repr=False)  # of the peer whose stream is read

    async def open(self) -> Self:
        """Fix where "from now on" begins; what is committed after it returns is seen.

        Raises:
            StreamError: the peer refuses or is out of reach.
        """
        while self._position.block_number is None and self._source.resumable:
            try:
                self._position = await self._source.start()
            except TransportError as error:
                await self._recover(error)
        return self

    async def done(self) -> None:
        """Record the last event read as done."""
        if self._checkpointer is not None and self._undone is not None:
            await self._checkpointer.record(self._undone)
        self._undone = None

    async def aclose(self) -> None:
        """End the stream; calling it twice does no harm."""
        responses, self._responses = self._responses, None
        if responses is not None:
            # Cancels the call; an iterator that is being read elsewhere is cancelled with its reader.
            with suppress(RuntimeError):
                await responses.aclose()  # type: ignore[attr-defined]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        await self.done()
        await self.open()
        while not self._waiting:
            try:
                await self._receive()
            except TransportError as error:
                await self._recover(error)
        event, self._position = self._waiting.popleft()
        self._undone = self._position
        return event

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _receive(self) -> None:
        if self._responses is None:
            path, request = await self._source.request(self._position)
            self._address = self._client.transport.address
            self._responses = self._client.stream(path, request)
            self._asked_at = time.monotonic()
        raw = await anext(self._responses, None)
        if raw is None:
            raise TransportError(StatusCode.UNAVAILABLE, "the peer ended the stream")
        events = self._source.read(raw)
        for _, position in events[-1:]:
            block = position.block_number or 0
            self._source.seen(block if position.transaction_id else block - 1, self._address)
        self._waiting.extend(events)
        self._forget_failures()

    async def _recover(self, error: TransportError) -> None:
        now = time.monotonic()
        if self._responses is not None and now - self._asked_at >= _LIVED:
            self._forget_failures()
        await self.aclose()
        self._broken_since = now if self._broken_since is None else self._broken_since
        self._failures += 1
        too_long = now - self._broken_since >= self._policy.resume_for
        if too_long or not self._source.resumable or not _retry.is_transient(error.code):
            self._forget_failures()
            raise StreamError(error.message, code=error.code, details=error.details) from error
        await asyncio.sleep(self._policy.delay(self._failures))

    def _forget_failures(self) -> None:
        self._broken_since, self._failures = None, 0


def first_position(start_block: int | None, checkpointer: Checkpointer | None) -> Position:
    """Return where to begin: at the checkpoint where it holds one, else at the start block, else from now on.

    Raises:
        ValueError: the start block is negative.
    """
    if start_block is not None and start_block < 0:
        raise ValueError(f"start_block must be at least 0, not {start_block}")
    if checkpointer is not None and checkpointer.position.block_number is not None:
        return checkpointer.position
    return Position(start_block)
