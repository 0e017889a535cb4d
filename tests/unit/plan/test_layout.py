"""The flat layout of the sums: order, words, ranges, the count of rows."""

from typing import Any

import numpy as np
import pytest

from fl_node.plan.errors import PlanError
from fl_node.plan.layout import Count, TensorLayout, word_for
from tests.unit.plan.samples import COUNT, LAYOUT, TENSORS, segment


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
    layout = TensorLayout(segments=(segment("value"),))
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
    with pytest.raises(ValueError, match=r"names differ|come first|one plain slot"):
        TensorLayout.model_validate(changes)
