"""The state as one block left it."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from network.devnet import protos as p
from network.devnet.rwset import Version


class Snapshot:
    """The state as one block left it, until closed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, namespace: str, key: str) -> tuple[bytes, Version] | None:
        """Return a key's value and version; None if there is no such key."""
        row = self._connection.execute(
            "select value, number, position from state where namespace = ? and key = ?", (namespace, key.encode())
        ).fetchone()
        return (row[0], (row[1], row[2])) if row else None

    def version(self, namespace: str, key: str) -> Version | None:
        """Return a key's version; None if there is no such key."""
        found = self.get(namespace, key)
        return found[1] if found else None

    def metadata(self, namespace: str, key: str) -> dict[str, bytes]:
        """Return what is kept beside a key's value, by name."""
        return {entry.name: entry.value for entry in self.metadata_entries(namespace, key)}

    def metadata_entries(self, namespace: str, key: str) -> list[Any]:
        """Return what is kept beside a key's value, as it was written."""
        row = self._connection.execute(
            "select value from metadata where namespace = ? and key = ?", (namespace, key.encode())
        ).fetchone()
        return list(p.kvrwset.KVMetadataWrite.FromString(row[0]).entries) if row else []

    def writers(self, namespace: str, key: str) -> Iterator[tuple[bytes, int]]:
        """Yield the block and the position in it of each transaction that wrote a key, the newest first."""
        rows = self._connection.execute(
            "select block, position from history join blocks using (number) where namespace = ? and key = ? "
            "order by number desc, position desc",
            (namespace, key.encode()),
        )
        yield from rows

    def scan(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, bytes, Version]]:
        """Yield (key, value, version) from start to before end (empty: no bound), in byte order of the keys."""
        bound = " and key < ?" if end else ""
        parameters = [namespace, start.encode()] + ([end.encode()] if end else [])
        rows = self._connection.execute(
            f"select key, value, number, position from state where namespace = ? and key >= ?{bound} order by key",  # noqa: S608
            parameters,
        )
        for key, value, number, position in rows:
            yield key.decode(), value, (number, position)

    def versions(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Version]]:
        """Yield (key, version) of a range."""
        for key, _, version in self.scan(namespace, start, end):
            yield key, version
