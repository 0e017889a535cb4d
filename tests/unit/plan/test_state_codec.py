"""The state codec: the same bytes for the same state, nothing else accepted, deviations measured."""

import math
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from fl_node.canonical import canonical_json
from fl_node.plan.errors import PlanError
from fl_node.plan.state_codec import DTYPES, MAGIC, Leaf, compare_states, decode_state, encode_state, require_finite

dtypes = st.sampled_from(
    [np.bool_, np.int8, np.int32, np.int64, np.uint8, np.uint64, np.float16, np.float32, np.float64]
)
arrays = dtypes.flatmap(
    lambda dtype: nps.arrays(
        dtype,
        nps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements=nps.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
    )
)
texts = nps.arrays(np.object_, nps.array_shapes(min_dims=0, max_dims=2, max_side=3), elements=st.binary(max_size=9))
states = st.lists(st.tuples(st.text(max_size=9), arrays | texts).map(lambda pair: Leaf(*pair)), max_size=5)


@given(states)
def test_a_state_reads_back_and_encodes_to_the_same_bytes(leaves: list[Leaf]):
    blob = encode_state(leaves)
    found = decode_state(blob)
    assert [leaf.spec for leaf in leaves] == [leaf.spec for leaf in found]
    assert blob == encode_state(found)
    assert compare_states(blob, encode_state(found), 0.0) == 0.0


@given(states, st.data())
def test_a_state_cut_short_or_longer_is_refused(leaves: list[Leaf], data: st.DataObject):
    blob = encode_state(leaves)
    for wrong in (blob[: data.draw(st.integers(0, len(blob) - 1))], blob + b"\0"):
        with pytest.raises(PlanError, match="FL3020"):
            decode_state(wrong)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_state(raw: bytes):
    with pytest.raises(PlanError, match="FL3020"):
        decode_state(b"fedledger-state/1\n" + raw if len(raw) % 2 else raw)


sizes = st.integers(-1, 3) | st.sampled_from([1 << 31, 1 << 62, (1 << 64) - 1]) | st.booleans() | st.none()
entries = st.tuples(
    st.sampled_from(["w", "ü", 3]),
    st.sampled_from([*sorted(DTYPES), "float128", "object", 7]),
    st.lists(sizes, max_size=40),
)


def blob_of(header: object, leaves: bytes = b"") -> bytes:
    raw = canonical_json(header)
    return MAGIC + struct.pack(">I", len(raw)) + raw + leaves


@given(st.lists(entries.map(list), max_size=3), st.binary(max_size=64))
def test_whatever_a_header_announces_is_read_or_refused(header: list[object], leaves: bytes):
    good = encode_state([Leaf("w", np.zeros(2, np.float32))])
    with suppress(PlanError):
        decode_state(blob_of(header, leaves))
    with suppress(PlanError):
        compare_states(good, blob_of(header, leaves), 1e-6)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("float32", [0, 1 << 62]),
        ("string", [0, 1 << 62]),
        ("bool", [1] * 40 + [0]),
        ("bool", [1 << 40, 1 << 40, 0]),
        ("int8", [True, 0]),
        ("int8", [-1, 0]),
    ],
)
def test_a_shape_that_no_array_has_is_refused_even_without_numbers(dtype: str, shape: list[int]):
    with pytest.raises(PlanError, match="FL3020: header entry"):
        decode_state(blob_of([["w", dtype, shape]]))


def test_a_header_that_announces_more_texts_than_there_are_bytes_is_refused_before_any_is_read():
    with pytest.raises(PlanError, match="FL3020: truncated: 1000 of string announced, 3999 bytes left"):
        decode_state(blob_of([["w", "string", [1000]]], bytes(3999)))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_state_with_a_number_that_is_not_finite_is_no_state(number: float):
    with pytest.raises(PlanError, match=r"FL3022: .*\(w\)"):
        decode_state(state(1.0, number))


def test_the_largest_floats_may_lie_too_far_apart_to_measure():
    with pytest.raises(PlanError, match="FL3021: a deviation of inf"):
        compare_states(state(1.7e308), state(-1.7e308), 1e-6)


def state(*values: float, name: str = "w") -> bytes:
    return encode_state([Leaf(name, np.array(values, dtype=np.float64)), Leaf("n", np.array(3, dtype=np.int32))])


def test_states_within_the_tolerance_agree_and_the_deviation_is_told():
    assert compare_states(state(1.0, 100.0), state(1.00001, 100.0), 1e-6) == pytest.approx(1e-7)


@pytest.mark.parametrize("other", [state(1.0, 100.1), state(1.0), state(1.0, 100.0, name="v"), encode_state([])])
def test_states_that_differ_are_refused(other: bytes):
    with pytest.raises(PlanError, match="FL3021"):
        compare_states(state(1.0, 100.0), other, 1e-6)


def test_integers_must_be_equal():
    one, two = (encode_state([Leaf("n", np.array(n))]) for n in (1_000_000_000, 1_000_000_001))
    with pytest.raises(PlanError, match="FL3021"):
        compare_states(one, two, 1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_refused(value: float):
    with pytest.raises(PlanError, match=r"FL3022: .*\(w\)"):
        require_finite([Leaf("w", np.array([0.0, value]))])


def test_a_type_without_encoding_is_refused():
    with pytest.raises(PlanError, match="FL3009"):
        encode_state([Leaf("c", np.array(1j))])
