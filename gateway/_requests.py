"""Requests for events as values, to be signed elsewhere, or here after they came as bytes."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2

from ._checkpoint import Position
from ._client import Client
from ._events import EventStream
from ._messages import Octets
from ._retry import RetryPolicy
from ._sources import CHAINCODE_EVENTS, Blocks, ChaincodeEvents, Presigned, seal_blocks, seal_events
from .encoding import parse


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """A request for events of one kind, from one position.

    Attributes:
        path: the method that takes it.
    """

    path: str
    _unsigned: bytes = field(repr=False)
    _client: Client = field(repr=False, compare=False)
    _policy: RetryPolicy = field(repr=False, compare=False)
    _signature: bytes | None = field(default=None, repr=False)

    @property
    def digest(self) -> Octets:
        """What a signer of the request signs."""
        return self._client.digest(self._unsigned)

    @property
    def bytes(self) -> Octets:
        """The request, with its signature if it has one (SignedChaincodeEventsRequest, or Envelope for blocks)."""
        seal = seal_events if self.path == CHAINCODE_EVENTS else seal_blocks
        return seal(self._unsigned, self._signature or b"")

    def with_signature(self, signature: Octets) -> "EventsRequest":
        """Return the request with a signature of its digest."""
        return dataclasses.replace(self, _signature=signature)

    def events(self) -> EventStream[Any]:
        """Return the events asked for; where the stream breaks it raises, since the request names its start.

        Without a signature the gateway's signer gives one.
        """
        return EventStream(Presigned(self.path, self._sealed), self._client, self._policy, Position())

    @classmethod
    def chaincode(cls, source: ChaincodeEvents, position: Position, policy: RetryPolicy) -> "EventsRequest":
        """Return the request for chaincode events from a position."""
        return cls(CHAINCODE_EVENTS, source.unsigned(position), source.client, policy)

    @classmethod
    def blocks(cls, source: Blocks, position: Position, policy: RetryPolicy) -> "EventsRequest":
        """Return the request for blocks from a position."""
        return cls(source.path, source.unsigned(position), source.client, policy)

    @classmethod
    def from_bytes(cls, raw: Octets, path: str, client: Client, policy: RetryPolicy) -> "EventsRequest":
        """Return the request that `bytes` described; ValueError where they describe none."""
        if path == CHAINCODE_EVENTS:
            signed = parse(gateway_pb2.SignedChaincodeEventsRequest, raw)
            return cls(path, signed.request, client, policy, signed.signature or None)
        envelope = parse(common_pb2.Envelope, raw)
        return cls(path, envelope.payload, client, policy, envelope.signature or None)

    async def _sealed(self) -> Octets:
        signed = self if self._signature else self.with_signature(await self._client.sign(self.digest))
        return signed.bytes
