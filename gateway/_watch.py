"""What became of many transactions, from one stream of filtered blocks.

CommitStatus costs the client a signed call for each transaction and the peer a signature to check, and peers bound how
many such calls may wait. While several submits are under way on a channel, one stream of block numbers, transaction ids
and validation codes tells the same, from the same peer and no earlier than the state shows it.
"""

import asyncio
import time
from contextlib import aclosing
from typing import Any

from ._checkpoint import Position
from ._client import Client
from ._codes import ValidationCode
from ._commit import Status
from ._events import EventStream
from ._retry import RetryPolicy
from ._sources import FILTERED_BLOCKS, Blocks
from .errors import StreamError

BUSY = 4
"""Submits under way from which on a stream costs less than the calls."""
_IDLE = 5.0  # seconds without a block after which the stream is given back; who still waits asks with CommitStatus
_PAUSE = 30.0  # seconds before a peer is asked again that refused the stream, or lost it
_NEVER_RESUME = RetryPolicy(resume_for=0.0)


class CommitWatch:
    """Watches one channel while several submits are under way on it."""

    def __init__(self, client: Client, channel: str) -> None:
        self._client = client
        self._channel = channel
        self.under_way = 0
        """Submits that have begun and not ended; who submits counts them."""
        self._expected: dict[str, asyncio.Future[Status | None]] = {}
        self._live = False
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None

    def expect(self, transaction_id: str) -> "asyncio.Future[Status | None] | None":
        """Return the future status of a transaction that is about to be sent; None where nobody watches.

        Its result is None where the stream ended before the transaction was seen.
        """
        if self._live:
            future = self._expected[transaction_id] = asyncio.get_running_loop().create_future()
            return future
        wanted = self.under_way >= BUSY and self._client.signer is not None
        if wanted and self._task is None and time.monotonic() >= self._not_before:
            self._task = asyncio.create_task(self._run())
        return None

    def forget(self, transaction_id: str) -> None:
        """Wait for a transaction no longer."""
        self._expected.pop(transaction_id, None)

    async def close(self) -> None:
        """End the stream."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        source = Blocks(self._client, self._channel, FILTERED_BLOCKS)
        stream: EventStream[Any] = EventStream(source, self._client, _NEVER_RESUME, Position())
        try:
            async with aclosing(stream):
                await stream.open()
                self._live = True
                while True:
                    async with asyncio.timeout(_IDLE):
                        self._tell(await anext(stream))
        except TimeoutError:
            pass
        except StreamError:
            self._not_before = time.monotonic() + _PAUSE
        finally:
            self._live, self._task = False, None
            expected, self._expected = self._expected, {}
            for future in expected.values():
                _settle(future, None)

    def _tell(self, block: Any) -> None:
        for transaction in block.filtered_transactions:
            future = self._expected.pop(transaction.txid, None)
            if future is not None:
                code = ValidationCode(transaction.tx_validation_code)
                _settle(future, Status(transaction.txid, code, block.number))


def give_up(future: "asyncio.Future[Status | None]") -> None:
    """Let who waits for a status have a TimeoutError."""
    if not future.done():
        future.set_exception(TimeoutError())


def _settle(future: "asyncio.Future[Status | None]", status: Status | None) -> None:
    if not future.done():
        future.set_result(status)
