"""The plan file, the manifest, the layout and the state codec: deterministic, strict, refusing with codes."""

import hashlib
import io
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.container import Plan, pack_plan, read_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.layout import Count, Layout, Segment, word_for
from fl_node.plan.manifest import Batching, Manifest, parse_manifest
from fl_node.plan.state_codec import Leaf, compare_states, decode_state, encode_state, require_finite

SCHEMA = Schema(columns=(Column(name="a"), Column(name="b")), label=Label(name="y", values=("no", "yes")))


def segment(name: str, kind: Any = "value", **changes: Any) -> Segment:
    fields = {"word": 32, "ring": 32, "max": 1000, "slots": 6, "path": ("1", name), "shape": (2, 3), "dtype": "int32"}
    return Segment.model_validate({"name": name, "kind": kind, **fields, **changes})


ONE = segment("one", "one", max=1, slots=1, shape=())
COUNT = segment("count", "count", word=64, ring=64, max=1 << 40, slots=1, shape=(), dtype="int64")
LAYOUT = Layout(
    segments=(COUNT, segment("value"), ONE, segment("wrapped", ring=8, max=255, slots=1, shape=())),
    count=Count(segment="count", numerator=1, denominator=3),
)
TENSORS = [
    np.array(12, dtype=np.int64),
    np.arange(6, dtype=np.int32).reshape(2, 3),
    np.array(1, dtype=np.int32),
    np.array(200, dtype=np.int32),
]
FILES = {"initial.state": b"state", "prepare.pb": b"p", "update.pb": b"u", "work.pb": b"w" * 100}


def manifest(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "name": "test",
        "framework_version": "0.87.0",
        "cohort_max": 4,
        "layout": LAYOUT,
        "layout_digest": LAYOUT.digest(),
        "schema": SCHEMA,
        "schema_digest": SCHEMA.digest(),
        "batching": Batching(batch=1, epochs=3, holdout_percent=0),
        "evaluation": False,
        "metrics": ("loss",),
        "state": (),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()},
    }
    return Manifest.model_validate({**fields, **changes})


PACKED = pack_plan(manifest(), FILES)


def test_the_same_content_gives_the_same_file_whatever_its_order():
    assert pack_plan(manifest(), dict(reversed(FILES.items()))) == PACKED


def test_a_plan_reads_back_with_the_digest_of_its_file():
    plan = read_plan(PACKED)
    digest = hashlib.sha256(PACKED).hexdigest()
    computations = {"prepare": b"p", "update": b"u", "work": b"w" * 100}
    assert plan == Plan(manifest(), digest, b"state", computations)


def test_a_plan_with_another_digest_is_refused():
    with pytest.raises(PlanError, match="FL3002"):
        read_plan(PACKED, "0" * 64)


@given(st.integers(0, len(PACKED) - 1))
def test_a_truncated_plan_is_refused(length: int):
    with pytest.raises(PlanError, match=r"FL300[13]"):
        read_plan(PACKED[:length])


@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_a_plan_altered_in_any_byte_is_refused(place: int, flip: int):
    altered = bytearray(PACKED)
    altered[place] ^= flip
    with pytest.raises(PlanError, match=r"FL300[13]"):
        read_plan(bytes(altered))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_in_another_form_is_refused(compression: int):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in sorted({"manifest.json": manifest().canonical(), **FILES}.items()):
            archive.writestr(name, content)
    with pytest.raises(PlanError, match="FL3001"):
        read_plan(buffer.getvalue())


def test_bytes_after_the_archive_are_refused():
    with pytest.raises(PlanError, match="FL3001"):
        read_plan(PACKED + b"\0")


def test_a_file_that_the_manifest_does_not_name_is_refused():
    with pytest.raises(PlanError, match="FL3001: an entry is not the one that the manifest names"):
        read_plan(pack_plan(manifest(), {**FILES, "work.pb": b"another"}))


def test_a_manifest_reads_back():
    assert parse_manifest(manifest().canonical()) == manifest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name":"test"', b'"name":"Test"'),
        (b'"cohort_max":4', b'"cohort_max":4,"extra":1'),
        (b'"cohort_max":4', b'"cohort_max":4.0'),
        (b'"cohort_max":4', b'"cohort_max": 4'),
        (b'"max":1000', b'"max":1001'),
        (b'"maximum":null', b'"maximum":"1"'),
        (b'"name":"test"', b'"name":"test","name":"test"'),
    ],
)
def test_a_manifest_that_is_not_canonical_or_not_consistent_is_refused(old: bytes, new: bytes):
    raw = manifest().canonical()
    assert old in raw
    with pytest.raises(PlanError, match="FL3003"):
        parse_manifest(raw.replace(old, new, 1))


def test_a_vector_has_wide_words_first_and_zero_padding():
    vector = LAYOUT.pack(TENSORS)
    expected = (12).to_bytes(8, "little") + b"".join(n.to_bytes(4, "little") for n in (0, 1, 2, 3, 4, 5, 1, 200))
    assert vector == expected + b"\0" * 8
    assert len(vector) == LAYOUT.size


def test_a_vector_unpacks_to_its_tensors():
    for expected, found in zip(TENSORS, LAYOUT.unpack(LAYOUT.pack(TENSORS), 1), strict=True):
        assert expected.dtype == found.dtype
        assert expected.tolist() == found.tolist()


def test_rows_follow_from_the_count_slot_exactly():
    assert LAYOUT.rows(LAYOUT.pack(TENSORS)) == 4


def test_a_count_of_no_whole_rows_is_refused():
    with pytest.raises(PlanError, match="FL3032"):
        LAYOUT.rows(LAYOUT.pack([np.array(13, dtype=np.int64), *TENSORS[1:]]))


@pytest.mark.parametrize(
    ("place", "tensor"),
    [
        (1, np.full((2, 3), -1, dtype=np.int32)),
        (1, np.full((2, 3), 1001, dtype=np.int32)),
        (1, np.zeros((3, 2), dtype=np.int32)),
        (1, np.zeros((2, 3), dtype=np.int64)),
        (2, np.array(0, dtype=np.int32)),
        (3, np.array(256, dtype=np.int32)),
    ],
)
def test_a_number_outside_its_slot_is_refused_before_masking(place: int, tensor: Any):
    with pytest.raises(PlanError, match="FL3030"):
        LAYOUT.pack([*TENSORS[:place], tensor, *TENSORS[place + 1 :]])


def test_an_aggregate_of_wrong_size_or_with_padding_is_refused():
    vector = LAYOUT.pack(TENSORS)
    for wrong in (vector[:-1], vector + b"\0", vector[:-1] + b"\1"):
        with pytest.raises(PlanError, match="FL3031"):
            LAYOUT.unpack(wrong, 1)


def test_an_aggregate_beyond_what_survivors_can_sum_to_is_refused():
    layout = Layout(segments=(segment("value"),))
    sum_of_two = layout.pack([np.full((2, 3), 1000, dtype=np.int32)])
    doubled = bytes(np.frombuffer(sum_of_two, "<u4") * 2)
    assert layout.unpack(doubled, 2)[0].tolist() == [[2000] * 3] * 2
    with pytest.raises(PlanError, match="FL3032"):
        layout.unpack(doubled, 1)


def test_a_one_slot_must_equal_the_survivors():
    with pytest.raises(PlanError, match="FL3033"):
        LAYOUT.unpack(LAYOUT.pack(TENSORS), 2)


@pytest.mark.parametrize(
    ("bits", "cohort", "word"), [(22, 4, 32), (23, 4, 64), (19, 20, 32), (20, 20, 64), (17, 100, 32)]
)
def test_the_ring_follows_from_bits_and_the_largest_cohort(bits: int, cohort: int, word: int):
    assert word_for((1 << bits) - 1, cohort) == word


@pytest.mark.parametrize(
    "changes",
    [
        {"segments": (segment("a"), segment("a"))},
        {"segments": (segment("a"), COUNT)},
        {"segments": (segment("a"),), "count": Count(segment="b", numerator=1, denominator=1)},
        {"segments": (segment("a"),), "count": Count(segment="a", numerator=1, denominator=1)},
    ],
)
def test_an_inconsistent_layout_is_refused(changes: dict[str, Any]):
    with pytest.raises(ValueError, match=r"twice|come first|no segment|one slot"):
        Layout.model_validate(changes)


dtypes = st.sampled_from(
    [np.bool_, np.int8, np.int32, np.int64, np.uint8, np.uint64, np.float16, np.float32, np.float64]
)
arrays = dtypes.flatmap(
    lambda dtype: nps.arrays(dtype, nps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
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


def state(*values: float, name: str = "w") -> bytes:
    return encode_state([Leaf(name, np.array(values, dtype=np.float64)), Leaf("n", np.array(3, dtype=np.int32))])


def test_states_within_the_tolerance_agree_and_the_deviation_is_told():
    assert compare_states(state(1.0, 100.0), state(1.00001, 100.0), 1e-6) == pytest.approx(1e-7)


@pytest.mark.parametrize(
    "other", [state(1.0, 100.1), state(1.0), state(1.0, 100.0, name="v"), state(1.0, float("nan"))]
)
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
