"""Blocks of transactions whose reads hold or conflict, over a given state."""

from collections.abc import Iterator, Sequence
from contextvars import ContextVar, copy_context
from hashlib import sha256
from typing import Any

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

Version = tuple[int, int]
Set = kv_rwset_pb2.KVRWSet
STATE = {"a": (1, 0), "b": (1, 1), "c": (2, 0), "d": (3, 0), "e": (3, 1)}
MANY = {f"k{number:04}": (4, number) for number in range(300)}


_places: ContextVar[dict[int, int] | None] = ContextVar("places", default=None)


def placed(places: dict[int, int]) -> list[dict[str, Any]]:
    """Return all cases with other block numbers in what transactions read, as a ledger has them that is asked."""
    return copy_context().run(lambda: (_places.set(places), read_cases())[1])


def read_cases() -> list[dict[str, Any]]:
    """Return all cases."""
    return [*_reads(), *_blocks(), *_ranges(), *_ranges_in_blocks(), *_summaries()]


def case(name: str, *transactions: dict[str, Set] | Set, state: dict[str, Version] | None = None) -> dict[str, Any]:
    """Return one case: a block of transactions, each of its sets by namespace; one without a name is of `cc`."""
    entries = STATE if state is None else state
    return {
        "name": name,
        "state": [{"ns": "cc", "key": key, "block": block, "tx": tx} for key, (block, tx) in entries.items()],
        "transactions": [_serialized(t if isinstance(t, dict) else {"cc": t}).hex() for t in transactions],
    }


def _serialized(sets: dict[str, Set]) -> bytes:
    message = rwset_pb2.TxReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
    for namespace, content in sets.items():
        message.ns_rwset.add(namespace=namespace, rwset=content.SerializeToString(deterministic=True))
    raw: bytes = message.SerializeToString(deterministic=True)
    return raw


def read(*keys: tuple[str, Version | None]) -> Set:
    """Return the set of a transaction that read keys at versions, None for a key that was not there."""
    return Set(reads=[_kv_read(key, version) for key, version in keys])


def write(key: str, value: bytes = b"new") -> Set:
    """Return the set of a transaction that writes a key."""
    return Set(writes=[kv_rwset_pb2.KVWrite(key=key, value=value)])


def delete(key: str) -> Set:
    """Return the set of a transaction that deletes a key."""
    return Set(writes=[kv_rwset_pb2.KVWrite(key=key, is_delete=True)])


def both(*sets: Set) -> Set:
    """Return the set of a transaction that does all of it."""
    made = Set()
    for each in sets:
        made.MergeFrom(each)
    return made


def scan(start: str, end: str, found: Sequence[tuple[str, Version]], *, ended: bool = True) -> Set:
    """Return the set of a transaction that read a range and saw these keys, to the end of the range or not."""
    query = kv_rwset_pb2.RangeQueryInfo(start_key=start, end_key=end, itr_exhausted=ended)
    query.raw_reads.SetInParent()
    query.raw_reads.kv_reads.extend(_kv_read(key, version) for key, version in found)
    return Set(range_queries_info=[query])


def _kv_read(key: str, version: Version | None) -> kv_rwset_pb2.KVRead:
    made = kv_rwset_pb2.KVRead(key=key)
    if version is not None:
        block, made.version.tx_num = version
        made.version.block_num = (_places.get() or {}).get(block, block)
    return made


def _reads() -> Iterator[dict[str, Any]]:
    yield case("a read of the present version", read(("a", (1, 0))))
    yield case("a read of an earlier version", read(("a", (0, 0))))
    yield case("a read of a later version", read(("a", (1, 1))))
    yield case("a read of a key that was not there", read(("z", None)))
    yield case("a read of a key that has come", read(("a", None)))
    yield case("a read of a key that has gone", read(("z", (1, 0))))
    yield case("a read at version 0, 0 of a key that is not there", read(("z", (0, 0))))
    yield case("the first of two reads fails", read(("a", (0, 0)), ("b", (1, 1))))
    yield case("the second of two reads fails", read(("a", (1, 0)), ("b", (0, 0))))
    yield case("a read in another namespace", {"other": read(("a", (1, 0)))})
    yield case("the second namespace fails", {"cc": read(("a", (1, 0))), "other": read(("a", (1, 0)))})
    yield case("nothing read", write("a"))
    yield case("no set at all", {})


def _blocks() -> Iterator[dict[str, Any]]:
    old = read(("a", (1, 0)))
    yield case("two reads of one key", old, old)
    yield case("a read after a write", write("a"), old)
    yield case("a read before a write", old, write("a"))
    yield case("two transactions that read and write one key", both(old, write("a")), both(old, write("a")))
    yield case("a read of what the block wrote", write("a"), read(("a", (9, 0))))
    yield case("a read after a write that was invalid", both(read(("b", (0, 0))), write("a")), old)
    yield case("a read after a deletion", delete("a"), old)
    yield case("a read as absent after a deletion", delete("a"), read(("a", None)))
    yield case("a read as absent after the deletion of what was not there", delete("z"), read(("z", None)))
    yield case("a read as absent after a write", write("z"), read(("z", None)))
    yield case("a write in another namespace", {"other": write("a")}, old)
    yield case("two writes of one key", write("a"), write("a", b"newer"))
    yield case("a read of a key that the transaction itself writes", both(old, write("a")))
    marked = Set(metadata_writes=[kv_rwset_pb2.KVMetadataWrite(key="a", entries=[{"name": "m", "value": b"x"}])])
    yield case("a read after a write of metadata", marked, old)
    absent = Set(metadata_writes=[kv_rwset_pb2.KVMetadataWrite(key="z", entries=[{"name": "m", "value": b"x"}])])
    yield case("a read after a write of metadata of a key that is not there", absent, read(("z", None)))


def _ranges() -> Iterator[dict[str, Any]]:
    middle = [("b", (1, 1)), ("c", (2, 0))]
    yield case("a range as it is", scan("b", "d", middle))
    yield case("a range in which a key has come", scan("b", "d", middle[:1]))
    yield case("a range in which a key has gone", scan("b", "d", [*middle, ("cc", (2, 0))]))
    yield case("a range in which a version has changed", scan("b", "d", [("b", (1, 1)), ("c", (2, 1))]))
    yield case("a range in another order", scan("b", "d", middle[::-1]))
    yield case("a range with an empty result that is right", scan("bb", "bz", []))
    yield case("a range with an empty result that is wrong", scan("b", "d", []))
    yield case("a range that was left at its last key", scan("b", "c", middle, ended=False))
    yield case("a range that was left early", scan("b", "b", middle[:1], ended=False))
    yield case(
        "a range that was left at a key that has gone", scan("b", "bb", [("b", (1, 1)), ("bb", (1, 1))], ended=False)
    )
    yield case("a range without end", scan("d", "", [("d", (3, 0)), ("e", (3, 1))]))
    yield case("a range without end that lacks a key", scan("d", "", [("d", (3, 0))]))
    yield case("a range without beginning", scan("", "b", [("a", (1, 0))]))
    yield case("everything", scan("", "", list(STATE.items())))
    yield case("a range of another namespace", {"other": scan("a", "z", [])})
    unsaid = Set(range_queries_info=[kv_rwset_pb2.RangeQueryInfo(start_key="x", end_key="z", itr_exhausted=True)])
    yield case("an empty range whose results are not written", unsaid)
    unsaid = Set(range_queries_info=[kv_rwset_pb2.RangeQueryInfo(start_key="a", end_key="z", itr_exhausted=True)])
    yield case("a range whose results are not written", unsaid)
    yield case("a key without version in a range", scan("b", "c", [("b", None)]))
    yield case("a range that ends before it begins", scan("d", "b", []))


def _ranges_in_blocks() -> Iterator[dict[str, Any]]:
    middle = [("b", (1, 1)), ("c", (2, 0))]
    seen, left = scan("b", "d", middle), scan("b", "c", middle, ended=False)
    for name, earlier in {
        "adds a key": write("bb"),
        "writes the key before it": write("a"),
        "writes the end key": write("d"),
        "changes a key": write("c"),
        "deletes a key": delete("c"),
        "deletes a key that is not there": delete("bb"),
        "deletes the end key": delete("d"),
        "writes nothing into a key": write("bb", b""),
        "writes nothing into a key that is there": write("c", b""),
        "writes metadata": Set(
            metadata_writes=[kv_rwset_pb2.KVMetadataWrite(key="c", entries=[{"name": "m", "value": b"x"}])]
        ),
    }.items():
        yield case(f"a range where the block {name}", earlier, seen)
        yield case(f"a range that was left, where the block {name}", earlier, left)
    fresh = [("b", (1, 1)), ("bb", (9, 0)), ("c", (2, 0))]
    yield case("a range that saw what the block writes", write("bb"), scan("b", "d", fresh))
    yield case("a read that fails before a range that fails", both(read(("a", (0, 0))), scan("b", "d", [])))
    yield case(
        "a range that fails in the first of two namespaces", {"cc": scan("b", "d", []), "x": read(("a", (1, 0)))}
    )


def _summaries() -> Iterator[dict[str, Any]]:
    for degree in (2, 3, 50):
        for count in (degree, degree + 1, 2 * degree + 3, 250):
            found = list(MANY.items())[:count]
            yield _case_of(f"degree {degree}, {count} keys", found, _summary(found, degree))
    found = list(MANY.items())[:200]
    right = _summary(found, 50)
    yield _case_of("a key more than there are", found, _summary([*found, ("k0199x", (4, 0))], 50))
    yield _case_of("a key less than there are", found, _summary(found[:-1], 50))
    yield _case_of("another version", found, _summary([*found[:-1], (found[-1][0], (4, 9))], 50))
    yield _case_of("another level", found, _changed(right, max_level=2))
    yield _case_of("a hash less", found, _changed(right, hashes=list(right.max_level_hashes)[:-1]))
    yield _case_of("a hash more", found, _changed(right, hashes=[*right.max_level_hashes, b"x"]))
    yield _case_of("no hash", found, _changed(right, hashes=[]))
    yield _case_of("another degree", found, _changed(right, degree=49))
    for degree in (0, 1):
        yield _case_of(f"a degree of {degree}", found, _changed(right, degree=degree))
    yield _case_of("no keys, and no hashes", [], _changed(right, hashes=[], max_level=1))
    query = _query(found, right)
    for name, earlier in {"adds": write("k0100x"), "changes": write("k0100"), "deletes": delete("k0100")}.items():
        yield case(f"summary: the block {name} a key", earlier, query, state=MANY)
    left = _query(found, right)
    left.range_queries_info[0].end_key, left.range_queries_info[0].itr_exhausted = found[-1][0], False
    yield case("summary: a range that was left at its last key", left, state=MANY)


def _query(found: Sequence[tuple[str, Version]], summary: kv_rwset_pb2.QueryReadsMerkleSummary) -> Set:
    end = f"{found[-1][0]}\0" if found else "k"
    query = kv_rwset_pb2.RangeQueryInfo(start_key="k" if found else "a", end_key=end, itr_exhausted=True)
    query.reads_merkle_hashes.CopyFrom(summary)
    return Set(range_queries_info=[query])


def _case_of(
    name: str, found: Sequence[tuple[str, Version]], summary: kv_rwset_pb2.QueryReadsMerkleSummary
) -> dict[str, Any]:
    return case(f"summary: {name}", _query(found, summary), state=MANY)


def _changed(
    summary: kv_rwset_pb2.QueryReadsMerkleSummary,
    *,
    hashes: Sequence[bytes] | None = None,
    max_level: int | None = None,
    degree: int | None = None,
) -> kv_rwset_pb2.QueryReadsMerkleSummary:
    changed = kv_rwset_pb2.QueryReadsMerkleSummary()
    changed.CopyFrom(summary)
    if hashes is not None:
        changed.max_level_hashes[:] = hashes
    changed.max_level = summary.max_level if max_level is None else max_level
    changed.max_degree = summary.max_degree if degree is None else degree
    return changed


def _summary(found: Sequence[tuple[str, Version]], degree: int) -> kv_rwset_pb2.QueryReadsMerkleSummary:
    """Return the tree over results as a simulating peer builds it: every level holds at most `degree` hashes."""
    size = degree + 1
    leaves = [found[at : at + size] for at in range(0, len(found), size)]
    if len(found) <= degree:
        return kv_rwset_pb2.QueryReadsMerkleSummary(max_degree=degree, max_level=1)
    hashes = [sha256(_leaf(leaf)).digest() for leaf in leaves]
    level = 1
    while len(hashes) > degree:
        groups = [hashes[at : at + size] for at in range(0, len(hashes), size)]
        hashes = [group[0] if len(group) == 1 else sha256(b"".join(group)).digest() for group in groups]
        level += 1
    return kv_rwset_pb2.QueryReadsMerkleSummary(max_degree=degree, max_level=level, max_level_hashes=hashes)


def _leaf(found: Sequence[tuple[str, Version]]) -> bytes:
    reads = [_kv_read(key, version) for key, version in found]
    raw: bytes = kv_rwset_pb2.QueryReads(kv_reads=reads).SerializeToString(deterministic=True)
    return raw
