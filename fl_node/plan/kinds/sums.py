"""The secure sums of a kind: real numbers of any sign as fixed point, and whole numbers, in the slots of one vector."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.plan.arithmetic.slots import COUNT_MAX, HELD, ONE, ROWS, slot
from fl_node.plan.errors import plan_error
from fl_node.plan.layout import Count, TensorLayout

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]
Numbers = Mapping[str, Any]

SUM_BITS: Final = 62
"""Bits of a cohort's sum: below 2⁶³ with the offset, so that no sum leaves its 64-bit ring."""

LOSS: Final = "loss"


@dataclass(frozen=True)
class Quantity:
    """One tensor of sums.

    Attributes:
        name: Unique in its kind.
        shape: The tensor's shape.
        magnitude: Real numbers: what one participant adds lies within ±2^magnitude. None: whole numbers from 0 on.
    """

    name: str
    shape: tuple[int, ...] = ()
    magnitude: int | None = None

    @property
    def segment(self) -> str:
        """The segment's name in the layout."""
        return f"value/{self.name}"


def half_bits(cohort: int) -> int:
    """Bits of the offset that stands for zero: so many cohorts' sums of twice as much fit."""
    return SUM_BITS - 1 - (cohort - 1).bit_length()


def unit(quantity: Quantity, cohort: int) -> float:
    """The step between two neighbours of a real quantity, a power of two: rounding errs by half of it."""
    assert quantity.magnitude is not None
    return math.ldexp(1.0, quantity.magnitude - half_bits(cohort))


def measured(*, evaluation: bool, magnitude: int) -> tuple[Quantity, ...]:
    """The losses that every kind sums: of the training rows, and of those that are held out."""
    parts = ("train", "evaluation") if evaluation else ("train",)
    return tuple(Quantity(f"{part}/{LOSS}", (), magnitude) for part in parts)


def make_layout(quantities: Sequence[Quantity], cohort: int, *, evaluation: bool) -> TensorLayout:
    """Lays out the slots; 64-bit words come first.

    Raises:
        PlanError: FL3008 where the sums do not fit.
    """
    largest = (1 << half_bits(cohort) + 1) - 2
    segments = [slot(ROWS, "count", COUNT_MAX, cohort)]
    if evaluation:
        segments.append(slot(HELD, "metric", COUNT_MAX, cohort))
    for one in quantities:
        most = COUNT_MAX if one.magnitude is None else largest
        segments.append(slot(one.segment, "value", most, cohort, one.shape))
    segments.append(slot(ONE, "one", 1, cohort))
    segments.sort(key=lambda segment: -segment.word)
    return TensorLayout(segments=tuple(segments), count=Count(segment=ROWS, numerator=1, denominator=1))


def to_slots(quantity: Quantity, values: Any, cohort: int) -> Integers:
    """What a participant puts into the slots of a quantity.

    Raises:
        PlanError: FL3030 for NaN or infinity, or another shape; FL3060 for what lies beyond the quantity's range.
    """
    array = np.asarray(values)
    if array.shape != quantity.shape:
        raise plan_error(codes.WORK_OUT_OF_SLOT, f"shape {list(array.shape)} for {list(quantity.shape)}", quantity.name)
    if quantity.magnitude is None:
        return array.astype(np.int64)
    if not np.isfinite(array).all():
        raise plan_error(codes.WORK_OUT_OF_SLOT, "a sum that is NaN or infinite", quantity.name)
    bits, limit = half_bits(cohort), math.ldexp(1.0, quantity.magnitude)
    largest = float(np.abs(array).max()) if array.size else 0.0
    scaled = np.rint(np.ldexp(np.clip(array, -limit, limit), bits - quantity.magnitude))
    if largest >= limit or np.abs(scaled).max() >= 2.0**bits:
        raise plan_error(codes.SUM_TOO_LARGE, f"{largest:.6g} where ±2^{quantity.magnitude} fits", quantity.name)
    return np.asarray(scaled.astype(np.int64) + ((1 << bits) - 1))


@dataclass(frozen=True)
class Totals:
    """The survivors' sums, each exact.

    Attributes:
        sums: Segment → its slots.
        participants: How many were added.
        cohort: The largest cohort, for which the slots were made.
    """

    sums: Mapping[str, NDArray[Any]]
    participants: int
    cohort: int

    @property
    def rows(self) -> int:
        """Training rows."""
        return int(self.sums[ROWS])

    @property
    def held(self) -> int:
        """Rows that are held out, 0 where none are."""
        return int(self.sums[HELD]) if HELD in self.sums else 0

    def whole(self, quantity: Quantity) -> Integers:
        """The sum of whole numbers, or of real ones in units (`unit`): without the offset, exact."""
        total = self.sums[quantity.segment].astype(np.int64)
        zero = 0 if quantity.magnitude is None else self.participants * ((1 << half_bits(self.cohort)) - 1)
        return np.asarray(total - zero, np.int64)

    def unit(self, quantity: Quantity) -> float:
        """The unit of `whole`."""
        return 1.0 if quantity.magnitude is None else unit(quantity, self.cohort)

    def real(self, quantity: Quantity) -> Doubles:
        """The sum of real numbers, rounded once."""
        return np.asarray(self.whole(quantity).astype(np.float64) * self.unit(quantity))
