"""The way in: a connection to a gateway with one identity."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from ._checks import require_usable
from ._client import Client, Deadlines, Metadata
from ._commit import Commit
from ._events import EventStream
from ._identity import AsyncSigner, Identity, Signer
from ._network import Network
from ._requests import EventsRequest
from ._retry import RetryPolicy
from ._sources import BLOCKS, BLOCKS_AND_PRIVATE_DATA, CHAINCODE_EVENTS, FILTERED_BLOCKS, ChaincodeEvent
from ._stages import Proposal, Transaction
from ._transport import Endpoint, GrpcTransport, Transport
from ._watch import CommitWatch
from .digests import Digest, of_certificate


@dataclass(frozen=True, slots=True)
class Gateway:
    """A connection to a gateway with one identity; `async with` opens and closes it."""

    identity: Identity
    _client: Client = field(repr=False)
    _policy: RetryPolicy = field(repr=False)
    _owns_transport: bool = field(default=True, repr=False)
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
        """Give the connections back; calls and streams under way are cancelled.

        A transport that was given to `connect` stays as it is: other gateways may use it, and who made it closes it.
        """
        for watch in self._watches.values():
            await watch.close()
        if self._owns_transport:
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

    def new_chaincode_events_request(self, raw: bytes) -> EventsRequest:
        """Return the request for chaincode events that EventsRequest.bytes described."""
        return self._request(CHAINCODE_EVENTS, raw)

    def new_block_events_request(self, raw: bytes) -> EventsRequest:
        """Return the request for blocks that EventsRequest.bytes described."""
        return self._request(BLOCKS, raw)

    def new_filtered_block_events_request(self, raw: bytes) -> EventsRequest:
        """Return the request for filtered blocks that EventsRequest.bytes described."""
        return self._request(FILTERED_BLOCKS, raw)

    def new_block_and_private_data_events_request(self, raw: bytes) -> EventsRequest:
        """Return the request for blocks with private data that EventsRequest.bytes described."""
        return self._request(BLOCKS_AND_PRIVATE_DATA, raw)

    def new_signed_chaincode_events(self, raw: bytes, signature: bytes) -> EventStream[ChaincodeEvent]:
        """Return the events that EventsRequest.bytes asked for; where the stream breaks it raises."""
        return self.new_chaincode_events_request(raw).with_signature(signature).events()

    def new_signed_block_events(self, raw: bytes, signature: bytes) -> EventStream[Any]:
        """Return the blocks that EventsRequest.bytes asked for; where the stream breaks it raises."""
        return self.new_block_events_request(raw).with_signature(signature).events()

    def new_signed_filtered_block_events(self, raw: bytes, signature: bytes) -> EventStream[Any]:
        """Return the filtered blocks that EventsRequest.bytes asked for; where the stream breaks it raises."""
        return self.new_filtered_block_events_request(raw).with_signature(signature).events()

    def new_signed_block_and_private_data_events(self, raw: bytes, signature: bytes) -> EventStream[Any]:
        """Return the blocks with private data that EventsRequest.bytes asked for; a broken stream raises."""
        return self.new_block_and_private_data_events_request(raw).with_signature(signature).events()

    def _request(self, path: str, raw: bytes) -> EventsRequest:
        return EventsRequest.from_bytes(raw, path, self._client, self._policy)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def connect(  # noqa: PLR0913 a keyword for each thing that can be chosen
    endpoints: Sequence[Endpoint] | Transport,
    identity: Identity,
    signer: Signer | AsyncSigner | None = None,
    *,
    digest: Digest | None = None,
    deadlines: Deadlines | None = None,
    metadata: Metadata | None = None,
    retry: RetryPolicy | None = None,
    check: bool = True,
) -> Gateway:
    """Return a gateway for one identity.

    Args:
        endpoints: peers in the order of preference, or a transport, which several gateways may share.
        identity: who calls.
        signer: how that identity signs; None where every stage is signed elsewhere.
        digest: what of a message is signed, one of `gateway.digests`; where None what the signer says, and without a
            signer what Fabric checks signatures of this certificate over.
        deadlines: seconds per call, where the defaults do not fit.
        metadata: headers for each kind of call.
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
    hashing = digest or (of_certificate(identity.certificate) if signer is None else signer.digest)
    client = Client(
        transport, identity, signer, deadlines or Deadlines(), identity.creator, hashing, metadata or Metadata()
    )
    return Gateway(identity, client, retry or RetryPolicy(), transport is not endpoints)
