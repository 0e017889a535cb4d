"""Read-write sets as Fabric writes them: keys sorted, long ranges summarised as a Merkle tree.

Sources: core/ledger/kvledger/txmgmt/rwsetutil/{rwset_builder,query_results_helper}.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.encoding import sha256
from network.devnet import protos as p

Version = tuple[int, int]  # block number, index of the transaction in it
MAX_DEGREE = 50
LEAST_DEGREE = 2  # a tree of degree one never ends


def kv_read(key: str, version: Version | None) -> Any:
    """Return the message that says which version of a key was read; None: there was no such key."""
    if version is None:
        return p.kvrwset.KVRead(key=key)
    return p.kvrwset.KVRead(key=key, version=p.kvrwset.Version(block_num=version[0], tx_num=version[1]))


def read_version(read: Any) -> Version | None:
    """Return the version in a KVRead."""
    return (read.version.block_num, read.version.tx_num) if read.HasField("version") else None


class RangeSummary:
    """The results of one range query: as they are up to `max_degree` of them, above that as a Merkle tree's top level.

    Each level collects max_degree + 1 entries into one of the next.
    """

    def __init__(self, max_degree: int = MAX_DEGREE) -> None:
        if max_degree < LEAST_DEGREE:
            raise ValueError(f"max degree {max_degree} must not be less than {LEAST_DEGREE}")
        self._degree = max_degree
        self._pending: list[Any] = []
        self._levels: dict[int, list[bytes]] = {}
        self._top = 1

    def add(self, key: str, version: Version | None) -> None:
        """Add the next result, in the order of the keys."""
        self._pending.append(kv_read(key, version))
        if len(self._pending) > self._degree:
            self._hash_pending()

    def finish(self) -> tuple[list[Any], Any | None]:
        """Return (results, None), or ([], QueryReadsMerkleSummary) if there were more than max_degree."""
        if self._top == 1 and not self._levels.get(1):
            return self._pending, None
        if self._pending:
            self._hash_pending()
        self._complete()
        return [], self._summary()

    def _summary(self) -> Any:
        hashes = self._levels.get(self._top, [])
        return p.kvrwset.QueryReadsMerkleSummary(max_degree=self._degree, max_level=self._top, max_level_hashes=hashes)

    def _hash_pending(self) -> None:
        digest = sha256(p.kvrwset.QueryReads(kv_reads=self._pending).SerializeToString())
        self._pending = []
        level = 1
        self._levels.setdefault(level, []).append(digest)
        while len(self._levels[level]) > self._degree:
            digest = sha256(b"".join(self._levels.pop(level)))
            level += 1
            self._levels.setdefault(level, []).append(digest)
            self._top = max(self._top, level)

    def _complete(self) -> None:
        for level in range(1, self._top):
            hashes = self._levels.pop(level, [])
            if hashes:
                digest = hashes[0] if len(hashes) == 1 else sha256(b"".join(hashes))
                self._levels.setdefault(level + 1, []).append(digest)
        if len(self._levels.get(self._top, [])) > self._degree:
            digest = sha256(b"".join(self._levels.pop(self._top)))
            self._top += 1
            self._levels[self._top] = [digest]


@dataclass
class RangeRead:
    """One range query of a simulation; its end is the last key seen until the caller has seen the end itself."""

    start: str
    requested_end: str
    end: str = ""
    exhausted: bool = False
    summary: RangeSummary = field(default_factory=RangeSummary)

    def saw(self, key: str, version: Version) -> None:
        """Note the next result."""
        self.summary.add(key, version)
        self.end = key

    def saw_end(self) -> None:
        """Note that the caller learnt that there are no more."""
        self.exhausted = True
        self.end = self.requested_end

    def message(self) -> Any:
        """Return the RangeQueryInfo."""
        info = p.kvrwset.RangeQueryInfo(start_key=self.start, end_key=self.end, itr_exhausted=self.exhausted)
        results, merkle = self.summary.finish()
        if results:
            info.raw_reads.kv_reads.extend(results)
        if merkle is not None:
            info.reads_merkle_hashes.CopyFrom(merkle)
        return info


@dataclass
class NamespaceSet:
    """What a transaction read and wrote in one namespace."""

    reads: dict[str, Version | None] = field(default_factory=dict)
    writes: dict[str, bytes | None] = field(default_factory=dict)
    ranges: list[RangeRead] = field(default_factory=list)
    metadata: dict[str, list[Any]] = field(default_factory=dict)
    """By key, the KVMetadataEntry messages that are written beside its value."""
    collections: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """By name, the serialized HashedRWSet and the SHA-256 of the values that are written; b"" if none are."""

    def message(self) -> Any:
        """Return the KVRWSet; byte for byte the same on every peer that saw the same."""
        return p.kvrwset.KVRWSet(
            reads=[kv_read(key, self.reads[key]) for key in _byte_order(self.reads)],
            range_queries_info=self._range_messages(),
            writes=[_kv_write(key, self.writes[key]) for key in _byte_order(self.writes)],
            metadata_writes=[
                p.kvrwset.KVMetadataWrite(key=key, entries=self.metadata[key]) for key in _byte_order(self.metadata)
            ],
        )

    def _range_messages(self) -> list[Any]:
        unique: dict[tuple[str, str, bool], RangeRead] = {}
        for read in self.ranges:
            unique.setdefault((read.start, read.end, read.exhausted), read)
        return [read.message() for read in unique.values()]


def _byte_order(keys: Iterable[str]) -> list[str]:
    return sorted(keys)  # code points sort as their UTF-8 bytes do


def _kv_write(key: str, value: bytes | None) -> Any:
    return p.kvrwset.KVWrite(key=key, is_delete=not value, value=value or b"")  # an empty value deletes


def transaction_set(namespaces: dict[str, NamespaceSet]) -> bytes:
    """Return the serialized TxReadWriteSet."""
    message = p.rwset.TxReadWriteSet(data_model=p.rwset.TxReadWriteSet.KV)
    for name in sorted(namespaces):
        entry = message.ns_rwset.add(namespace=name, rwset=namespaces[name].message().SerializeToString())
        for collection, (hashed, digest) in sorted(namespaces[name].collections.items()):
            entry.collection_hashed_rwset.add(collection_name=collection, hashed_rwset=hashed, pvt_rwset_hash=digest)
    serialized: bytes = message.SerializeToString()
    return serialized
