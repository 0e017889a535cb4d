"""What survivors weigh: by their declared rows, whatever anybody masked."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node.canonical import canonical_json
from fl_node.plan.cli import warnings
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.layout import TensorLayout
from fl_node.plan.weights import WeightRule, weighed
from tests.unit.plan.conftest import add
from tests.unit.plan.samples import LAYOUT, TENSORS, manifest, segment

SEGMENT = segment("weight", "weight", max=127, slots=1, shape=())
WITH_WEIGHT = TensorLayout(segments=(*LAYOUT.segments, SEGMENT), count=LAYOUT.count)
RULE = WeightRule(segment="weight", numerator=2, denominator=1, cap=64)
ROWS = st.lists(st.integers(1, 200), min_size=1, max_size=8)


def vector(weight: int) -> bytes:
    return WITH_WEIGHT.pack([*TENSORS, np.array(weight, dtype=np.int32)])


def total(rows: list[int], added: int = 0) -> bytes:
    """The sum of honest vectors; one of them had a number added to its weight, modulo the ring."""
    summed = bytearray(add(WITH_WEIGHT, [vector(RULE.weight(count)) for count in rows]))
    slot = WITH_WEIGHT.flat.segment("weight").view(summed)
    slot += np.array(added % (1 << 32), slot.dtype)
    return bytes(summed)


def divisor(aggregate: bytes) -> int:
    return int(WITH_WEIGHT.flat.segment("weight").view(aggregate)[0])


@pytest.mark.parametrize(
    ("numbers", "rows", "weight"),
    [((2, 1, 64), 1, 2), ((2, 1, 64), 32, 64), ((2, 1, 64), 33, 64), ((1, 3, 64), 8, 2), ((1, 1, 1), 500, 1)],
)
def test_a_weight_is_the_rows_times_a_ratio_rounded_down_up_to_a_cap(
    numbers: tuple[int, int, int], rows: int, weight: int
):
    numerator, denominator, cap = numbers
    rule = WeightRule(segment="weight", numerator=numerator, denominator=denominator, cap=cap)
    assert rule.weight(rows) == weight


@given(ROWS, st.integers(-(1 << 31), 1 << 31))
def test_whatever_a_participant_adds_to_its_weight_the_divisor_is_the_same_or_no_state_follows(
    rows: list[int], added: int
):
    aggregate = total(rows, added)
    if divisor(aggregate) > divisor(total(rows)):
        with pytest.raises(PlanError, match=r"FL3034: a weight of \d+ where the declared rows give at most \d+"):
            weighed(WITH_WEIGHT, [RULE], aggregate, rows)
    else:
        assert weighed(WITH_WEIGHT, [RULE], aggregate, rows) == total(rows)


@given(ROWS, st.integers(1, 50))
def test_rounded_up_counts_refuse_no_honest_sum_and_never_enlarge_the_step(rows: list[int], bucket: int):
    declared = [-(-count // bucket) * bucket for count in rows]
    found = divisor(weighed(WITH_WEIGHT, [RULE], total(rows), declared))
    assert divisor(total(rows)) <= found == sum(map(RULE.weight, declared))


def test_a_zeroed_update_counts_with_its_rows():
    rows = [10, 20]
    assert divisor(weighed(WITH_WEIGHT, [RULE], add(WITH_WEIGHT, [vector(20), vector(0)]), rows)) == 60


def test_a_sum_of_weights_below_zero_is_one_far_above():
    with pytest.raises(PlanError, match=r"FL3034: a weight of 4294967295 .*\(weight\)"):
        weighed(WITH_WEIGHT, [RULE], total([5, 5], -21), [5, 5])


def test_a_sum_of_another_size_is_refused():
    with pytest.raises(PlanError, match="FL3031"):
        weighed(WITH_WEIGHT, [RULE], vector(4)[:-16], [2])


def planned(**changes: Any) -> Any:
    return manifest(layout=WITH_WEIGHT, layout_digest=WITH_WEIGHT.digest(), **{"weights": (RULE,), **changes})


def test_a_manifest_holds_its_rules_and_weighs_by_them():
    read = parse_manifest(planned().canonical())
    assert read.weights == (RULE,)
    assert read.weighed(total([5, 5], -19), [5, 5]) == total([5, 5])
    pairs = zip(read.tensors(total([5, 5], -19), [5, 5]), WITH_WEIGHT.unpack(total([5, 5]), 2), strict=True)
    assert all((mine == theirs).all() and mine.shape == theirs.shape for mine, theirs in pairs)
    assert not any("weights" in warning for warning in warnings(read))


@pytest.mark.parametrize(
    "rules",
    [
        (),
        (RULE, RULE),
        (RULE.model_copy(update={"segment": "value"}),),
        (RULE.model_copy(update={"cap": 128}),),
        (RULE.model_copy(update={"numerator": 4, "denominator": 2}),),
    ],
    ids=["none", "twice", "another slot's", "beyond the slot", "not in lowest terms"],
)
def test_a_manifest_without_the_one_rule_of_each_named_weight_is_refused(rules: tuple[WeightRule, ...]):
    fields = planned().model_dump(mode="json", by_alias=True)
    fields["weights"] = [rule.model_dump() for rule in rules]
    with pytest.raises(PlanError, match="FL3003"):
        parse_manifest(canonical_json(fields))


def test_a_weight_without_a_name_of_its_own_is_taken_from_the_sum_and_voters_are_warned():
    guessed = segment("1/5", "weight", max=127, slots=1, shape=(), path=("1", "5"))
    layout = TensorLayout(segments=(*LAYOUT.segments, guessed), count=LAYOUT.count)
    found = manifest(layout=layout, layout_digest=layout.digest())
    assert found.weighed(vector(100), [4]) == vector(100)
    assert "declared rows do not bound the weights 1/5: one survivor could enlarge the step" in warnings(found)
