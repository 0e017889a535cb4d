"""Read conflicts and range summaries as the auditor recomputes them."""

from hashlib import sha256

import pytest
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from hypothesis import given
from hypothesis import strategies as st

from audit.fabric.envelope import Action
from audit.fabric.mvcc import MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, VALID, range_summary, read_conflict
from audit.fabric.state import State


def action(rwset: kv_rwset_pb2.KVRWSet) -> Action:
    namespace = rwset_pb2.NsReadWriteSet(namespace="cc", rwset=rwset.SerializeToString())
    return Action("cc", "1", (), (200, "", ""), b"", (), (namespace,), None, proposal_hash_holds=True)


def version(block: int, tx: int) -> kv_rwset_pb2.Version:
    return kv_rwset_pb2.Version(block_num=block, tx_num=tx)


@pytest.fixture
def state() -> State:
    book = State(":memory:")
    book.begin_block()
    for index, key in enumerate(("a", "b", "c")):
        book.write(("cc", "", key.encode()), b"v", (1, index))
    book.finish_block(1, ["t1"])
    return book


def read(key: str, at: tuple[int, int] | None) -> Action:
    entry = kv_rwset_pb2.KVRead(key=key, version=version(*at) if at else None)
    return action(kv_rwset_pb2.KVRWSet(reads=[entry]))


def scan(start: str, end: str, found: list[tuple[str, tuple[int, int]]], *, exhausted: bool = True) -> Action:
    query = kv_rwset_pb2.RangeQueryInfo(start_key=start, end_key=end, itr_exhausted=exhausted)
    query.raw_reads.SetInParent()
    for key, at in found:
        query.raw_reads.kv_reads.add(key=key, version=version(*at))
    return action(kv_rwset_pb2.KVRWSet(range_queries_info=[query]))


def test_a_read_of_the_present_version_holds(state: State) -> None:
    assert read_conflict(state, read("b", (1, 1))) == VALID
    assert read_conflict(state, read("z", None)) == VALID


def test_a_read_of_an_older_version_conflicts(state: State) -> None:
    assert read_conflict(state, read("b", (0, 1))) == MVCC_READ_CONFLICT
    assert read_conflict(state, read("b", None)) == MVCC_READ_CONFLICT
    assert read_conflict(state, read("z", (1, 1))) == MVCC_READ_CONFLICT


def test_a_key_written_earlier_in_the_block_conflicts(state: State) -> None:
    state.write(("cc", "", b"b"), b"w", (2, 0))
    assert read_conflict(state, read("b", (1, 1))) == MVCC_READ_CONFLICT


def test_a_range_that_gained_or_lost_a_key_is_a_phantom(state: State) -> None:
    found = [("a", (1, 0)), ("b", (1, 1))]
    assert read_conflict(state, scan("a", "c", found)) == VALID
    state.write(("cc", "", b"aa"), b"w", (2, 0))
    assert read_conflict(state, scan("a", "c", found)) == PHANTOM_READ_CONFLICT
    state.write(("cc", "", b"aa"), None, (2, 1))
    assert read_conflict(state, scan("a", "c", found)) == VALID
    state.write(("cc", "", b"b"), None, (2, 2))
    assert read_conflict(state, scan("a", "c", found)) == PHANTOM_READ_CONFLICT


def test_a_range_read_that_stopped_early_includes_its_last_key(state: State) -> None:
    assert read_conflict(state, scan("a", "b", [("a", (1, 0)), ("b", (1, 1))], exhausted=False)) == VALID
    assert read_conflict(state, scan("a", "b", [("a", (1, 0)), ("b", (1, 1))])) == PHANTOM_READ_CONFLICT


def leaf(found: list[tuple[str, tuple[int, int]]]) -> bytes:
    reads = [kv_rwset_pb2.KVRead(key=k, version=version(*v)) for k, v in found]
    return sha256(kv_rwset_pb2.QueryReads(kv_reads=reads).SerializeToString()).digest()


def test_a_summary_has_leaves_of_one_more_than_the_degree() -> None:
    found = [(f"k{i}", (1, i)) for i in range(8)]
    assert range_summary(found[:2], 2) == (1, [])
    assert range_summary(found[:3], 2) == (1, [leaf(found[:3])])
    assert range_summary(found[:7], 2) == (2, [sha256(leaf(found[:3]) + leaf(found[3:6]) + leaf(found[6:7])).digest()])


@given(st.integers(0, 400), st.integers(2, 6))
def test_a_summary_never_has_more_hashes_than_its_degree(count: int, degree: int) -> None:
    found = [(f"k{i:04d}", (1, i)) for i in range(count)]
    level, hashes = range_summary(found, degree)
    assert len(hashes) <= degree
    assert (level, hashes) == range_summary(iter(found), degree)
    if count > degree:
        changed = [*found[:-1], (found[-1][0], (2, 0))]
        assert (level, hashes) != range_summary(changed, degree)


@pytest.mark.parametrize("degree", [0, 1])
def test_a_range_summary_of_a_degree_that_no_peer_takes_does_not_hold_and_ends(state: State, degree: int) -> None:
    query = kv_rwset_pb2.RangeQueryInfo(start_key="a", end_key="z", itr_exhausted=True)
    query.reads_merkle_hashes.max_degree = degree
    query.reads_merkle_hashes.max_level = 1
    assert read_conflict(state, action(kv_rwset_pb2.KVRWSet(range_queries_info=[query]))) == PHANTOM_READ_CONFLICT
