"""Random histories, checked by the rules and by a naive twin that re-runs every read on plain dictionaries."""

from hypothesis import given, settings
from hypothesis import strategies as st

from network.devnet import mvcc
from network.devnet.mvcc import MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, VALID, Updates
from network.devnet.rwset import NamespaceSet, RangeRead

KEYS = [f"k{n:03d}" for n in range(70)]
NS = "cc"


class State:
    """The committed state as a dictionary of versions."""

    def __init__(self, versions):
        self.entries = dict(versions)

    def get(self, namespace, key):
        version = self.version(namespace, key)
        return None if version is None else (b"value", version)

    def version(self, namespace, key):
        return self.entries.get(key) if namespace == NS else None

    def metadata_entries(self, *_):
        return []

    def versions(self, namespace, start, end):
        if namespace == NS:
            yield from sorted((k, v) for k, v in self.entries.items() if k >= start and (not end or k < end))


def simulate(state, reads, ranges, writes):
    """Return the set of a transaction that saw a state."""
    made = NamespaceSet(reads={key: state.version(NS, key) for key in reads}, writes=writes)
    for start, end, limit in ranges:
        read = RangeRead(start, end)
        for count, (key, version) in enumerate(state.versions(NS, start, end)):
            if count == limit:
                break
            read.saw(key, version)
        else:
            read.saw_end()
        if read.end or read.exhausted:
            made.ranges.append(read)
    return made


def twin(before, now, touched, reads, ranges):
    """Say what a transaction is worth by re-running its reads: `before` is what it saw, `now` what there is.

    A key that the block has touched conflicts even where it was absent before and is absent again.
    """
    if touched & set(reads):
        return MVCC_READ_CONFLICT
    for start, end, limit in ranges:
        saw = sorted((k, v) for k, v in before.items() if k >= start and (not end or k < end))
        if len(saw) <= limit:
            same = sorted((k, v) for k, v in now.items() if k >= start and (not end or k < end)) == saw
        elif limit == 0:
            continue
        else:
            last = saw[limit - 1][0]
            same = sorted((k, v) for k, v in now.items() if start <= k <= last) == saw[:limit]
        if not same:
            return PHANTOM_READ_CONFLICT
    return VALID


keys = st.sampled_from(KEYS)
ranges = st.tuples(st.sampled_from(["", "k", *KEYS]), st.sampled_from(["", *KEYS]), st.integers(0, 80))
transactions = st.tuples(
    st.frozensets(keys, max_size=3),
    st.lists(ranges, max_size=2),
    st.dictionaries(keys, st.sampled_from([b"v", None]), max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(st.frozensets(keys), st.lists(transactions, min_size=1, max_size=6))
def test_a_block_is_serialised_as_a_naive_twin_does(present, block):
    committed = State({key: (1, n) for n, key in enumerate(sorted(present))})
    updates, now, touched = Updates(), dict(committed.entries), set()
    for position, (reads, ranged, writes) in enumerate(block):
        message = {NS: simulate(committed, reads, ranged, writes).message()}
        code = mvcc.validate(message, committed, updates)
        assert twin(committed.entries, now, touched, reads, ranged) == code
        if code == VALID:
            updates.apply(message, (2, position), committed)
            touched |= writes.keys()
            for key, value in writes.items():
                now.pop(key, None)
                if value is not None:
                    now[key] = (2, position)


def test_a_blind_write_never_conflicts():
    state, updates = State({"k": (1, 0)}), Updates()
    message = {NS: NamespaceSet(writes={"k": b"1"}).message()}
    assert [VALID, VALID] == [validate_and_apply(message, state, updates, n) for n in range(2)]


def validate_and_apply(message, state, updates, position):
    code = mvcc.validate(message, state, updates)
    updates.apply(message, (2, position), state)
    return code


def test_a_read_of_a_key_written_earlier_in_the_block_conflicts():
    state, updates = State({"k": (1, 0)}), Updates()
    read = {NS: NamespaceSet(reads={"k": (1, 0)}, writes={"k": b"2"}).message()}
    assert [VALID, MVCC_READ_CONFLICT] == [validate_and_apply(read, state, updates, n) for n in range(2)]


def test_a_key_that_appears_in_a_long_range_is_a_phantom():
    entries = {key: (1, n) for n, key in enumerate(KEYS) if key != "k030"}
    seen = simulate(State(entries), [], [("", "", 1000)], {})
    message = {NS: seen.message()}
    assert message[NS].range_queries_info[0].HasField("reads_merkle_hashes")
    assert mvcc.validate(message, State(entries), Updates()) == VALID
    assert mvcc.validate(message, State(entries | {"k030": (2, 0)}), Updates()) == PHANTOM_READ_CONFLICT


def test_a_key_beyond_what_an_unfinished_range_saw_is_no_phantom():
    entries = {key: (1, n) for n, key in enumerate(KEYS[:10])}
    message = {NS: simulate(State(entries), [], [("", "", 5)], {}).message()}
    assert mvcc.validate(message, State(entries | {"k099": (2, 0)}), Updates()) == VALID
    assert mvcc.validate(message, State(entries | {"k004": (2, 0)}), Updates()) == PHANTOM_READ_CONFLICT


def test_reads_in_another_namespace_are_checked_too():
    message = {"_lifecycle": NamespaceSet(reads={"namespaces/fields/cc/Sequence": (1, 0)}).message()}
    assert mvcc.validate(message, State({}), Updates()) == MVCC_READ_CONFLICT
