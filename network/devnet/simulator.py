"""One transaction's view of the state, and the read-write set that it leaves.

Source: core/ledger/kvledger/txmgmt/txmgr/{query_executor,tx_simulator}.go. A transaction does not see its own writes.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from network.devnet.rwset import NamespaceSet, RangeRead, Version, transaction_set
from network.devnet.store import Snapshot

Result = tuple[str, bytes]


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
        self._txid = txid
        self._snapshot = snapshot
        self._sets: dict[str, NamespaceSet] = {}
        self._wrote = False
        self._paginated = False

    def _set(self, namespace: str) -> NamespaceSet:
        return self._sets.setdefault(namespace, NamespaceSet())

    def get(self, namespace: str, key: str) -> bytes | None:
        """Return a key's value and note its version as read; None if there is no such key."""
        found = self._snapshot.get(namespace, key)
        self._set(namespace).reads[key] = found[1] if found else None
        return found[0] if found else None

    def put(self, namespace: str, key: str, value: bytes | None) -> None:
        """Note a write; None or no bytes deletes."""
        if self._paginated:
            raise SimulationError(
                f"txid [{self._txid}]: unsuppored transaction. Transaction has already performed a paginated query. "
                "Writes are not allowed"
            )
        self._wrote = True
        self._set(namespace).writes[key] = value or None

    def range(self, namespace: str, start: str, end: str) -> OpenRange:
        """Open a range query from start up to, not including, end (empty: no bound)."""
        read = RangeRead(start, end)
        self._set(namespace).ranges.append(read)
        return OpenRange(read, self._snapshot.scan(namespace, start, end))

    def page(self, namespace: str, start: str, end: str, size: int) -> tuple[list[Result], str]:
        """Return up to `size` results and the key at which the next page starts, empty at the end."""
        if self._wrote:
            raise SimulationError(
                f"txid [{self._txid}]: unsuppored transaction. Paginated queries are supported only in a read-only "
                "transaction"
            )
        self._paginated = True
        query = self.range(namespace, start, end)
        results: list[Result] = []
        while len(results) < size:
            result = query.next()
            if result is None:
                return results, ""
            results.append(result)
        following = next(query.rows, None)
        return results, following[0] if following else ""

    def results(self) -> bytes:
        """Return the serialized TxReadWriteSet."""
        return transaction_set(self._sets)
