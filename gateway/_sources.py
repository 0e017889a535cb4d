"""The kinds of events: of a chaincode, whole blocks, filtered blocks, blocks with their private data."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import events_pb2

from . import _messages
from ._checkpoint import Position
from ._client import Client
from .errors import GatewayError, StatusCode, TransportError

CHAINCODE_EVENTS = "/gateway.Gateway/ChaincodeEvents"
BLOCKS = "/protos.Deliver/Deliver"
FILTERED_BLOCKS = "/protos.Deliver/DeliverFiltered"
BLOCKS_AND_PRIVATE_DATA = "/protos.Deliver/DeliverWithPrivateData"

# What a peer's Deliver answers instead of a block (common.Status), in the terms of every other call.
_DELIVER_STATUS = {
    common_pb2.Status.BAD_REQUEST: StatusCode.INVALID_ARGUMENT,
    common_pb2.Status.FORBIDDEN: StatusCode.PERMISSION_DENIED,
    common_pb2.Status.NOT_FOUND: StatusCode.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class ChaincodeEvent:
    """What a chaincode announced in a valid transaction.

    Attributes:
        block_number: the block of the transaction.
        transaction_id: the transaction.
        chaincode: the chaincode's name.
        name: the event's name.
        payload: what the chaincode put in.
    """

    block_number: int
    transaction_id: str
    chaincode: str
    name: str
    payload: bytes

    @property
    def position(self) -> Position:
        """The position behind this event, for a checkpointer."""
        return Position(self.block_number, self.transaction_id)


@dataclass(frozen=True, slots=True)
class ChaincodeEvents:
    """Events of one chaincode."""

    client: Client
    channel: str
    chaincode: str
    resumable: bool = True

    async def start(self) -> Position:
        """See Source."""
        return await _next_block(self.client, self.channel, FILTERED_BLOCKS)

    def seen(self, block: int, address: str) -> None:
        """See Source."""
        self.client.horizon.see(self.channel, block, address)

    async def request(self, position: Position) -> tuple[str, bytes]:
        """See Source."""
        unsigned = self.unsigned(position)
        return CHAINCODE_EVENTS, seal_events(unsigned, await self.client.sign(self.client.digest(unsigned)))

    def unsigned(self, position: Position) -> bytes:
        """Return what is to be signed."""
        return _messages.chaincode_events_request(
            self.channel, self.chaincode, self.client.creator, position.block_number, position.transaction_id
        )

    def read(self, raw: bytes) -> list[tuple[ChaincodeEvent, Position]]:
        """See Source."""
        return read_events(raw)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of one channel: common.Block, protos.FilteredBlock or protos.BlockAndPrivateData, as the path says."""

    client: Client
    channel: str
    path: str = BLOCKS
    resumable: bool = True

    async def start(self) -> Position:
        """See Source."""
        return await _next_block(self.client, self.channel, self.path)

    def seen(self, block: int, address: str) -> None:
        """See Source."""
        self.client.horizon.see(self.channel, block, address)

    async def request(self, position: Position) -> tuple[str, bytes]:
        """See Source."""
        unsigned = self.unsigned(position)
        return self.path, seal_blocks(unsigned, await self.client.sign(self.client.digest(unsigned)))

    def unsigned(self, position: Position) -> bytes:
        """Return what is to be signed."""
        return _messages.deliver_payload(
            self.channel, self.client.creator, self.client.transport.tls_certificate_hash, position.block_number
        )

    def read(self, raw: bytes) -> list[tuple[Any, Position]]:
        """See Source."""
        return read_blocks(raw)


@dataclass(frozen=True, slots=True)
class Presigned:
    """A request as it stands, signed elsewhere or here; its stream raises where it breaks.

    Attributes:
        path: the method that takes it.
        sealed: returns the signed request.
    """

    path: str
    sealed: Callable[[], Awaitable[bytes]]
    resumable: bool = False

    async def start(self) -> Position:
        """See Source."""
        return Position()

    def seen(self, block: int, address: str) -> None:
        """See Source."""

    async def request(self, position: Position) -> tuple[str, bytes]:
        """See Source."""
        del position  # it is in the request
        return self.path, await self.sealed()

    def read(self, raw: bytes) -> list[tuple[Any, Position]]:
        """See Source."""
        return read_events(raw) if self.path == CHAINCODE_EVENTS else read_blocks(raw)


def seal_events(request: bytes, signature: bytes) -> bytes:
    """Return a signed request for chaincode events."""
    sealed: bytes = gateway_pb2.SignedChaincodeEventsRequest(request=request, signature=signature).SerializeToString()
    return sealed


def seal_blocks(payload: bytes, signature: bytes) -> bytes:
    """Return a signed request for blocks."""
    sealed: bytes = common_pb2.Envelope(payload=payload, signature=signature).SerializeToString()
    return sealed


def read_events(raw: bytes) -> list[tuple[ChaincodeEvent, Position]]:
    """Return the events of a gateway.ChaincodeEventsResponse."""
    response = gateway_pb2.ChaincodeEventsResponse.FromString(raw)
    events = [
        ChaincodeEvent(response.block_number, event.tx_id, event.chaincode_id, event.event_name, event.payload)
        for event in response.events
    ]
    return [(event, event.position) for event in events]


def read_blocks(raw: bytes) -> list[tuple[Any, Position]]:
    """Return the block of a protos.DeliverResponse; TransportError where it holds a status instead."""
    response = events_pb2.DeliverResponse.FromString(raw)
    kind = response.WhichOneof("Type")
    if kind == "block":
        return [(response.block, Position(response.block.header.number + 1))]
    if kind == "filtered_block":
        return [(response.filtered_block, Position(response.filtered_block.number + 1))]
    if kind == "block_and_private_data":
        pair = response.block_and_private_data
        return [(pair, Position(pair.block.header.number + 1))]
    name = common_pb2.Status.Name(response.status)
    code = _DELIVER_STATUS.get(response.status, StatusCode.UNAVAILABLE)
    raise TransportError(code, f"the peer answered {name} instead of blocks")


async def _next_block(client: Client, channel: str, path: str) -> Position:
    """Return the position behind the newest block."""
    transport = client.transport
    payload = _messages.deliver_payload(channel, client.creator, transport.tls_certificate_hash, None, newest_only=True)
    request = seal_blocks(payload, await client.sign(client.digest(payload)))
    async for raw in client.stream(path, request):
        ((_, position),) = read_blocks(raw)
        return position
    raise TransportError(StatusCode.UNAVAILABLE, "the peer did not tell its newest block")


async def require_horizon(client: Client, channel: str, deadline: float, error_type: type[GatewayError]) -> float:
    """Wait until the peer in use holds the newest block that another has shown; a peer that does not is passed over.

    Returns:
        What is left of the deadline, in seconds.

    Raises:
        GatewayError: of the given type, the peer does not show the block in time.
    """
    address = client.transport.address
    block = client.horizon.lacking(channel, address)
    if block is None or client.signer is None:
        return deadline
    begun = time.monotonic()
    path, request = await Blocks(client, channel, FILTERED_BLOCKS).request(Position(block))
    try:
        stream: Any = client.stream(path, request)
        async with asyncio.timeout(deadline), aclosing(stream) as responses:
            read_blocks(await anext(responses))
    except (TransportError, TimeoutError, StopAsyncIteration) as error:
        reason = f"the peer at {address} does not show block {block}, which another peer has: {error}"
        client.transport.pass_over(address, reason)
        raise error_type(reason, code=StatusCode.UNAVAILABLE) from None
    client.horizon.see(channel, block, address)
    return max(0.0, deadline - (time.monotonic() - begun))
