"""A connection that counts its calls, and of which a case takes some away."""

from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from gateway import Gateway, GrpcTransport, Identity, Signer, connect
from gateway.errors import StatusCode, TransportError
from tests.contract.harness.ledger import Ledger

Send = Callable[[], Awaitable[bytes]]
Interference = Callable[[Send], Awaitable[bytes]]
"""What is done in place of one call; it may send it."""


class Calls(GrpcTransport):
    """Counts the calls of each method, and interferes with the next ones of a method as told."""

    calls: Counter[str]
    instead: dict[str, deque[Interference]]

    async def unary(self, path: str, request: bytes, deadline: float, metadata: Any = ()) -> bytes:
        method = path.rpartition("/")[2]
        self.calls[method] += 1
        send = super().unary
        if self.instead[method]:
            return await self.instead[method].popleft()(lambda: send(path, request, deadline, metadata))
        return await send(path, request, deadline, metadata)


@asynccontextmanager
async def counted(
    ledger: Ledger, identity: Identity | None = None, signer: Signer | None = None, organisation: str = "hospital-a"
) -> AsyncIterator[tuple[Gateway, Calls]]:
    """Connect an organisation's client, or another identity, by a connection that counts."""
    who = ledger.user(organisation)
    async with Calls([ledger.endpoint(organisation)]) as transport:
        transport.calls, transport.instead = Counter(), defaultdict(deque)
        known = identity or Identity(who.msp_id, who.cert_pem)
        async with connect(transport, known, signer or who.signer) as gateway:
            yield gateway, transport


async def arrives_without_answer(send: Send) -> bytes:
    """Send a call, and lose its answer."""
    await send()
    raise TransportError(StatusCode.UNAVAILABLE, "the connection broke")


async def never_arrives(_: Send) -> bytes:
    """Lose a call."""
    raise TransportError(StatusCode.UNAVAILABLE, "the connection broke")


async def is_lost_after_its_answer(_: Send) -> bytes:
    """Acknowledge a call that then gets lost, as a Raft leader that dies does."""
    return b""
