"""The way in: a connection to a gateway with one identity."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from ._checkpoint import Position
from ._checks import require_usable
from ._client import Client, Deadlines
from ._commit import Commit
from ._events import EventStream
from ._identity import Identity, Signer
from ._network import Network
from ._requests import EventsRequest
from ._retry import RetryPolicy
from ._sources import BLOCKS, CHAINCODE_EVENTS, FILTERED_BLOCKS, ChaincodeEvent, Presigned
from ._stages import Proposal, Transaction
from ._transport import Endpoint, GrpcTransport, Transport
from ._watch import CommitWatch


@dataclass(frozen=True, slots=True)
class Gateway:
    """A connection to a gateway with one identity; `async with` opens and closes it."""

    identity: Identity
    _client: Client = field(repr=False)
    _policy: RetryPolicy = field(repr=False)
    _watches: dict[str, CommitWatch] = field(default_factory=dict, repr=False, compare=False)

    def network(self, channel: str) -> Network:
        """Return a channel."""
        if channel not in self._watches:
            self._watches[channel] = CommitWatch(self._client, channel)
        return Network(channel, self._client, self._policy, self._watches[channel])

    async def open(self) -> Self:
        """Return once a peer has answered.

        Raises:
            ConnectError: none did in time.
        """
        await self._client.transport.connect(self._client.deadlines.connect)
        return self

    async def close(self) -> None:
        """Give the connections back; calls and streams under way are cancelled."""
        for watch in self._watches.values():
            await watch.close()
        await self._client.transport.close()

    def new_proposal(self, raw: bytes) -> Proposal:
        """Return the proposal that Proposal.bytes described."""
        return Proposal.from_bytes(raw, self._client)

    def new_signed_proposal(self, raw: bytes, signature: bytes) -> Proposal:
        """Return the proposal with the signature of its digest."""
        return self.new_proposal(raw).with_signature(signature)

    def new_transaction(self, raw: bytes) -> Transaction:
        """Return the transaction that Transaction.bytes described."""
        return Transaction.from_bytes(raw, self._client)

    def new_signed_transaction(self, raw: bytes, signature: bytes) -> Transaction:
        """Return the transaction with the signature of its digest."""
        return self.new_transaction(raw).with_signature(signature)

    def new_commit(self, raw: bytes) -> Commit:
        """Return the commit that Commit.bytes described."""
        return Commit.from_bytes(raw, self._client)

    def new_signed_commit(self, raw: bytes, signature: bytes) -> Commit:
        """Return the commit with the signature of its digest."""
        return self.new_commit(raw).with_signature(signature)

    def new_signed_chaincode_events(self, raw: bytes, signature: bytes) -> EventStream[ChaincodeEvent]:
        """Return the events that EventsRequest.bytes asked for; where the stream breaks it raises."""
        return self._presigned(CHAINCODE_EVENTS, raw, signature)

    def new_signed_block_events(self, raw: bytes, signature: bytes) -> EventStream[Any]:
        """Return the blocks that EventsRequest.bytes asked for; where the stream breaks it raises."""
        return self._presigned(BLOCKS, raw, signature)

    def new_signed_filtered_block_events(self, raw: bytes, signature: bytes) -> EventStream[Any]:
        """Return the filtered blocks that EventsRequest.bytes asked for; where the stream breaks it raises."""
        return self._presigned(FILTERED_BLOCKS, raw, signature)

    def _presigned(self, path: str, raw: bytes, signature: bytes) -> EventStream[Any]:
        sealed = EventsRequest.from_bytes(raw, path, self._client).sealed(signature)
        return EventStream(Presigned(path, sealed), self._client.transport, self._policy, Position())

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def connect(
    endpoints: Sequence[Endpoint] | Transport,
    identity: Identity,
    signer: Signer | None = None,
    *,
    deadlines: Deadlines | None = None,
    retry: RetryPolicy | None = None,
    check: bool = True,
) -> Gateway:
    """Return a gateway for one identity.

    Args:
        endpoints: peers in the order of preference, or a transport of one's own.
        identity: who calls.
        signer: how that identity signs; None where every stage is signed elsewhere.
        deadlines: seconds per call, where the defaults do not fit.
        retry: what is retried and for how long, where the default does not fit.
        check: whether the identity is looked at first, unless the transport is one's own; without it the peers say what
            is wrong with it.

    Raises:
        ValueError: no endpoints, or an identity that no peer would take: no MSP id, a certificate that is not valid
            now, is an authority's or belongs to another key.
    """
    transport: Transport = GrpcTransport(endpoints) if isinstance(endpoints, Sequence) else endpoints
    if check and isinstance(transport, GrpcTransport):
        require_usable(identity, signer, dt.datetime.now(dt.UTC))
    client = Client(transport, identity, signer, deadlines or Deadlines(), identity.creator)
    return Gateway(identity, client, retry or RetryPolicy())
