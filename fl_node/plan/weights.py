"""What each survivor weighs in a mean: by the rows that it declared on the ledger, not by the sum of masked weights."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from fl_node import codes
from fl_node.data.schema import Model
from fl_node.plan.errors import plan_error
from fl_node.plan.layout import TensorLayout, TensorSegment
from fl_node.secagg.layout import Vector


class WeightRule(Model):
    """A participant's weight by its training rows: min(⌊rows · numerator / denominator⌋, cap).

    Attributes:
        segment: The weight's segment: one slot of a plain ring.
        numerator: With the denominator in lowest terms.
        cap: The largest weight of one participant. Invariant: the slot holds it. An unweighted mean has 1/1 and cap 1.
    """

    segment: str
    numerator: int = Field(ge=1, lt=1 << 63)
    denominator: int = Field(ge=1, lt=1 << 63)
    cap: int = Field(ge=1, lt=1 << 63)

    def weight(self, rows: int) -> int:
        """The weight of a participant with so many rows; more rows never weigh less."""
        return min(rows * self.numerator // self.denominator, self.cap)


def named_weights(layout: TensorLayout) -> list[TensorSegment]:
    """Lists the segments that a plan itself calls weight, in the layout's order.

    Others of that kind were told by what they move (TFF's own aggregators): their scale may change with the state, so
    that they follow no rule.
    """
    return [segment for segment in layout.segments if segment.kind == "weight" and "weight" in segment.path]


def ruleless_weights(layout: TensorLayout) -> list[TensorSegment]:
    """Lists the weights that a plan does not name, so that no rule bounds what a survivor may add to them."""
    named = named_weights(layout)
    return [segment for segment in layout.segments if segment.kind == "weight" and segment not in named]


def can_follow(segment: TensorSegment) -> bool:
    """Whether a weight's segment is of the form that a rule is for: one slot, no modular sum."""
    return segment.slots == 1 and segment.ring == segment.word


def declared(
    layout: TensorLayout, rules: Sequence[WeightRule], aggregate: Vector, counts: Sequence[int]
) -> dict[str, int]:
    """What the declared rows weigh, by the segment that holds the masked weights' sum; arguments as `weighed`.

    Raises:
        PlanError: FL3031 for a sum of another size, FL3034 for a weight above what the declared rows allow.
    """
    if len(aggregate) != layout.size:
        raise plan_error(codes.AGGREGATE_SIZE, f"{len(aggregate)} bytes where the layout has {layout.size}")
    weights = {rule.segment: sum(map(rule.weight, counts)) for rule in rules}
    for segment, most in weights.items():
        found = int(layout.flat.segment(segment).view(aggregate)[0])
        if found > most:
            text = f"a weight of {found} where the declared rows give at most {most}"
            raise plan_error(codes.AGGREGATE_WEIGHT, text, segment)
    return weights


def weighed(layout: TensorLayout, rules: Sequence[WeightRule], aggregate: Vector, counts: Sequence[int]) -> Vector:
    """Puts what the declared rows weigh in the place of each summed weight.

    Ranges bound a sum, not one update: a survivor could add a negative weight, so that the mean's divisor gets tiny and
    the step huge. With this the divisor does not depend on what survivors masked. A survivor whose update was zeroed
    counts with its rows, and declared rows may be rounded up: both make the step smaller, never larger.

    Args:
        layout: The plan's.
        rules: One for each weight that follows one.
        aggregate: The sum's bytes.
        counts: The rows that each survivor declared on the ledger.

    Raises:
        PlanError: As `declared`.
    """
    weights = declared(layout, rules, aggregate, counts)
    vector = bytearray(aggregate) if rules else aggregate
    for segment, weight in weights.items():
        slot = layout.flat.segment(segment).view(vector)
        slot[:] = np.array(weight, slot.dtype)
    return vector
