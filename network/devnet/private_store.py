"""What a peer keeps of private data beside the state: sets on their way into a block, those of blocks, those it lacks.

Sources: core/transientstore/store.go, core/ledger/pvtdatastorage/store.go, txmgmt/pvtstatepurgemgmt/purge_mgr.go.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.encoding import sha256
from network.devnet import protos as p
from network.devnet.private_sets import key_hash
from network.devnet.store import Store

SCHEMA = """
create table if not exists transient_sets (
    txid text not null, chaincode text not null, collection text not null, digest blob not null, content blob not null,
    height integer not null, primary key (txid, chaincode, collection, digest)) without rowid;
create table if not exists private_sets (
    number integer not null, position integer not null, txid text not null, chaincode text not null,
    collection text not null, digest blob not null, content blob, expires integer,
    primary key (number, position, chaincode, collection)) without rowid;
create index if not exists private_sets_by_transaction on private_sets (txid);
create table if not exists expiries (
    expires integer not null, number integer not null, chaincode text not null, collection text not null,
    key_hash text not null, key text not null, primary key (expires, number, chaincode, collection, key_hash)
    ) without rowid;
create table if not exists purges (
    chaincode text not null, collection text not null, key_hash text not null, number integer not null,
    position integer not null, primary key (chaincode, collection, key_hash)) without rowid;
"""
KEPT_BLOCKS = (
    1000  # a set whose transaction is in none of so many blocks is forgotten, core.yaml transientstoreMaxBlockRetention
)


@dataclass(frozen=True, slots=True)
class Piece:
    """What a transaction wrote to one collection: SHA-256 of the serialized KVRWSet, and where it stands."""

    number: int
    position: int
    txid: str
    chaincode: str
    collection: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Expiry:
    """A private key and the block that wrote it; `key` is empty where this peer does not hold it."""

    number: int
    chaincode: str
    collection: str
    key_hash: str
    key: str


class PrivateStore:
    """Private data in a peer's SQLite file; what writes takes the connection of a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection = store.prepare(SCHEMA)

    def keep_transient(self, txid: str, chaincode: str, collection: str, content: bytes, height: int) -> None:
        """Keep what a transaction will write, until it is in a block."""
        row = (txid, chaincode, collection, sha256(content), content, height)
        self._store.change(lambda c: c.execute("replace into transient_sets values (?, ?, ?, ?, ?, ?)", row))

    def content(self, piece: Piece) -> bytes | None:
        """Return a set that is here; None if it is not."""
        held = self.contents(piece.txid, piece.chaincode, piece.collection)
        return next((content for content in held if sha256(content) == piece.digest), None)

    def contents(self, txid: str, chaincode: str, collection: str) -> list[bytes]:
        """Return what is here of a transaction, in a block or on its way into one."""
        found: list[bytes] = []
        for table in ("transient_sets", "private_sets"):
            rows = self._connection.execute(
                f"select content from {table} where txid = ? and chaincode = ? and collection = ?",  # noqa: S608
                (txid, chaincode, collection),
            )
            found += [row[0] for row in rows if row[0] is not None]
        return found

    def of_block(self, number: int) -> Iterator[tuple[int, str, str, bytes]]:
        """Yield position, chaincode, collection and content of what a block wrote and is still held."""
        yield from self._connection.execute(
            "select position, chaincode, collection, content from private_sets "
            "where number = ? and content is not null order by position, chaincode, collection",
            (number,),
        )

    def missing(self) -> list[Piece]:
        """Return what this peer should hold and does not."""
        rows = self._connection.execute(
            "select number, position, txid, chaincode, collection, digest from private_sets where content is null"
        )
        return [Piece(*row) for row in rows]

    def expiring(self, number: int) -> list[Expiry]:
        """Return what is gone once a block is committed."""
        rows = self._connection.execute(
            "select number, chaincode, collection, key_hash, key from expiries where expires <= ?", (number,)
        )
        return [Expiry(*row) for row in rows]

    def unpurged(self, piece: Piece, content: bytes) -> bytes:
        """Return a set without the keys that a later transaction purged."""
        rows = self._connection.execute(
            "select key_hash from purges where chaincode = ? and collection = ? and (number, position) > (?, ?)",
            (piece.chaincode, piece.collection, piece.number, piece.position),
        )
        return without(content, {row[0] for row in rows})


def keep(connection: sqlite3.Connection, piece: Piece, content: bytes | None, expires: int | None) -> None:
    """Keep what a block wrote; None says that it is missing."""
    row = (piece.number, piece.position, piece.txid, piece.chaincode, piece.collection, piece.digest, content, expires)
    connection.execute("replace into private_sets values (?, ?, ?, ?, ?, ?, ?, ?)", row)


def schedule(connection: sqlite3.Connection, expires: int, expiry: Expiry) -> None:
    """Note the block at which a private key is gone."""
    row = (expires, expiry.number, expiry.chaincode, expiry.collection, expiry.key_hash, expiry.key)
    connection.execute("replace into expiries values (?, ?, ?, ?, ?, ?)", row)


def forget(connection: sqlite3.Connection, number: int, txids: Iterable[str]) -> None:
    """Forget what a block makes needless: sets that are in it, old ones that never were, expired ones."""
    connection.executemany("delete from transient_sets where txid = ?", [(txid,) for txid in txids])
    connection.execute("delete from transient_sets where height < ?", (number - KEPT_BLOCKS,))
    connection.execute("delete from private_sets where expires <= ?", (number,))
    connection.execute("delete from expiries where expires <= ?", (number,))


def purge(connection: sqlite3.Connection, chaincode: str, collection: str, digest: str, at: tuple[int, int]) -> None:
    """Take a key, by the hex hash of it, out of all sets before a block and position."""
    connection.execute("replace into purges values (?, ?, ?, ?, ?)", (chaincode, collection, digest, *at))
    rows = connection.execute(
        "select number, position, content from private_sets where chaincode = ? and collection = ? "
        "and (number, position) < (?, ?) and content is not null",
        (chaincode, collection, *at),
    ).fetchall()
    for number, position, content in rows:
        left = without(content, {digest})
        if left != content:
            connection.execute(
                "update private_sets set content = ? where number = ? and position = ? and chaincode = ? "
                "and collection = ?",
                (left, number, position, chaincode, collection),
            )


def without(content: bytes, hashes: set[str]) -> bytes:
    """Return a serialized KVRWSet without the writes of keys with these hex hashes."""
    kv_set = p.kvrwset.KVRWSet.FromString(content)
    left = [write for write in kv_set.writes if key_hash(write.key) not in hashes]
    if len(left) == len(kv_set.writes):
        return content
    del kv_set.writes[:]
    kv_set.writes.extend(left)
    serialized: bytes = kv_set.SerializeToString()
    return serialized
