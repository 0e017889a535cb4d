"""What a peer keeps: blocks, transaction ids and state, in one SQLite file.

One SQLite transaction writes one block with its state, so that a process killed at any moment finds both or neither.
Every simulation reads from a connection of its own inside a read transaction: the state as one block left it.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from network import codes
from network.devnet import protos as p
from network.devnet.envelopes import block_hash
from network.devnet.rwset import Version
from network.devnet.snapshot import Snapshot
from network.errors import NetworkError

SCHEMA = """
create table if not exists blocks (number integer primary key, hash blob not null, block blob not null);
create table if not exists transactions (
    id text primary key, number integer not null, position integer not null, code integer not null) without rowid;
create table if not exists state (
    namespace text not null, key blob not null, value blob not null, number integer not null, position integer not null,
    primary key (namespace, key)) without rowid;
create table if not exists metadata (
    namespace text not null, key blob not null, value blob not null, primary key (namespace, key)) without rowid;
create table if not exists history (
    namespace text not null, key blob not null, number integer not null, position integer not null,
    primary key (namespace, key, number, position)) without rowid;
create index if not exists blocks_by_hash on blocks (hash);
"""
IDLE_READERS = 8
RECENT_BLOCKS = 8  # those that streams are asking for
RECENT_BYTES = 1 << 20  # a larger block is read again: eight of them would stay in memory


def connect(path: Path, *, synchronous: str = "normal", cache_kib: int = 500) -> sqlite3.Connection:
    """Open a database in write-ahead mode; `normal` survives a killed process, `full` a power cut as well."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=32)
    connection.execute("pragma journal_mode=wal")
    connection.execute(f"pragma synchronous={synchronous}")
    connection.execute(f"pragma cache_size=-{cache_kib}")
    return connection


@dataclass(frozen=True, slots=True)
class TransactionPlace:
    """Where a transaction stands and what became of it."""

    number: int
    position: int
    code: int


@dataclass(frozen=True)
class Changes:
    """What a block changes in the state.

    Attributes:
        writes: by namespace and key, a value (None: deleted) and its version.
        metadata: by namespace and key, the KVMetadataEntry messages beside what was written; none if it is not named.
        writers: namespace, key, block and position of each write that counts for the history of keys.
    """

    writes: Mapping[tuple[str, str], tuple[bytes | None, Version]]
    metadata: Mapping[tuple[str, str], list[Any]] = field(default_factory=dict)
    writers: Sequence[tuple[str, str, int, int]] = ()


class Store:
    """A peer's blocks and state."""

    def __init__(self, path: Path, *, synchronous: str = "normal") -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = connect(path, synchronous=synchronous)
            self._writer.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._unwritable(error) from None
        self._idle: list[sqlite3.Connection] = []
        self._recent: deque[Any] = deque(maxlen=RECENT_BLOCKS)
        self.current = Snapshot(self._writer)
        row = self._writer.execute("select max(number), hash from blocks").fetchone()
        self.height: int = 0 if row[0] is None else row[0] + 1
        self.last_hash: bytes = b"" if row[0] is None else row[1]

    def _unwritable(self, error: Exception) -> NetworkError:
        hint = "Make room or give write access; nothing was lost."
        return NetworkError(
            codes.LEDGER_NOT_WRITABLE, f"the ledger cannot be written: {error}", where=str(self._path), hint=hint
        )

    def prepare(self, schema: str) -> sqlite3.Connection:
        """Add tables, and return the connection that sees what was written last."""
        self._writer.executescript(schema)
        return self._writer

    def close(self) -> None:
        """Close every connection."""
        for connection in [*self._idle, self._writer]:
            connection.close()

    def open_snapshot(self) -> Snapshot:
        """Return the state as of now; give it back with `release`."""
        connection = self._idle.pop() if self._idle else connect(self._path, cache_kib=50)
        connection.execute("begin")
        connection.execute("select 1 from blocks limit 1").fetchone()  # the first read fixes what is seen
        return Snapshot(connection)

    def release(self, snapshot: Snapshot) -> None:
        """End a snapshot."""
        connection = snapshot._connection  # noqa: SLF001 - the store lends the connection out
        connection.execute("rollback")
        if len(self._idle) < IDLE_READERS:
            self._idle.append(connection)
        else:
            connection.close()

    def append(
        self,
        block: Any,
        transactions: list[tuple[str, int, int]],
        changes: Changes,
        also: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        """Write a block, its transactions as (id, position, code), and its changes, all or nothing.

        `also` writes in the same SQLite transaction.

        Raises:
            NetworkError: FL1070 if the disk is full or read-only; the ledger is as it was.
        """
        number = block.header.number
        digest = block_hash(block.header)
        placed = [(txid, number, position, code) for txid, position, code in transactions]
        raw = block.SerializeToString()

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("insert into blocks values (?, ?, ?)", (number, digest, raw))
            connection.executemany("insert or ignore into transactions values (?, ?, ?, ?)", placed)
            apply_changes(connection, changes)
            also(connection)

        self.change(write)
        self.height, self.last_hash = number + 1, digest
        if len(raw) <= RECENT_BYTES:
            self._recent.append(block)

    def change(self, what: Callable[[sqlite3.Connection], Any]) -> Any:
        """Let `what` write in one SQLite transaction, and return its result; NetworkError FL1070 as `append`."""
        try:
            self._writer.execute("begin immediate")
            result = what(self._writer)
            self._writer.execute("commit")
        except BaseException as error:
            if self._writer.in_transaction:
                self._writer.execute("rollback")
            if isinstance(error, sqlite3.OperationalError):
                raise self._unwritable(error) from None
            raise
        return result

    def block_bytes(self, number: int) -> bytes | None:
        """Return a serialized block; None if there is none."""
        row = self._writer.execute("select block from blocks where number = ?", (number,)).fetchone()
        return row[0] if row else None

    def block(self, number: int) -> Any | None:
        """Return a block, not to be changed; None if there is none."""
        for block in self._recent:
            if block.header.number == number:
                return block
        raw = self.block_bytes(number)
        return None if raw is None else p.common.Block.FromString(raw)

    def existing_block(self, number: int) -> Any:
        """Return a block that is known to be there, not to be changed."""
        block = self.block(number)
        if block is None:
            raise KeyError(number)
        return block

    def block_by_hash(self, digest: bytes) -> Any | None:
        """Return the block with that header hash; None if there is none."""
        row = self._writer.execute("select block from blocks where hash = ?", (digest,)).fetchone()
        return p.common.Block.FromString(row[0]) if row else None

    def transaction(self, txid: str) -> TransactionPlace | None:
        """Return where the transaction stands that first used an id; None if there is none."""
        row = self._writer.execute("select number, position, code from transactions where id = ?", (txid,)).fetchone()
        return TransactionPlace(*row) if row else None


def apply_changes(connection: sqlite3.Connection, changes: Changes) -> None:
    """Write a block's changes of the state, inside a transaction."""
    touched = [(ns, key.encode()) for ns, key in changes.writes]
    removed = [(ns, key.encode()) for (ns, key), (value, _) in changes.writes.items() if value is None]
    stored = [(ns, key.encode(), value, *at) for (ns, key), (value, at) in changes.writes.items() if value is not None]
    beside = [
        (ns, key.encode(), p.kvrwset.KVMetadataWrite(entries=entries).SerializeToString())
        for (ns, key), entries in changes.metadata.items()
        if entries
    ]
    connection.executemany("delete from state where namespace = ? and key = ?", removed)
    connection.executemany("replace into state values (?, ?, ?, ?, ?)", stored)
    connection.executemany("delete from metadata where namespace = ? and key = ?", touched)
    connection.executemany("replace into metadata values (?, ?, ?)", beside)
    writers = [(ns, key.encode(), *at) for ns, key, *at in changes.writers]
    connection.executemany("insert or ignore into history values (?, ?, ?, ?)", writers)
