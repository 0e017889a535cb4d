"""A transaction that a chaincode is working on: whose it is, and what of private data its creator may touch."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from network.devnet import lifecycle
from network.devnet.channel import Channel
from network.devnet.collection_rules import Collection, find
from network.devnet.msp import Identity
from network.devnet.simulator import Simulation, SimulationError


@dataclass(frozen=True)
class Caller:
    """On whose behalf chaincodes run, and on which state of the channel's configuration.

    `call` runs another chaincode for the caller, from a ChaincodeSpec, and returns the message with which it ended.
    """

    channel: Channel
    creator: Identity
    proposal: Any
    call: Callable[["Caller", Simulation, Any], Awaitable[Any]]


@dataclass
class Invocation:
    """One chaincode's part in a transaction; `cursors` are its open queries by their ids."""

    namespace: str
    simulation: Simulation
    outcome: "asyncio.Future[Any]"
    caller: Caller | None = None
    cursors: dict[str, Any] = field(default_factory=dict)
    _known: dict[str, Collection] = field(default_factory=dict)

    @property
    def by(self) -> Caller:
        """Return the caller; SimulationError if there is none."""
        if self.caller is None:
            raise SimulationError("private data and other chaincodes belong to a caller")
        return self.caller

    def defined(self, collection: str) -> str:
        """Return a collection's name; SimulationError if the chaincode has none of that name."""
        self._collection(collection)
        return collection

    def readable(self, collection: str) -> str:
        """Return a collection's name if the creator may read it; SimulationError otherwise."""
        found, caller = self._collection(collection)
        if not found.may_read(caller.creator):
            raise self._refused("read", collection)
        return collection

    def writable(self, collection: str) -> str:
        """Return a collection's name if the creator may write it; SimulationError otherwise."""
        found, caller = self._collection(collection)
        if not found.may_write(caller.creator):
            raise self._refused("write", collection)
        return collection

    def _refused(self, what: str, collection: str) -> SimulationError:
        where = f"chaincodeName:{self.namespace} collectionName: {collection}"
        return SimulationError(f"tx creator does not have {what} access permission on privatedata in {where}")

    def _collection(self, name: str) -> tuple[Collection, Caller]:
        """Return a collection, whose definition counts as read: a changed one makes the transaction invalid."""
        if name not in self._known:
            lifecycle.note_definition(self.simulation, self.namespace)
            found = find(self.simulation.snapshot, self.by.channel, self.namespace, name)
            if found is None:
                channel = self.by.channel.name
                raise SimulationError(f"collection {channel}/{self.namespace}/{name} could not be found")
            self._known[name] = found
        return self._known[name], self.by
