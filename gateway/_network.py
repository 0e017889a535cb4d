"""A channel: its contracts and its events."""

from dataclasses import dataclass, field
from typing import Any

from ._checkpoint import Checkpointer
from ._client import Client
from ._contract import Contract
from ._events import EventStream, Source, first_position
from ._requests import EventsRequest
from ._retry import RetryPolicy
from ._sources import BLOCKS, BLOCKS_AND_PRIVATE_DATA, FILTERED_BLOCKS, Blocks, ChaincodeEvent, ChaincodeEvents
from ._watch import CommitWatch


@dataclass(frozen=True, slots=True)
class Network:
    """A channel of the ledger.

    Events begin at the checkpoint where the checkpointer holds one, else at `start_block`, else with what is committed
    after the stream was opened: by `async with`, or at the latest when the first event is asked for.
    """

    channel: str
    _client: Client = field(repr=False)
    _policy: RetryPolicy = field(repr=False)
    _watch: CommitWatch = field(repr=False, compare=False)

    def contract(self, chaincode: str, name: str = "") -> Contract:
        """Return a chaincode's functions; those of one of its contracts where it has several and `name` says which."""
        return Contract(self.channel, chaincode, self._client, self._policy, self._watch, name)

    def chaincode_events(
        self, chaincode: str, *, start_block: int | None = None, checkpoint: Checkpointer | None = None
    ) -> EventStream[ChaincodeEvent]:
        """Return what a chaincode announced in valid transactions.

        Raises:
            ValueError: the start block is negative.
        """
        return self._stream(ChaincodeEvents(self._client, self.channel, chaincode), start_block, checkpoint)

    def block_events(
        self, *, start_block: int | None = None, checkpoint: Checkpointer | None = None
    ) -> EventStream[Any]:
        """Return blocks (common.Block), valid and invalid transactions alike.

        Raises:
            ValueError: the start block is negative.
        """
        return self._stream(Blocks(self._client, self.channel, BLOCKS), start_block, checkpoint)

    def filtered_block_events(
        self, *, start_block: int | None = None, checkpoint: Checkpointer | None = None
    ) -> EventStream[Any]:
        """Return blocks without their transactions' contents (protos.FilteredBlock): ids and validation codes.

        Raises:
            ValueError: the start block is negative.
        """
        return self._stream(Blocks(self._client, self.channel, FILTERED_BLOCKS), start_block, checkpoint)

    def block_and_private_data_events(
        self, *, start_block: int | None = None, checkpoint: Checkpointer | None = None
    ) -> EventStream[Any]:
        """Return blocks with what they wrote to private collections, as far as the peer holds it and may show it.

        Each is a protos.BlockAndPrivateData; its map names transactions by their place in the block. Peers show a
        collection to clients of its member organisations.

        Raises:
            ValueError: the start block is negative.
        """
        return self._stream(Blocks(self._client, self.channel, BLOCKS_AND_PRIVATE_DATA), start_block, checkpoint)

    def chaincode_events_request(
        self, chaincode: str, *, start_block: int | None = None, checkpoint: Checkpointer | None = None
    ) -> EventsRequest:
        """Return the request for chaincode events, to be signed elsewhere."""
        source = ChaincodeEvents(self._client, self.channel, chaincode)
        return EventsRequest.chaincode(source, first_position(start_block, checkpoint), self._policy)

    def block_events_request(
        self,
        *,
        start_block: int | None = None,
        checkpoint: Checkpointer | None = None,
        filtered: bool = False,
        private_data: bool = False,
    ) -> EventsRequest:
        """Return the request for blocks, whole or filtered or with their private data, to be signed elsewhere.

        Raises:
            ValueError: filtered blocks with private data, or a negative start block.
        """
        if filtered and private_data:
            raise ValueError("filtered blocks carry no private data: ask for one of both")
        path = FILTERED_BLOCKS if filtered else BLOCKS_AND_PRIVATE_DATA if private_data else BLOCKS
        source = Blocks(self._client, self.channel, path)
        return EventsRequest.blocks(source, first_position(start_block, checkpoint), self._policy)

    def _stream(
        self, source: Source[Any], start_block: int | None, checkpoint: Checkpointer | None
    ) -> EventStream[Any]:
        position = first_position(start_block, checkpoint)
        return EventStream(source, self._client, self._policy, position, checkpoint)
