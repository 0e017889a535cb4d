"""One transaction's view of the state, and the read-write sets that it leaves.

Source: core/ledger/kvledger/txmgmt/txmgr/{query_executor,tx_simulator}.go. A transaction does not see its own writes.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.encoding import sha256
from network.devnet import private_sets
from network.devnet.private_sets import CollectionSet, Metadata, hashes_of, key_hash, values_of
from network.devnet.rwset import NamespaceSet, RangeRead, Version, transaction_set
from network.devnet.snapshot import Snapshot

Result = tuple[str, bytes]
NOT_HERE = (
    "private data matching public hash version is not available. Public hash version = %s, Private data version = %s"
)
ONLY_READS = "txid [%s]: unsuppored transaction. %s only in a read-only transaction"
WROTE_AFTER = "txid [%s]: unsuppored transaction. Transaction has already performed %s. Writes are not allowed"
PAGED, PRIVATE = "a paginated query", "queries on pvt data"


class SimulationError(Exception):
    """The chaincode asked for something that a simulation does not allow."""


@dataclass
class OpenRange:
    """A range query that the chaincode reads on from: what is left of it, one result held back between batches."""

    read: RangeRead
    rows: Iterator[tuple[str, bytes, Version]]
    pending: list[Result] = field(default_factory=list)
    identifier: str = field(default_factory=lambda: secrets.token_hex(16))

    def next(self) -> Result | None:
        """Return the next result and note that it was read; None at the end."""
        row = next(self.rows, None)
        if row is None:
            self.read.saw_end()
            return None
        key, value, version = row
        self.read.saw(key, version)
        return key, value


class Simulation:
    """Reads from one snapshot, collects what was read and written."""

    def __init__(self, txid: str, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._txid = txid
        self._sets: dict[str, NamespaceSet] = {}
        self._collections: dict[str, dict[str, CollectionSet]] = {}
        self._wrote = False
        self._queried = ""  # what kind of query rules out writes
        self.private_reads: set[tuple[str, str]] = set()
        """Chaincode and collection of every private value that was read."""

    def _set(self, namespace: str) -> NamespaceSet:
        return self._sets.setdefault(namespace, NamespaceSet())

    def _collection(self, namespace: str, collection: str) -> CollectionSet:
        self._set(namespace)
        return self._collections.setdefault(namespace, {}).setdefault(collection, CollectionSet())

    def get(self, namespace: str, key: str) -> bytes | None:
        """Return a key's value and note its version as read; None if there is no such key."""
        found = self.snapshot.get(namespace, key)
        self._set(namespace).reads[key] = found[1] if found else None
        return found[0] if found else None

    def put(self, namespace: str, key: str, value: bytes | None) -> None:
        """Note a write; None or no bytes deletes."""
        self._about_to_write()
        self._set(namespace).writes[key] = value or None

    def metadata(self, namespace: str, key: str) -> Metadata:
        """Return what is kept beside a key's value, and note the key as read."""
        self.get(namespace, key)
        return self.snapshot.metadata(namespace, key)

    def put_metadata(self, namespace: str, key: str, metadata: Metadata) -> None:
        """Note what is written beside a key's value."""
        self._about_to_write()
        self._set(namespace).metadata[key] = private_sets.entries(metadata)

    def _about_to_write(self) -> None:
        if self._queried:
            raise SimulationError(WROTE_AFTER % (self._txid, self._queried))
        self._wrote = True

    def _about_to_query(self, kind: str, text: str) -> None:
        if self._wrote:
            raise SimulationError(ONLY_READS % (self._txid, text))
        self._queried = kind

    def range(self, namespace: str, start: str, end: str) -> OpenRange:
        """Open a range query from start up to, not including, end (empty: no bound)."""
        read = RangeRead(start, end)
        self._set(namespace).ranges.append(read)
        return OpenRange(read, self.snapshot.scan(namespace, start, end))

    def page(self, namespace: str, start: str, end: str, size: int) -> tuple[list[Result], str]:
        """Return up to `size` results and the key at which the next page starts, empty at the end."""
        self._about_to_query(PAGED, "Paginated queries are supported")
        query = self.range(namespace, start, end)
        results: list[Result] = []
        while len(results) < size:
            result = query.next()
            if result is None:
                return results, ""
            results.append(result)
        following = next(query.rows, None)
        return results, following[0] if following else ""

    def get_private(self, namespace: str, collection: str, key: str) -> bytes | None:
        """Return a private value and note its hash as read; SimulationError if this peer holds another one or none."""
        held = self.snapshot.get(values_of(namespace, collection), key)
        version = held[1] if held else None
        known = self.snapshot.version(hashes_of(namespace, collection), key_hash(key))
        if known != version:
            raise SimulationError(NOT_HERE % (_height(known), _height(version)))
        return self._read_private(namespace, collection, key, held)

    def get_private_many(self, namespace: str, collection: str, keys: list[str]) -> list[bytes | None]:
        """Return private values as this peer holds them, and note their hashes as read."""
        space = values_of(namespace, collection)
        return [self._read_private(namespace, collection, key, self.snapshot.get(space, key)) for key in keys]

    def _read_private(
        self, namespace: str, collection: str, key: str, held: tuple[bytes, Version] | None
    ) -> bytes | None:
        self._collection(namespace, collection).reads[key] = held[1] if held else None
        self.private_reads.add((namespace, collection))
        return held[0] if held else None

    def get_private_hash(self, namespace: str, collection: str, key: str) -> bytes | None:
        """Return the hash of a private value and note it as read; None if there is no such key."""
        found = self.snapshot.get(hashes_of(namespace, collection), key_hash(key))
        self._collection(namespace, collection).reads[key] = found[1] if found else None
        return found[0] if found else None

    def private_metadata(self, namespace: str, collection: str, key: str) -> Metadata:
        """Return what is kept beside a private key's hash, and note it as read."""
        self.get_private_hash(namespace, collection, key)
        return self.snapshot.metadata(hashes_of(namespace, collection), key_hash(key))

    def put_private(
        self, namespace: str, collection: str, key: str, value: bytes | None, *, purge: bool = False
    ) -> None:
        """Note a private write; None or no bytes deletes, `purge` all earlier values too."""
        self._about_to_write()
        made = self._collection(namespace, collection)
        made.writes[key] = value or None
        (made.purged.add if purge else made.purged.discard)(key)

    def put_private_metadata(self, namespace: str, collection: str, key: str, metadata: Metadata) -> None:
        """Note what is written beside a private key's hash."""
        self._about_to_write()
        self._collection(namespace, collection).metadata[key] = metadata

    def private_range(self, namespace: str, collection: str, start: str, end: str) -> Iterator[Result]:
        """Return keys and values of a range of a collection; nothing of it is noted, and so nothing may be written."""
        self._about_to_query(PRIVATE, "Queries on pvt data is supported")
        return ((key, value) for key, value, _ in self.snapshot.scan(values_of(namespace, collection), start, end))

    def results(self) -> bytes:
        """Return the serialized TxReadWriteSet: all that is public."""
        for namespace, collections in self._collections.items():
            for name, made in collections.items():
                values = made.values()
                digest = sha256(values) if values else b""
                self._set(namespace).collections[name] = made.hashed().SerializeToString(), digest
        return transaction_set(self._sets)

    def private_results(self) -> Any | None:
        """Return the TxPvtReadWriteSet for those who hold the collections; None if nothing private is written."""
        return private_sets.private_set(self._collections)

    def chaincodes(self) -> list[str]:
        """Return the chaincodes of which something was read or written."""
        return list(self._sets)

    def written(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield chaincode, collection ("": public) and keys of all that is written, keys of hashes in hex."""
        for namespace, made in self._sets.items():
            yield namespace, "", [*made.writes, *made.metadata]
        for namespace, collections in self._collections.items():
            for name, private in collections.items():
                yield namespace, name, [key_hash(key) for key in (*private.writes, *private.metadata)]


def _height(version: Version | None) -> str:
    return "<nil>" if version is None else f"{{BlockNum: {version[0]}, TxNum: {version[1]}}}"
