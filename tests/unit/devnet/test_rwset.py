"""The expected trees are those that query_results_helper_test.go of Fabric builds by hand."""

import hashlib

import pytest

from network.devnet import protos as p
from network.devnet.rwset import MAX_DEGREE, NamespaceSet, RangeRead, RangeSummary, kv_read, transaction_set


def results(count):
    return [(f"key_{n}", (1, n)) for n in range(count)]


def summarised(count, degree):
    summary = RangeSummary(degree)
    for key, version in results(count):
        summary.add(key, version)
    return summary.finish()


def leaf(reads):
    message = p.kvrwset.QueryReads(kv_reads=[kv_read(k, v) for k, v in reads])
    return hashlib.sha256(message.SerializeToString()).digest()


def leaves(count, degree):
    reads = results(count)
    return [leaf(reads[start : start + degree + 1]) for start in range(0, count, degree + 1)]


def combine(*hashes):
    return hashlib.sha256(b"".join(hashes)).digest()


def tree(degree, level, *hashes):
    return p.kvrwset.QueryReadsMerkleSummary(max_degree=degree, max_level=level, max_level_hashes=hashes)


def test_no_results_need_no_tree():
    assert ([], None) == RangeSummary(3).finish()


@pytest.mark.parametrize("count", [1, 3])
def test_up_to_the_degree_results_stay_as_they_are(count):
    assert ([kv_read(k, v) for k, v in results(count)], None) == summarised(count, 3)


def test_one_more_than_the_degree_becomes_one_hash():
    assert ([], tree(3, 1, *leaves(4, 3))) == summarised(4, 3)


def test_one_level():
    assert ([], tree(3, 1, *leaves(9, 3))) == summarised(9, 3)


def test_two_levels():
    h = leaves(25, 3)
    assert ([], tree(3, 2, combine(*h[:4]), combine(*h[4:]))) == summarised(25, 3)


def test_three_levels_with_a_lonely_leaf_carried_up():
    h = leaves(65, 3)
    second = [combine(*h[i : i + 4]) for i in range(0, 16, 4)]
    assert ([], tree(3, 3, combine(*second), h[16])) == summarised(65, 3)


def test_a_top_level_that_overflows_at_the_end_gets_one_more():
    h = leaves(24, 2)
    second = [combine(*h[0:3]), combine(*h[3:6]), combine(*h[6:8])]
    assert ([], tree(2, 3, combine(*second))) == summarised(24, 2)


def test_an_empty_first_level_is_skipped_at_the_end():
    h = leaves(45, 2)
    second = [combine(*h[i : i + 3]) for i in range(0, 15, 3)]
    assert ([], tree(2, 3, combine(*second[:3]), combine(*second[3:]))) == summarised(45, 2)


def test_fabric_summarises_above_fifty_results():
    assert MAX_DEGREE == 50
    assert summarised(50, MAX_DEGREE)[1] is None
    assert ([], tree(50, 1, *leaves(51, 50))) == summarised(51, MAX_DEGREE)


def test_a_degree_below_two_is_refused():
    with pytest.raises(ValueError, match="must not be less than 2"):
        RangeSummary(1)


def test_a_range_ends_at_the_last_key_seen_until_its_end_was_seen():
    read = RangeRead("a", "z")
    read.saw("b", (1, 0))
    assert ("b", False) == (read.message().end_key, read.message().itr_exhausted)
    read.saw_end()
    assert ("z", True) == (read.message().end_key, read.message().itr_exhausted)


def test_sets_are_the_same_bytes_whatever_the_order_of_reads_and_writes():
    one = NamespaceSet(reads={"b": (1, 0), "a": None}, writes={"y": b"1", "x": None})
    two = NamespaceSet(reads={"a": None, "b": (1, 0)}, writes={"x": None, "y": b"1"})
    assert transaction_set({"n": one, "m": two}) == transaction_set({"m": two, "n": one})
    message = one.message()
    assert [("a", False), ("b", True)] == [(r.key, r.HasField("version")) for r in message.reads]
    assert [("x", True, b""), ("y", False, b"1")] == [(w.key, w.is_delete, w.value) for w in message.writes]


def test_keys_sort_as_their_utf_8_bytes():
    keys = ["\U0001f600", "\uffee", "z", "\x00a\x00", "é"]
    ordered = [r.key for r in NamespaceSet(reads=dict.fromkeys(keys)).message().reads]
    assert sorted(keys, key=str.encode) == ordered


def test_an_empty_value_deletes():
    (write,) = NamespaceSet(writes={"k": b""}).message().writes
    assert write.is_delete


def test_the_same_range_read_twice_is_noted_once():
    first, second = RangeRead("a", "b"), RangeRead("a", "b")
    first.saw_end()
    second.saw_end()
    assert len(NamespaceSet(ranges=[first, second]).message().range_queries_info) == 1
