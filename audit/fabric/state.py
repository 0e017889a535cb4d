"""The ledger's state as the audit re-derives it, kept in SQLite so that memory does not grow with the chain.

One file holds keys with the version that wrote them, the transaction ids seen, and where the audit stands: tomorrow's
run starts where today's ended. A block becomes durable as a whole or not at all.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audit.fabric.wire import Version

SCHEMA = """
create table if not exists state(
  ns text, coll text, key blob, value blob, block integer, tx integer, primary key(ns, coll, key)) without rowid;
create table if not exists txids(txid text primary key, block integer) without rowid;
create table if not exists meta(name text primary key, value text) without rowid;
create table if not exists events(
  block integer, tx integer, txid text, time_ms integer, msp text, name text, payload text, primary key(block, tx));
create table if not exists notes(kind text, code text, block integer, txid text, text text);
"""
Cell = tuple[bytes, Version]
Write = tuple[bytes | None, Version]
"""A value, None for a deletion, and the version that it was written at."""
Place = tuple[str, str, bytes]
"""A namespace, a collection ("" for public state) and a key (its hash in a collection)."""


class State:
    """Versions and values by place, with the writes of the block under way laid over them."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=normal")
        self._db.executescript(SCHEMA)
        self._db.execute("begin")
        self.pending: dict[Place, Write] = {}

    def get(self, place: Place) -> Cell | None:
        """Return the value and version at a place as of the last finished block, None where there is none."""
        row = self._db.execute("select value, block, tx from state where ns=? and coll=? and key=?", place).fetchone()
        return None if row is None else (row[0], (row[1], row[2]))

    def range(self, ns: str, start: str, end: str, *, include_end: bool) -> Iterator[tuple[str, Version]]:
        """Yield the keys of [start, end) in byte order with the pending block's writes; "" as end means no bound."""
        low, high = start.encode(), end.encode()
        compare = "<=" if include_end else "<"
        query = "select key, block, tx from state where ns=? and coll='' and key>=?"
        arguments: tuple[Any, ...] = (ns, low)
        if high:
            query, arguments = f"{query} and key{compare}?", (*arguments, high)
        found = {bytes(key): (block, tx) for key, block, tx in self._db.execute(query, arguments)}
        for (space, coll, key), (value, version) in self.pending.items():
            if space != ns or coll or key < low or (high and (key > high or (key == high and not include_end))):
                continue
            if value is None:
                found.pop(key, None)
            else:
                found[key] = version
        for key in sorted(found):
            yield key.decode(), found[key]

    def write(self, place: Place, value: bytes | None, version: Version) -> None:
        """Lay a write of the block under way over the state; None deletes."""
        self.pending[place] = (value, version)

    def seen(self, txid: str) -> bool:
        """Whether an earlier block holds a transaction with this id."""
        return self._db.execute("select 1 from txids where txid=?", (txid,)).fetchone() is not None

    def begin_block(self) -> None:
        """Mark where `abandon_block` goes back to."""
        self._db.execute("savepoint block")

    def abandon_block(self) -> None:
        """Forget everything since `begin_block`: writes, events and findings."""
        self._db.execute("rollback to block")
        self._db.execute("release block")
        self.pending = {}

    def finish_block(self, number: int, txids: list[str]) -> None:
        """Fold the pending writes and the block's transaction ids into the state."""
        rows = [(*place, value, *version) for place, (value, version) in self.pending.items() if value is not None]
        gone = [place for place, (value, _) in self.pending.items() if value is None]
        self._db.executemany("replace into state values(?,?,?,?,?,?)", rows)
        self._db.executemany("delete from state where ns=? and coll=? and key=?", gone)
        self._db.executemany("insert or ignore into txids values(?,?)", [(txid, number) for txid in txids])
        self._db.execute("release block")
        self.pending = {}

    def remember(self, name: str, value: object) -> None:
        """Store a JSON value under a name, as part of the next checkpoint."""
        self._db.execute("replace into meta values(?,?)", (name, json.dumps(value)))

    def recall(self, name: str, default: Any = None) -> Any:
        """Return what `remember` stored under a name."""
        row = self._db.execute("select value from meta where name=?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def note(self, kind: str, code: str, block: int, txid: str, text: str) -> None:
        """Keep a finding, so that a later run's verdict still holds it."""
        self._db.execute("insert into notes values(?,?,?,?,?)", (kind, code, block, txid, text))

    def forget(self, kind: str) -> None:
        """Drop the findings of a kind."""
        self._db.execute("delete from notes where kind=?", (kind,))

    def notes(self, kind: str) -> list[tuple[str, int, str, str]]:
        """Return the findings of a kind as (code, block, transaction id, text) in the order found."""
        rows = self._db.execute("select code, block, txid, text from notes where kind=? order by rowid", (kind,))
        return [(code, block, txid, text) for code, block, txid, text in rows]

    def event(self, place: Version, txid: str, time_ms: int, msp_id: str, name: str, payload: bytes) -> None:
        """Index a chaincode event of a valid transaction at its block and index."""
        row = (*place, txid, time_ms, msp_id, name, payload.decode(errors="replace"))
        self._db.execute("insert or ignore into events values(?,?,?,?,?,?,?)", row)

    def events(self, after: int = -1) -> Iterator[dict[str, Any]]:
        """Yield the indexed events of the blocks after `after`, in the ledger's order."""
        names = ("block", "tx", "txid", "time_ms", "msp", "name", "payload")
        query = "select * from events where block>? order by block, tx"
        for row in self._db.execute(query, (after,)):
            yield dict(zip(names, row, strict=True))

    def entries(self, ns: str) -> Iterator[tuple[str, bytes]]:
        """Yield a namespace's public keys and values with the pending block's writes laid over them."""
        over = {key: value for (space, coll, key), (value, _) in self.pending.items() if space == ns and not coll}
        for key, value in self._db.execute("select key, value from state where ns=? and coll='' order by key", (ns,)):
            if key not in over:
                yield bytes(key).decode(), value
        for key, value in sorted(over.items()):
            if value is not None:
                yield key.decode(), value

    def checkpoint(self) -> None:
        """Make everything so far durable."""
        self._db.execute("commit")
        self._db.execute("begin")

    def close(self) -> None:
        """Close, forgetting what came after the last checkpoint: a run that broke off leaves no half block."""
        self._db.execute("rollback")
        self._db.close()
