"""Serialisability of a block: does every read still hold, given the state and the block's earlier transactions.

Source: core/ledger/kvledger/txmgmt/validation/{validator,rangequery_validator,combined_iterator}.go.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from network.devnet import protos as p
from network.devnet.rwset import LEAST_DEGREE, RangeSummary, Version, kv_read, read_version

VALID = p.transaction.VALID
MVCC_READ_CONFLICT = p.transaction.MVCC_READ_CONFLICT
PHANTOM_READ_CONFLICT = p.transaction.PHANTOM_READ_CONFLICT


class CommittedState(Protocol):
    """The state as the last block left it."""

    def get(self, namespace: str, key: str) -> tuple[bytes, Version] | None:
        """Return a key's value and version; None if there is no such key."""

    def version(self, namespace: str, key: str) -> Version | None:
        """Return a key's version; None if there is no such key."""

    def versions(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Version]]:
        """Yield keys from start up to, not including, end (empty: no bound) with their versions, in order."""

    def metadata_entries(self, namespace: str, key: str) -> list[Any]:
        """Return the KVMetadataEntry messages beside a key's value."""


@dataclass
class Updates:
    """What the transactions of a block so far have written: value (None: deleted) and version."""

    writes: dict[tuple[str, str], tuple[bytes | None, Version]] = field(default_factory=dict)
    metadata: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    """KVMetadataEntry messages beside the values in `writes`."""

    def apply(self, namespaces: Mapping[str, Any], version: Version, state: CommittedState) -> None:
        """Add a valid transaction's writes (txmgmt/validation/tx_ops.go).

        A value that is written keeps what stands beside it, unless that is written too; what is written beside a value
        gives the key a new version, if it is there.
        """
        for namespace, kv_set in namespaces.items():
            beside = {write.key: list(write.entries) for write in kv_set.metadata_writes}
            for write in kv_set.writes:
                if deletes(write):
                    self._set(namespace, write.key, None, version, [])
                else:
                    kept = beside[write.key] if write.key in beside else self._beside(namespace, write.key, state)
                    self._set(namespace, write.key, write.value, version, kept)
                beside.pop(write.key, None)
            for key, entries in beside.items():
                value = self._value(namespace, key, state)
                if value is not None:
                    self._set(namespace, key, value, version, entries)

    def _set(self, namespace: str, key: str, value: bytes | None, version: Version, beside: list[Any]) -> None:
        self.writes[namespace, key] = (value, version)
        self.metadata[namespace, key] = beside

    def _value(self, namespace: str, key: str, state: CommittedState) -> bytes | None:
        if (namespace, key) in self.writes:
            return self.writes[namespace, key][0]
        found = state.get(namespace, key)
        return None if found is None else found[0]

    def _beside(self, namespace: str, key: str, state: CommittedState) -> list[Any]:
        if (namespace, key) in self.writes:
            return self.metadata.get((namespace, key), [])
        return state.metadata_entries(namespace, key)

    def versions(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Version | None]]:
        """Yield the keys written in a range in order; None for a deleted one."""
        for ns, key in sorted(self.writes):
            if ns == namespace and key >= start and (not end or key < end):
                value, version = self.writes[ns, key]
                yield key, None if value is None else version


def deletes(write: Any) -> bool:
    """Say whether a KVWrite deletes; an empty value does (rwsetutil.IsKVWriteDelete)."""
    return bool(write.is_delete or not write.value)


def validate(namespaces: Mapping[str, Any], state: CommittedState, updates: Updates) -> int:
    """Return VALID, MVCC_READ_CONFLICT or PHANTOM_READ_CONFLICT for a transaction's KVRWSets by namespace."""
    for namespace, kv_set in namespaces.items():
        for read in kv_set.reads:
            if (namespace, read.key) in updates.writes or state.version(namespace, read.key) != read_version(read):
                return int(MVCC_READ_CONFLICT)
        for query in kv_set.range_queries_info:
            if not _range_holds(namespace, query, state, updates):
                return int(PHANTOM_READ_CONFLICT)
    return int(VALID)


def _range_holds(namespace: str, query: Any, state: CommittedState, updates: Updates) -> bool:
    current = combined(namespace, query.start_key, query.end_key, state, updates)
    found = list(current)
    if not query.itr_exhausted:
        found += _at_end_key(namespace, query.end_key, state, updates)
    if query.HasField("reads_merkle_hashes"):
        if query.reads_merkle_hashes.max_degree < LEAST_DEGREE:
            return False  # no peer simulates so
        summary = RangeSummary(query.reads_merkle_hashes.max_degree)
        for key, version in found:
            summary.add(key, version)
        return bool(summary.finish()[1] == query.reads_merkle_hashes)
    return [kv_read(key, version) for key, version in found] == list(query.raw_reads.kv_reads)


def combined(
    namespace: str, start: str, end: str, state: CommittedState, updates: Updates
) -> Iterator[tuple[str, Version]]:
    """Yield the range as it would be with the block's earlier writes applied."""
    written = dict(updates.versions(namespace, start, end))
    merged = {key: version for key, version in state.versions(namespace, start, end) if key not in written}
    merged.update({key: version for key, version in written.items() if version is not None})
    yield from sorted(merged.items())


def _at_end_key(namespace: str, key: str, state: CommittedState, updates: Updates) -> list[tuple[str, Version]]:
    """Return the entry at the last key that a caller saw: an unfinished range includes it."""
    version: Version | None
    if (namespace, key) in updates.writes:
        value, written = updates.writes[namespace, key]
        version = None if value is None else written
    else:
        version = state.version(namespace, key)
    return [] if version is None else [(key, version)]
