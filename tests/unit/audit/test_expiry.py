"""What private data's time ends, and what of a key's policy outlives a write."""

from collections.abc import Iterable

import pytest
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import db_pb2

from audit.fabric.envelope import Action
from audit.fabric.expiry import expire
from audit.fabric.lifecycle import LIFECYCLE
from audit.fabric.mvcc import VALIDATION_PARAMETER, apply_writes
from audit.fabric.state import Place, State

BRIEF, EVER, PUBLIC = ("cc", "brief", b"k"), ("cc", "ever", b"k"), ("cc", "", b"k")


@pytest.fixture
def state() -> State:
    """A chaincode with a collection whose values live for two blocks, and one whose values stay."""
    package = collection_pb2.CollectionConfigPackage()
    for name, lives in (("brief", 2), ("ever", 0)):
        static = collection_pb2.StaticCollectionConfig(name=name, block_to_live=lives)
        package.config.add(static_collection_config=static)
    held = db_pb2.StateData(Bytes=package.SerializeToString()).SerializeToString()
    book = State(":memory:")
    book.begin_block()
    book.write((LIFECYCLE, "", b"namespaces/fields/cc/Collections"), held, (1, 0))
    book.finish_block(1, [])
    return book


def block(state: State, number: int, writes: Iterable[Place] = (), deletes: Iterable[Place] = ()) -> None:
    state.begin_block()
    for place in writes:
        state.write(place, b"v", (number, 0))
    for place in deletes:
        state.write(place, None, (number, 0))
    expire(state, number)
    state.finish_block(number, [])


def test_a_value_is_gone_after_the_last_block_of_its_time_and_another_stays(state: State) -> None:
    block(state, 5, [BRIEF, EVER, PUBLIC])
    for number in (6, 7):
        block(state, number)
        assert state.get(BRIEF) is not None
    block(state, 8)
    assert state.get(BRIEF) is None
    assert None not in (state.get(EVER), state.get(PUBLIC))


@pytest.mark.parametrize("again", [6, 7, 8])
def test_a_value_that_is_written_again_has_its_time_anew(state: State, again: int) -> None:
    block(state, 5, [BRIEF])
    for number in range(6, again + 3):
        block(state, number, [BRIEF] if number == again else [])
        assert state.get(BRIEF) is not None
    block(state, again + 3)
    assert state.get(BRIEF) is None


def test_a_deleted_value_that_came_back_lives_by_its_last_write(state: State) -> None:
    block(state, 5, [BRIEF])
    block(state, 6, deletes=[BRIEF])
    block(state, 7, [BRIEF])
    block(state, 8)
    block(state, 9)
    assert state.get(BRIEF) is not None
    block(state, 10)
    assert state.get(BRIEF) is None


def action(value: bytes | None = None, policy: bytes | None = None, *, delete: bool = False) -> Action:
    """Return a transaction that writes a value, a policy or both to the public key."""
    rwset = kv_rwset_pb2.KVRWSet()
    if value is not None or delete:
        rwset.writes.add(key="k", value=value or b"", is_delete=delete)
    if policy is not None:
        rwset.metadata_writes.add(key="k").entries.add(name=VALIDATION_PARAMETER, value=policy)
    namespace = rwset_pb2.NsReadWriteSet(namespace="cc", rwset=rwset.SerializeToString())
    return Action("cc", "1", (), (200, "", ""), b"", (), (namespace,), None, proposal_hash_holds=True)


def after(state: State, *actions: Action) -> tuple[object, bytes]:
    """Return what a key holds after a block, and its policy."""
    state.begin_block()
    for at, each in enumerate(actions):
        apply_writes(state, each, (9, at))
    state.finish_block(9, [])
    return state.get(PUBLIC), state.policy(PUBLIC)


def test_a_policy_stays_with_its_key_and_gives_it_a_new_version(state: State) -> None:
    assert after(state, action(b"1"), action(policy=b"p")) == ((b"1", (9, 1)), b"p")
    assert after(state, action(b"2")) == ((b"2", (9, 0)), b"p")
    assert after(state, action(policy=b"")) == ((b"2", (9, 0)), b"")


def test_a_policy_ends_with_its_key_and_none_comes_without_one(state: State) -> None:
    assert after(state, action(policy=b"p")) == (None, b"")
    assert after(state, action(b"1", b"p")) == ((b"1", (9, 0)), b"p")
    assert after(state, action(policy=b"q", delete=True), action(b"2")) == ((b"2", (9, 1)), b"")
