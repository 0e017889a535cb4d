"""Streams blocks to those who may read: the loop behind Deliver on peers and on the ordering service.

Source: common/deliver/{deliver,acl}.go.
"""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from network.devnet import protos as p
from network.devnet.channel import CHANNEL_READERS, Channel
from network.devnet.envelopes import MalformedError, SignedPayload, open_envelope, parse
from network.devnet.msp import IdentityError
from network.devnet.policy import PolicyError

Status = p.common
NO_END = 2**64 - 1


class Ledger(Protocol):
    """Where the blocks are."""

    channel: Channel

    @property
    def height(self) -> int:
        """The number of blocks."""

    def block(self, number: int) -> Any:
        """Return a block."""

    async def wait_for_block(self, number: int) -> None:
        """Return once a block is there."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Serves seek requests from one ledger."""

    ledger: Ledger
    resource: str
    window_s: float

    async def serve(
        self, requests: AsyncIterator[Any], respond: Callable[[Any, Any], Any], finish: Callable[[int], Any]
    ) -> AsyncIterator[Any]:
        """Answer each seek request with blocks and a status; the first failure ends the stream.

        Args:
            requests: signed envelopes with a SeekInfo.
            respond: makes the response that carries a block to an identity.
            finish: makes the response that carries a status.
        """
        async for envelope in requests:
            status = Status.SUCCESS
            try:
                async for block, reader in self._blocks(envelope):
                    yield respond(block, reader)
                    del block, reader
            except _RefusedError as refused:
                status = refused.status
            yield finish(status)
            if status != Status.SUCCESS:
                return

    async def _blocks(self, envelope: Any) -> AsyncIterator[tuple[Any, Any]]:
        """Yield blocks with who reads them."""
        message, seek = self._open(envelope)
        self._check_reader(message)
        channel = self.ledger.channel
        number, stop = self._bounds(seek)
        while number <= stop:
            if number >= self.ledger.height:
                if seek.behavior == p.ab.SeekInfo.FAIL_IF_NOT_READY:
                    raise _RefusedError(Status.NOT_FOUND)
                await self.ledger.wait_for_block(number)
            if self.ledger.channel is not channel:  # the reader may have been revoked
                channel = self.ledger.channel
                self._check_reader(message)
            yield self.ledger.block(number), self._unexpired(message)
            number += 1

    def _open(self, envelope: Any) -> tuple[SignedPayload, Any]:
        try:
            message = open_envelope(envelope)
            seek = parse(p.ab.SeekInfo, message.data, "SeekInfo")
        except MalformedError:
            raise _RefusedError(Status.BAD_REQUEST) from None
        stamp = message.channel.timestamp
        if abs(time.time() - stamp.seconds - stamp.nanos / 1e9) > self.window_s:
            raise _RefusedError(Status.BAD_REQUEST)
        if message.channel.channel_id != self.ledger.channel.name:
            raise _RefusedError(Status.NOT_FOUND)
        return message, seek

    def _check_reader(self, message: SignedPayload) -> None:
        channel = self.ledger.channel
        try:
            identity = channel.members.identity(message.signature.creator)
            identity.verify(message.envelope.signature, message.envelope.payload)
            channel.policy(self.resource, CHANNEL_READERS).evaluate([identity])
        except (IdentityError, PolicyError):
            raise _RefusedError(Status.FORBIDDEN) from None

    def _unexpired(self, message: SignedPayload) -> Any:
        identity = self.ledger.channel.members.identity(message.signature.creator)
        if identity.expired():
            raise _RefusedError(Status.FORBIDDEN)
        return identity

    def _bounds(self, seek: Any) -> tuple[int, int]:
        start_kind, stop_kind = seek.start.WhichOneof("Type"), seek.stop.WhichOneof("Type")
        if start_kind is None or stop_kind is None:
            raise _RefusedError(Status.BAD_REQUEST)
        last = self.ledger.height - 1
        starts = {"oldest": 0, "newest": last, "next_commit": last + 1, "specified": seek.start.specified.number}
        start = starts[start_kind]
        if start > last + 1:
            raise _RefusedError(Status.NOT_FOUND)
        stops = {
            "oldest": start,
            "newest": start if start_kind == "newest" else last,
            "next_commit": NO_END,
            "specified": seek.stop.specified.number,
        }
        stop = stops[stop_kind]
        if stop_kind == "specified" and stop < start:
            raise _RefusedError(Status.BAD_REQUEST)
        return start, stop


async def write_all(responses: AsyncIterator[Any], context: Any) -> None:
    """Write each response to a stream, and keep none while waiting for the next: it may be a large block."""
    async for response in responses:
        await context.write(response)
        del response


class _RefusedError(Exception):
    """Ends a request with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(p.common.Status.Name(status))
        self.status = status
