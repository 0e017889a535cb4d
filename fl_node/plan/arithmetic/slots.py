"""The slots of an update: which there are, and real numbers of any sign in them as fixed point with an offset."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.private import FRACTION_BITS
from fl_node.plan.errors import plan_error
from fl_node.plan.layout import Count, TensorLayout, TensorSegment
from fl_node.plan.weights import WeightRule
from fl_node.secagg.layout import HEADROOM

Shapes = Sequence[Sequence[int]]

OFFSET: Final = 1 << 47
"""Stands for zero: a participant's measure ranges over ±2³¹ in steps of 2⁻¹⁶; what is beyond saturates."""

COUNT_MAX: Final = (1 << 40) - 1
"""The most rows of one participant."""

ROWS: Final = "metric/train/num_examples"
HELD: Final = "metric/evaluation/num_examples"
WEIGHT: Final = "weight"
CLIPPED: Final = "metric/clipped"
ZEROED: Final = "metric/zeroed"
CONTRIBUTION: Final = "metric/contribution"
"""What each group of the round before contributed, as this participant finds; the rule over groups aggregates it."""
NOTHING: Final = 1 << 31
"""Stands for no contribution: there is room for ±2¹⁵ of the loss in steps of 2⁻¹⁶."""
ONE: Final = "one"
CONTROL_VALUE: Final = "value/control/"
CHOSEN: Final = "value/chosen"
"""The numbers of an update that travel, where not all do, in the order of their places (`chosen`)."""


def parts(*, evaluation: bool) -> tuple[str, ...]:
    """What is measured: the hold-out before the work, where there is one, and the training rows during it."""
    return ("evaluation", "train") if evaluation else ("train",)


def make_layout(averaging: Averaging, trained: Shapes, kept: Shapes, cohort: int, *, evaluation: bool) -> TensorLayout:
    """Lays out the slots for a model; 64-bit words come first.

    Args:
        averaging: The arithmetic's constants.
        trained: The shapes of the trained weights.
        kept: Those of the other weights, which are averaged unless they stay with each participant.
        cohort: The largest cohort; every sum of so many fits its slot.
        evaluation: Whether there is a hold-out.

    Raises:
        PlanError: FL3008 where the sums do not fit.
    """
    quantisation, segments = averaging.quantisation, []
    for part in parts(evaluation=evaluation):
        counted = ROWS if part == "train" else HELD
        segments += [slot(f"metric/{part}/{name}", "metric", 2 * OFFSET - 1, cohort) for name in averaging.measured]
        segments.append(slot(counted, "count" if counted == ROWS else "metric", COUNT_MAX, cohort))
    most = 2 * centre(averaging)
    averaged, controlled = () if averaging.local else kept, trained if averaging.scaffold else ()
    if averaging.compression:
        count = averaging.compression.count(sum(map(math.prod, trained)))
        segments.append(slot(CHOSEN, "value", most, cohort, (count,)))
        trained = ()
    for name, shapes in (("trainable", trained), ("non_trainable", averaged), ("control", controlled)):
        segments += [slot(f"value/{name}/{at}", "value", most, cohort, shape) for at, shape in enumerate(shapes)]
    segments.append(slot(WEIGHT, "weight", quantisation.weight_cap or 1, cohort))
    if averaging.contribution:
        segments.append(slot(CONTRIBUTION, "metric", 2 * NOTHING - 1, cohort, (averaging.contribution,)))
    segments += [slot(CLIPPED, "metric", 1, cohort), slot(ZEROED, "metric", 1, cohort), slot(ONE, "one", 1, cohort)]
    segments.sort(key=lambda segment: -segment.word)
    return TensorLayout(segments=tuple(segments), count=Count(segment=ROWS, numerator=1, denominator=1))


def weight_rule(averaging: Averaging) -> WeightRule:
    """A participant weighs its rows up to the cap; each weighs 1 where there is none."""
    return WeightRule(segment=WEIGHT, numerator=1, denominator=1, cap=averaging.quantisation.weight_cap or 1)


def metric_names(measured: Sequence[str], *, evaluation: bool, groups: int = 0) -> tuple[str, ...]:
    """The names of the metrics, sorted, as a manifest lists them."""
    told = [contribution_name(group) for group in range(groups)]
    named = [f"{part}/{name}" for part in parts(evaluation=evaluation) for name in (*measured, "num_examples")]
    return tuple(sorted(["aggregation/clipped", "aggregation/zeroed", *told, *named]))


def contribution_name(group: int) -> str:
    """What the ledger's rules know a group's contribution by: a whole number of 2⁻¹⁶ of the loss."""
    return f"contribution/{group}"


def half(bits: int) -> int:
    """The largest magnitude that an update of so many bits has in a value slot, before any noise."""
    return int(2 ** (bits - 1) - 1)


def centre(averaging: Averaging) -> int:
    """What stands for zero in a value slot: there is room for an update's magnitude on either side, and for noise."""
    return half(averaging.quantisation.bits) + (averaging.privacy.tail if averaging.privacy else 0)


def to_slot(value: float, name: str) -> int:
    """A measure as fixed point with the offset.

    Raises:
        PlanError: FL3030 for NaN or infinity.
    """
    if not math.isfinite(value):
        raise plan_error(codes.WORK_OUT_OF_SLOT, f"a measure of {value}", name)
    limit = float(OFFSET - 1)
    return round(min(max(value * 2.0**FRACTION_BITS, -limit), limit)) + OFFSET


def from_slots(total: int, participants: int, rows: int) -> float:
    """The mean over rows of a summed measure: the exact quotient of two integers, rounded once; 0 without rows."""
    return (total - participants * OFFSET) / (rows << FRACTION_BITS) if rows else 0.0


def mean(
    averaging: Averaging, sums: Mapping[str, NDArray[Any]], name: str, participants: int, clip: float
) -> NDArray[np.float64]:
    """The mean of a value segment's sum; zeros where nobody has a row. Its integers are below 2⁵³: exact as doubles.

    Args:
        averaging: The arithmetic's constants.
        sums: Segment → its sum.
        name: The segment.
        participants: How many were added.
        clip: The norm that its values were clipped to.
    """
    unit = clip * (averaging.quantisation.weight_cap or 1) / half(averaging.quantisation.bits)
    zero = participants * centre(averaging)
    centred = (sums[name].astype(np.int64) - zero).astype(np.float64)
    divisor = float(sums[WEIGHT])
    return (centred * unit) / divisor if divisor else centred * 0.0


def slot(name: str, kind: Any, most: int, cohort: int, shape: Sequence[int] = ()) -> TensorSegment:
    """Makes the segment of a tensor whose numbers reach from 0 to `most`, in the smallest word that holds their sums.

    Raises:
        PlanError: FL3008 where a cohort's sums do not fit.
    """
    narrow = most * cohort < 1 << (32 - HEADROOM)
    if not narrow and most * cohort >= 1 << 63:
        raise plan_error(codes.SLOT_OVERFLOW, f"{cohort} participants of up to {most}", name)
    word = 32 if narrow else 64
    return TensorSegment(
        name=name,
        kind=kind,
        word=32 if narrow else 64,
        ring=word,
        max=most,
        slots=math.prod(shape),
        path=tuple(name.split("/")),
        shape=tuple(shape),
        dtype="int32" if narrow else "int64",
    )
