"""The edges of a layout's ranges: the largest value that is taken, and the smallest that is not."""

import numpy as np
import pytest

from fl_node.secagg.errors import SecaggError
from fl_node.secagg.layout import MAX_BYTES, Layout
from fl_node.secagg.unmask import MOST_ROWS, _rows

VALUE = {"name": "v", "kind": "value", "word": 64, "ring": 64, "max": 1000, "slots": 2}
MODULAR = {"name": "m", "kind": "value", "word": 64, "ring": 20, "max": 1000, "slots": 2}
COUNT = {"name": "n", "kind": "count", "word": 64, "ring": 64, "max": 1 << 40, "slots": 1}


def layout(*segments: dict[str, object], count: dict[str, object] | None = None) -> Layout:
    return Layout.from_fields({"version": 1, "segments": list(segments), "count": count})


def vector(made: Layout, name: str, value: int) -> bytes:
    raw = bytearray(made.length)
    next(segment for segment in made.segments if segment.name == name).view(raw)[0] = value
    return bytes(raw)


@pytest.mark.parametrize(("segment", "most"), [(VALUE, 1000), (MODULAR, (1 << 20) - 1)])
def test_a_slot_takes_its_largest_value_and_refuses_the_next(segment: dict[str, object], most: int):
    made = layout(segment)
    name = str(segment["name"])
    made.check_vector(vector(made, name, most))
    with pytest.raises(SecaggError, match="FL4105"):
        made.check_vector(vector(made, name, most + 1))


def test_what_is_packed_lies_in_its_range_and_modular_slots_are_reduced():
    made = layout(VALUE, MODULAR)
    for outside in (-1, 1001):
        with pytest.raises(SecaggError, match="FL4105"):
            made.pack({"v": [outside, 0], "m": [0, 0]})
    packed = made.unpack(made.pack({"v": [1000, 0], "m": [(1 << 20) + 5, -1]}))
    assert packed["v"].tolist() == [1000, 0]
    assert packed["m"].tolist() == [5, (1 << 20) - 1]


def test_a_segment_has_as_many_slots_as_a_vector_can_hold_and_no_more():
    words = {**VALUE, "word": 32, "ring": 32}
    assert layout({**words, "slots": MAX_BYTES // 4}).segments[0].slots == MAX_BYTES // 4
    for slots in (0, MAX_BYTES // 4 + 1):
        with pytest.raises(SecaggError, match="FL4104"):
            layout({**words, "slots": slots})


def test_counted_rows_are_rounded_down_and_end_at_the_largest_number_that_the_ledger_takes():
    third = {"segment": "n", "numerator": 1, "denominator": 3}
    made = layout(COUNT, count=third)
    assert _rows(made, bytearray(vector(made, "n", 11))) == 3
    many = layout({**COUNT, "max": 1 << 60}, count={"segment": "n", "numerator": 1 << 20, "denominator": 1})
    assert _rows(many, bytearray(vector(many, "n", 1 << 60))) == MOST_ROWS == np.iinfo(np.uint64).max
