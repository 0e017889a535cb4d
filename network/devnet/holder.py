"""Which private data of a block a peer keeps, and what that does to its state.

Sources: gossip/privdata/coordinator.go, core/ledger/kvledger/txmgmt/validation/batch_preparer.go.
"""

import functools
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from network.devnet import private_store
from network.devnet import protos as p
from network.devnet.channel import Channel
from network.devnet.collection_rules import Collection, find
from network.devnet.msp import IdentityError
from network.devnet.mvcc import Updates, deletes
from network.devnet.private_sets import add_private, hashes_of, key_hash, split_hashes, values_of
from network.devnet.private_store import Expiry, Piece, PrivateStore
from network.devnet.rwset import Version
from network.devnet.store import Changes, Store, apply_changes
from network.devnet.validator import Verdict

Fetch = Callable[[Sequence[Piece]], Awaitable[Mapping[Piece, bytes]]]
"""Asks other peers for what they may give; what it returns has the digest that it should have."""
Writes = dict[tuple[str, str], tuple[bytes | None, Version]]


@dataclass
class Private:
    """What a block changes of private data.

    Attributes:
        writes: of the state, values that this peer holds and what expires.
        kept: sets with their expiry; None: missing.
        expiries: with the block at which they are due.
        purged: chaincode, collection, hex hash of the key, and where.
    """

    writes: Writes = field(default_factory=dict)
    kept: dict[Piece, tuple[bytes | None, int | None]] = field(default_factory=dict)
    expiries: list[tuple[int, Expiry]] = field(default_factory=list)
    purged: list[tuple[str, str, str, Version]] = field(default_factory=list)

    def store(self, connection: sqlite3.Connection, number: int, txids: Iterable[str]) -> None:
        """Write what is not state, inside the block's transaction."""
        for piece, (content, expires) in self.kept.items():
            private_store.keep(connection, piece, content, expires)
        for expires, expiry in self.expiries:
            private_store.schedule(connection, expires, expiry)
        for chaincode, collection, digest, at in self.purged:
            private_store.purge(connection, chaincode, collection, digest, at)
        private_store.forget(connection, number, txids)


class Holder:
    """A peer as the holder of its collections' private data."""

    def __init__(self, store: Store, serialized: bytes) -> None:
        """Begin for a peer's ledger and its serialized identity."""
        self.private = PrivateStore(store)
        self.fetch: Fetch = _nobody
        self._store = store
        self._serialized = serialized

    def holds(self, collection: Collection | None, channel: Channel) -> bool:
        """Say whether this peer is a collection's member."""
        try:
            return collection is not None and collection.admits(channel.members.identity(self._serialized))
        except IdentityError:
            return False

    async def gather(
        self, number: int, verdicts: Sequence[Verdict], codes: Sequence[int], updates: Updates, channel: Channel
    ) -> Private:
        """Return what a block changes of private data, after asking others for what is not here."""
        pieces = list(_pieces(number, verdicts, codes))
        rules = {(piece.chaincode, piece.collection): self._rule(piece, channel) for piece in pieces}
        wanted = [piece for piece in pieces if self.holds(rules[piece.chaincode, piece.collection], channel)]
        held = {piece: content for piece in wanted if (content := self.private.content(piece)) is not None}
        lacking = [piece for piece in wanted if piece not in held]
        if lacking:
            held |= await self.fetch(lacking)
        made = Private()
        for piece in wanted:
            rule = rules[piece.chaincode, piece.collection]
            made.kept[piece] = held.get(piece), rule.expires(number) if rule else None
            if piece in held:
                self._apply(piece, held[piece], updates, made.writes)
        self._schedule(number, updates, channel, made)
        self._expire(number, updates, made)
        made.purged = list(_purges(number, verdicts, codes))
        return made

    def _rule(self, piece: Piece, channel: Channel) -> Collection | None:
        return find(self._store.current, channel, piece.chaincode, piece.collection)

    def _apply(self, piece: Piece, content: bytes, updates: Updates, writes: Writes) -> None:
        """Add a set's values where its hashes are what the block leaves."""
        at = piece.number, piece.position
        hashes, values = (of(piece.chaincode, piece.collection) for of in (hashes_of, values_of))
        kv_set = p.kvrwset.KVRWSet.FromString(content)
        for write in kv_set.writes:
            if updates.writes.get((hashes, key_hash(write.key)), (None, None))[1] == at:
                writes[values, write.key] = (None if deletes(write) else write.value, at)
        for beside in kv_set.metadata_writes:
            if updates.writes.get((hashes, key_hash(beside.key)), (None, None))[1] == at:
                value = self._value(values, beside.key, writes)
                if value is not None:
                    writes[values, beside.key] = (value, at)

    def _value(self, values: str, key: str, writes: Writes) -> bytes | None:
        if (values, key) in writes:
            return writes[values, key][0]
        found = self._store.current.get(values, key)
        return found[0] if found else None

    def _schedule(self, number: int, updates: Updates, channel: Channel, made: Private) -> None:
        keys = {(space, key_hash(key)): key for space, key in made.writes}
        for (space, digest), (value, _) in updates.writes.items():
            chaincode, collection = split_hashes(space)
            if not collection or value is None:
                continue
            rule = find(self._store.current, channel, chaincode, collection)
            due = rule.expires(number) if rule else None
            if due is not None:
                key = keys.get((values_of(chaincode, collection), digest), "")
                made.expiries.append((due, Expiry(number, chaincode, collection, digest, key)))

    def _expire(self, number: int, updates: Updates, made: Private) -> None:
        """Delete what is due and was not written since: the hash on every peer, the value where it is held."""
        at = number, 2**63 - 1
        for due in self.private.expiring(number):
            hashes, values = hashes_of(due.chaincode, due.collection), values_of(due.chaincode, due.collection)
            for space, key in ((hashes, due.key_hash), (values, due.key)):
                version = self._store.current.version(space, key) if key else None
                if version and version[0] == due.number and (space, key) not in {**updates.writes, **made.writes}:
                    made.writes[space, key] = (None, at)

    async def reconcile(self) -> int:
        """Ask others for what is missing and apply what came; return how much."""
        missing = self.private.missing()
        found = await self.fetch(missing) if missing else {}
        for piece, content in found.items():
            self._store.change(functools.partial(self._late, piece, content))
        return len(found)

    def _late(self, piece: Piece, content: bytes, connection: sqlite3.Connection) -> None:
        """Keep a set of an earlier block, and its values where nothing was written since."""
        content = self.private.unpurged(piece, content)
        connection.execute(
            "update private_sets set content = ? "
            "where number = ? and position = ? and chaincode = ? and collection = ?",
            (content, piece.number, piece.position, piece.chaincode, piece.collection),
        )
        at = piece.number, piece.position
        hashes, values = hashes_of(piece.chaincode, piece.collection), values_of(piece.chaincode, piece.collection)
        writes: Writes = {}
        for write in p.kvrwset.KVRWSet.FromString(content).writes:
            version = self._store.current.version(hashes, key_hash(write.key))
            if deletes(write) and version is None:
                writes[values, write.key] = (None, at)
            elif not deletes(write) and version == at:
                writes[values, write.key] = (write.value, at)
                connection.execute(
                    "update expiries set key = ? "
                    "where number = ? and chaincode = ? and collection = ? and key_hash = ?",
                    (write.key, piece.number, piece.chaincode, piece.collection, key_hash(write.key)),
                )
        apply_changes(connection, Changes(writes))


async def _nobody(pieces: Sequence[Piece]) -> Mapping[Piece, bytes]:
    del pieces
    return {}


def _pieces(number: int, verdicts: Sequence[Verdict], codes: Sequence[int]) -> Iterable[Piece]:
    for position, verdict in enumerate(verdicts):
        if codes[position] == p.transaction.VALID:
            for space, digest in verdict.private.items():
                if digest:
                    yield Piece(number, position, verdict.txid, *split_hashes(space), digest)


def _purges(number: int, verdicts: Sequence[Verdict], codes: Sequence[int]) -> Iterable[tuple[str, str, str, Version]]:
    for position, verdict in enumerate(verdicts):
        if codes[position] == p.transaction.VALID:
            for space, digest in verdict.purged:
                yield (*split_hashes(space), digest, (number, position))


def private_map(holder: Holder, number: int, admitted: Callable[[str, str], bool]) -> dict[int, Any]:
    """Return a block's private sets by position, of the collections that a reader is admitted to."""
    found: dict[int, Any] = {}
    for position, chaincode, collection, content in holder.private.of_block(number):
        if admitted(chaincode, collection):
            message = found.setdefault(position, p.rwset.TxPvtReadWriteSet(data_model=p.rwset.TxReadWriteSet.KV))
            add_private(message, chaincode, [(collection, content)])
    return found
