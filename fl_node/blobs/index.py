"""What a blob store knows beside the bytes, in one SQLite file: small things of which a round writes hundreds.

A file for each of them, whole after a power cut, costs two syncs and half a dozen changes of a folder; a row costs a
part of one sync.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from fl_node import codes
from fl_node.errors import NodeError

SCHEMA: Final = """
create table if not exists about (
    digest text primary key, organisation text not null, expires_ms integer not null, note text not null) without rowid;
create index if not exists about_expiring on about (expires_ms) where expires_ms > 0;
create index if not exists about_noted on about (organisation) where note <> '';
create table if not exists bound (
    number integer primary key, organisation text not null, deed text not null, binding text not null,
    unique (organisation, deed));
"""
BUSY_S: Final = 10.0
"""How long another process may hold the file: a command beside the node."""
HINT: Final = "Free some space, and let the node's user write there; what others brought is pulled again."


class Index:
    """One SQLite file for the threads of a process; a killed process loses nothing that was written."""

    def __init__(self, path: Path) -> None:
        """Open or create it; FL4007 where the disk refuses."""
        self._path = path
        self._lock = threading.Lock()
        with self._explained():
            self._connection = sqlite3.connect(path, BUSY_S, isolation_level=None, check_same_thread=False)
            self._connection.execute("pragma synchronous=normal")
            self._connection.execute("pragma journal_mode=wal")
            self._connection.executescript(f"begin; {SCHEMA} commit;")
        self._synced = False

    @contextlib.contextmanager
    def changing(self, *, synced: bool) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction, which is undone where the body raises.

        Synced, it outlives a power cut once this returns. Otherwise the next synced one takes it along, and a power cut
        before that takes it back.

        Raises:
            NodeError: FL4007, the disk refuses.
        """
        with self._lock, self._explained():
            if synced != self._synced:
                self._connection.execute(f"pragma synchronous={'full' if synced else 'normal'}")
                self._synced = synced
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:  # SQLite undoes it by itself where the disk is full
                    self._connection.execute("rollback")
                raise

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; FL4007 where the disk refuses."""
        with self._lock, self._explained():
            return self._connection.execute(query, tuple(values)).fetchall()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise NodeError(
                codes.DISK_REFUSES, f"cannot keep what is known of blobs: {error}", where=str(self._path), hint=HINT
            ) from None
