"""Requests for events that are signed elsewhere."""

from dataclasses import dataclass, field

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2

from ._checkpoint import Position
from ._client import Client
from ._messages import Octets
from ._sources import (
    CHAINCODE_EVENTS,
    Blocks,
    ChaincodeEvents,
    seal_blocks,
    seal_events,
)
from .encoding import parse


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """A request for events.

    Attributes:
        path: the method that takes it.
    """

    path: str
    _unsigned: bytes = field(repr=False)
    _client: Client = field(repr=False, compare=False)

    @property
    def digest(self) -> Octets:
        """What a signer of the request signs."""
        return self._client.digest(self._unsigned)

    @property
    def bytes(self) -> Octets:
        """The request without its signature."""
        return self.sealed(b"")

    def sealed(self, signature: Octets) -> Octets:
        """Return the request as it is sent."""
        seal = seal_events if self.path == CHAINCODE_EVENTS else seal_blocks
        return seal(self._unsigned, signature)

    @classmethod
    def chaincode(cls, source: ChaincodeEvents, position: Position) -> "EventsRequest":
        """Return the request for chaincode events from a position."""
        return cls(CHAINCODE_EVENTS, source.unsigned(position), source.client)

    @classmethod
    def blocks(cls, source: Blocks, position: Position) -> "EventsRequest":
        """Return the request for blocks from a position."""
        return cls(source.path, source.unsigned(position), source.client)

    @classmethod
    def from_bytes(cls, raw: Octets, path: str, client: Client) -> "EventsRequest":
        """Return the request that `bytes` described; ValueError where they describe none."""
        if path == CHAINCODE_EVENTS:
            return cls(path, parse(gateway_pb2.SignedChaincodeEventsRequest, raw).request, client)
        return cls(path, parse(common_pb2.Envelope, raw).payload, client)
