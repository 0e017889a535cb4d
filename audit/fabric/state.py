"""The ledger's state as the audit re-derives it, kept in SQLite so that memory does not grow with the chain.

One file holds keys with the version that wrote them, the transaction ids seen, and where the audit stands: tomorrow's
run starts where today's ended. A block becomes durable as a whole or not at all. Each checkpoint holds a digest over
all rows, its seal: what does not match its seal is not believed.
"""

import json
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from audit.fabric.wire import Version

SCHEMA = """
create table if not exists state(
  ns text, coll text, key blob, value blob, block integer, tx integer, policy blob, primary key(ns, coll, key)
  ) without rowid;
create table if not exists expiries(
  due integer, ns text, coll text, key blob, block integer, primary key(due, ns, coll, key)) without rowid;
create table if not exists txids(txid text primary key, block integer) without rowid;
create table if not exists meta(name text primary key, value text) without rowid;
create table if not exists events(
  block integer, tx integer, txid text, time_ms integer, msp text, name text, payload text, primary key(block, tx));
create table if not exists notes(kind text, code text, block integer, txid text, text text, reason text);
"""
CONTENTS = (
    "select * from state order by ns, coll, key",
    "select * from expiries order by due, ns, coll, key",
    "select * from txids order by txid",
    "select * from meta where name!='seal' order by name",
    "select * from events order by block, tx",
    "select rowid, * from notes order by rowid",
)
"""Every row that an audit stands on, in one order."""
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
        """Invariant: writes of valid transactions of the block under way, empty between blocks."""
        self._policies: dict[Place, bytes] = {}
        """Invariant: the policies beside `pending`, of the same places."""

    def get(self, place: Place) -> Cell | None:
        """Return the value and version at a place as of the last finished block, None where there is none."""
        row = self._db.execute("select value, block, tx from state where ns=? and coll=? and key=?", place).fetchone()
        return None if row is None else (row[0], (row[1], row[2]))

    def value(self, place: Place) -> bytes | None:
        """Return the value at a place with the block's writes so far, None where there is none."""
        if place in self.pending:
            return self.pending[place][0]
        cell = self.get(place)
        return None if cell is None else cell[0]

    def policy(self, place: Place) -> bytes:
        """Return a key's own endorsement policy as of the last finished block, empty where it has none."""
        row = self._db.execute("select policy from state where ns=? and coll=? and key=?", place).fetchone()
        return b"" if row is None else bytes(row[0])

    def policy_so_far(self, place: Place) -> bytes:
        """Return a key's own endorsement policy with the block's writes so far."""
        return self._policies[place] if place in self.pending else self.policy(place)

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

    def write(self, place: Place, value: bytes | None, version: Version, policy: bytes = b"") -> None:
        """Lay a write of the block under way over the state; None deletes. `policy` is the key's own, b"" for none."""
        self.pending[place], self._policies[place] = (value, version), policy

    def schedule(self, due: int, place: Place, number: int) -> None:
        """Note that what a block wrote at a place is gone after the block `due`, unless it is written again."""
        self._db.execute("replace into expiries values(?,?,?,?,?)", (due, *place, number))

    def take_due(self, number: int) -> list[Place]:
        """Return the places of which a block ends the time, as they were not written since, and forget their dates."""
        query = """select expiries.ns, expiries.coll, expiries.key from expiries join state
            on state.ns=expiries.ns and state.coll=expiries.coll and state.key=expiries.key
            and state.block=expiries.block where due<=?"""
        found = [(ns, coll, bytes(key)) for ns, coll, key in self._db.execute(query, (number,))]
        self._db.execute("delete from expiries where due<=?", (number,))
        return found

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
        self.pending, self._policies = {}, {}

    def finish_block(self, number: int, txids: list[str]) -> None:
        """Fold the pending writes and the block's transaction ids into the state."""
        rows = [
            (*place, value, *version, self._policies[place])
            for place, (value, version) in self.pending.items()
            if value is not None
        ]
        gone = [place for place, (value, _) in self.pending.items() if value is None]
        self._db.executemany("replace into state values(?,?,?,?,?,?,?)", rows)
        self._db.executemany("delete from state where ns=? and coll=? and key=?", gone)
        self._db.executemany("insert or ignore into txids values(?,?)", [(txid, number) for txid in txids])
        self._db.execute("release block")
        self.pending, self._policies = {}, {}

    def remember(self, name: str, value: object) -> None:
        """Store a JSON value under a name, as part of the next checkpoint."""
        self._db.execute("replace into meta values(?,?)", (name, json.dumps(value)))

    def recall(self, name: str, default: Any = None) -> Any:
        """Return what `remember` stored under a name."""
        row = self._db.execute("select value from meta where name=?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    @property
    def compared(self) -> bool:
        """Whether every transaction that could write into the rules' namespace was compared with the rules."""
        return bool(self.recall("applied", 0) == self.recall("compared", 0))

    def apply_uncompared(self) -> None:
        """Count a transaction that may write into the rules' namespace; until `mark_compared` it is not compared."""
        self.remember("applied", self.recall("applied", 0) + 1)

    def mark_compared(self) -> None:
        """Say that the transaction counted last was compared, and each difference recorded as a failure."""
        self.remember("compared", self.recall("compared", 0) + 1)

    def note(self, kind: str, code: str, block: int, txid: str, text: str, reason: str = "") -> None:
        """Keep a finding, so that a later run's verdict still holds it."""
        self._db.execute("insert into notes values(?,?,?,?,?,?)", (kind, code, block, txid, text, reason))

    def forget(self, kind: str) -> None:
        """Drop the findings of a kind."""
        self._db.execute("delete from notes where kind=?", (kind,))

    def notes(self, kind: str) -> list[tuple[str, int, str, str]]:
        """Return the findings of a kind as (code, block, transaction id, text) in the order found."""
        return [row[:4] for row in self.findings(kind)]

    def findings(self, kind: str) -> list[tuple[str, int, str, str, str]]:
        """Return the findings of a kind as (code, block, transaction id, text, reason) in the order found."""
        query = "select code, block, txid, text, reason from notes where kind=? order by rowid"
        return list(self._db.execute(query, (kind,)))

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
        """Seal everything so far and make it durable; this reads the whole state."""
        self.remember("seal", self._digest())
        self._db.execute("commit")
        self._db.execute("begin")

    def sealed(self) -> bool:
        """Whether the content is what the last checkpoint sealed; an empty state needs no seal."""
        found = self.recall("seal")
        return self._digest() == found if found is not None else self.recall("height") is None

    def _digest(self) -> str:
        digest = sha256()
        for query in CONTENTS:
            digest.update(query.encode())
            for row in self._db.execute(query):
                digest.update(repr(row).encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Close, forgetting what came after the last checkpoint: a run that broke off leaves no half block."""
        self._db.execute("rollback")
        self._db.close()
