"""Whether a transaction's reads still held when its block was committed.

Reads are compared by version; range reads by the keys and versions found again, either one by one or, above the
simulator's limit, by the hashes of a tree (Fabric: core/ledger/kvledger/txmgmt/rwsetutil, leaves of `max_degree`
results each). Private data appears by the hashes of its keys.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import transaction_pb2

from audit.fabric.envelope import Action
from audit.fabric.state import Place, State
from audit.fabric.wire import Version

VALID = int(transaction_pb2.VALID)
MVCC_READ_CONFLICT = int(transaction_pb2.MVCC_READ_CONFLICT)
PHANTOM_READ_CONFLICT = int(transaction_pb2.PHANTOM_READ_CONFLICT)
LEAST_DEGREE = 2
VALIDATION_PARAMETER = "VALIDATION_PARAMETER"
"""The name under which a key's own endorsement policy stands beside its value."""


def read_conflict(state: State, action: Action) -> int:
    """Return VALID, MVCC_READ_CONFLICT or PHANTOM_READ_CONFLICT for an action at its place in the block."""
    hashed = action.hashed_rwsets
    for ns, rwset in action.rwsets:
        if not all(_same(state, (ns, "", r.key.encode()), r) for r in rwset.reads):
            return MVCC_READ_CONFLICT
        if not all(_range_holds(state, ns, query) for query in rwset.range_queries_info):
            return PHANTOM_READ_CONFLICT
        for space, coll, hashes in hashed:
            if space == ns and not all(_same(state, (ns, coll, r.key_hash), r) for r in hashes.hashed_reads):
                return MVCC_READ_CONFLICT
    return VALID


def apply_writes(state: State, action: Action, version: Version) -> None:
    """Lay a valid action's writes over the state.

    A value that is written keeps the key's policy, unless that is written too; a policy that is written gives a key
    that is there a new version (Fabric: core/ledger/kvledger/txmgmt/validation/tx_ops.go).
    """
    written = {**_public_writes(action), **_hashed_writes(action)}
    policies = {place: policy_among(entries) for place, entries in action.marks}
    for place, value in written.items():
        policy = policies[place] if place in policies else state.policy_so_far(place)
        state.write(place, value, version, b"" if value is None else policy)
    for place in policies.keys() - written.keys():
        present = state.value(place)
        if present is not None:
            state.write(place, present, version, policies[place])


def _public_writes(action: Action) -> dict[Place, bytes | None]:
    return {
        (ns, "", write.key.encode()): None if write.is_delete or not write.value else write.value
        for ns, rwset in action.rwsets
        for write in rwset.writes
    }


def _hashed_writes(action: Action) -> dict[Place, bytes | None]:
    return {
        (ns, coll, write.key_hash): None if write.is_delete or not write.value_hash else write.value_hash
        for ns, coll, hashed in action.hashed_rwsets
        for write in hashed.hashed_writes
    }


def policy_among(entries: Sequence[kv_rwset_pb2.KVMetadataEntry]) -> bytes:
    """Return the endorsement policy among what is written beside a key, empty where there is none."""
    return next((bytes(entry.value) for entry in entries if entry.name == VALIDATION_PARAMETER), b"")


def _same(state: State, place: tuple[str, str, bytes], read: kv_rwset_pb2.KVRead | kv_rwset_pb2.KVReadHash) -> bool:
    if place in state.pending:
        return False
    cell = state.get(place)
    wanted = (read.version.block_num, read.version.tx_num) if read.HasField("version") else None
    return (cell[1] if cell else None) == wanted


def _range_holds(state: State, ns: str, query: kv_rwset_pb2.RangeQueryInfo) -> bool:
    # A reader that stopped early recorded the last key it saw as the end, which then belongs to the range.
    found = state.range(ns, query.start_key, query.end_key, include_end=not query.itr_exhausted)
    if query.WhichOneof("reads_info") == "reads_merkle_hashes":
        summary = query.reads_merkle_hashes
        if summary.max_degree < LEAST_DEGREE:
            return False  # no peer simulates so, and the tree would never close
        level, hashes = range_summary(found, summary.max_degree)
        # Where there are so few results that the tree is empty, peers find no summary equal.
        return bool(hashes) and (level, hashes) == (summary.max_level, list(summary.max_level_hashes))
    reads = [(r.key, (r.version.block_num, r.version.tx_num)) for r in query.raw_reads.kv_reads]
    return reads == list(found)


def range_summary(found: Iterable[tuple[str, Version]], degree: int) -> tuple[int, list[bytes]]:
    """Return the level and hashes of the tree over range results; (1, []) where `degree` results or fewer exist."""
    levels: dict[int, list[bytes]] = {1: []}
    pending: list[kv_rwset_pb2.KVRead] = []
    for key, (block, tx) in found:
        pending.append(kv_rwset_pb2.KVRead(key=key, version=kv_rwset_pb2.Version(block_num=block, tx_num=tx)))
        if len(pending) > degree:
            _add_leaf(levels, pending, degree)
            pending = []
    if levels == {1: []}:
        return 1, []
    if pending:
        _add_leaf(levels, pending, degree)
    return _complete(levels, degree)


def _add_leaf(levels: dict[int, list[bytes]], reads: list[kv_rwset_pb2.KVRead], degree: int) -> None:
    levels[1].append(sha256(kv_rwset_pb2.QueryReads(kv_reads=reads).SerializeToString(deterministic=True)).digest())
    level = 1
    while len(levels[level]) > degree:
        levels.setdefault(level + 1, []).append(sha256(b"".join(levels[level])).digest())
        levels[level] = []
        level += 1


def _complete(levels: dict[int, list[bytes]], degree: int) -> tuple[int, list[bytes]]:
    top = max(levels)
    for level in range(1, top):
        hashes = levels[level]
        if hashes:
            levels[level + 1].append(hashes[0] if len(hashes) == 1 else sha256(b"".join(hashes)).digest())
    if len(levels[top]) > degree:
        return top + 1, [sha256(b"".join(levels[top])).digest()]
    return top, levels[top]
