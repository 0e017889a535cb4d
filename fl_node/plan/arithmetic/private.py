"""Differential privacy of a plan of this arithmetic: what a unit can change, how much noise hides it, what rounds cost.

Two units. `record`: one row is replaced by another. The local step is one gradient of the base model, of which each row
gives a part clipped to the norm C; the server's rate moves the model. `participant`: all rows of one participant are
replaced. In both, each participant adds discrete Gaussian noise to its integers, so that the noise of those whom nobody
knows protects the sum. How many rows there are is no secret: the ledger has it.
"""

import math
import os
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fl_node import codes
from fl_node.data.schema import Decimal, Model
from fl_node.plan.errors import plan_error
from fl_node.plan.manifest import Quantisation
from fl_node.privacy import accounting
from fl_node.privacy.gaussian import SCALE_MAX, Draw, noise
from fl_node.privacy.integers import Numbers, in_units

Unit = Literal["record", "participant"]
Scale = Annotated[int, Field(ge=1, le=SCALE_MAX)]

TAIL: Final = 12
"""Noise beyond so many σ is cut: it comes less often than once in 10³² numbers."""
MARGIN: Final = 1 + 2.0**-10
"""Room in a sensitivity for the rounding of the framework's 32-bit sums."""
FRACTION_BITS: Final = 16
"""Bits after the point of a measure."""
MEASURES_PART: Final = 0.1
"""The part of what a round may give away that its measures get."""


class Goal(Model):
    """What a researcher asks for.

    Attributes:
        epsilon: ε that all rounds together may give away, for every organisation.
        delta: δ that goes with it; far below one in the number of rows.
        rounds: How many rounds.
        unit: What is protected.
        survivors: The fewest survivors of a round: with fewer a node reveals nothing.
        colluders: How many of them may tell one another their own noise.
        measured_max: By name, what a measure of one row (unit participant: the mean of one's rows) is cut to;
            4 for the loss and 1 for others where nothing is said.
    """

    epsilon: Decimal
    delta: Decimal = "0.00001"
    rounds: int = Field(ge=1, le=100_000)
    unit: Unit = "record"
    survivors: int = Field(default=3, ge=2)
    colluders: int = Field(default=1, ge=0)
    measured_max: dict[str, Decimal] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not (float(self.epsilon) > 0 and 0 < float(self.delta) < 1):
            raise ValueError("epsilon is above zero, delta between zero and one")
        if self.colluders >= self.survivors:
            raise ValueError("colluders are fewer than survivors: somebody's noise must be unknown to them")
        return self

    def limit(self, measure: str) -> str:
        """What a measure is cut to."""
        return self.measured_max.get(measure, "4" if measure == "loss" else "1")


class Privacy(Model):
    """What stands in the manifest: the noise, and what it was made for.

    Attributes:
        goal: What it was made for.
        scale: σ of the noise in each value slot.
        measured_max: What each measure is cut to, in the order of `measured`.
        measured_scales: σ of the noise of each measure, in its fixed point.
    """

    goal: Goal
    scale: Scale
    measured_max: tuple[Decimal, ...] = Field(strict=False)
    measured_scales: tuple[Scale, ...] = Field(strict=False)

    @property
    def tail(self) -> int:
        """The largest magnitude of the noise in a value slot."""
        return TAIL * self.scale

    @property
    def contributors(self) -> int:
        """Survivors at least whose noise nobody else knows."""
        return self.goal.survivors - self.goal.colluders


def sensitivity(quantisation: Quantisation, unit: Unit, numbers: int) -> float:
    """By how much a unit can change the value slots of the sum, as an L2 norm.

    One row gives at most C/rows · min(rows, W)/W of the mean, that is half/W slots, one participant `half`; replacing
    takes one away and adds another. Rounding to integers adds at most one in each slot, on either side.
    """
    half = 2.0 ** (quantisation.bits - 1) - 1
    one = half / (quantisation.weight_cap or 1) if unit == "record" else half
    return 2 * one * MARGIN + 2 * math.sqrt(numbers)


def measured_sensitivity(limit: str) -> float:
    """By how much a unit can change a measure's slot of the sum: it lies in 0 … limit, rounding adds one."""
    return float(limit) * (1 << FRACTION_BITS) * MARGIN + 2


def round_loss(privacy: Privacy, quantisation: Quantisation, numbers: int, contributors: int = 0) -> accounting.Loss:
    """What one round gives away of any one unit.

    Args:
        privacy: The noise.
        quantisation: The plan's.
        numbers: Its value slots.
        contributors: How many added noise that nobody else knows; as the plan assumes where nothing is said.
    """
    n, unit = contributors or privacy.contributors, privacy.goal.unit
    values = accounting.loss(sensitivity(quantisation, unit, numbers), privacy.scale, n, numbers)
    measures = accounting.total(
        accounting.loss(measured_sensitivity(limit), scale, n, 1)
        for limit, scale in zip(privacy.measured_max, privacy.measured_scales, strict=True)
    )
    return values + measures * parts_touched(unit)


def in_numbers(privacy: Privacy, quantisation: Quantisation, numbers: int, cohort_max: int) -> Numbers:
    """What a plan promises in the ledger's whole numbers; its slack is that of the largest cohort, the most there is.

    Args:
        privacy: The noise.
        quantisation: The plan's.
        numbers: Its value slots.
        cohort_max: The largest cohort.
    """
    goal = privacy.goal
    alone, all_of = (round_loss(privacy, quantisation, numbers, contributors) for contributors in (1, cohort_max))
    squared, slack = in_units(alone.squared), in_units(all_of.slack)
    return Numbers(goal.unit, goal.delta, goal.survivors, goal.colluders, squared, slack)


def parts_touched(unit: Unit) -> int:
    """In how many parts, training rows and hold-out, a unit lies: a row in one of them."""
    return 1 if unit == "record" else 2


def spent(privacy: Privacy, quantisation: Quantisation, numbers: int, rounds: int) -> float:
    """ε after so many rounds, for the goal's δ."""
    return accounting.epsilon(round_loss(privacy, quantisation, numbers) * rounds, float(privacy.goal.delta))


def calibrated(goal: Goal, quantisation: Quantisation, measured: tuple[str, ...], numbers: int) -> Privacy:
    """The least noise that keeps the goal.

    Raises:
        PlanError: FL3050 where the plan cannot be private so, or needs more noise than a slot takes.
    """
    for fault in faults(goal, quantisation, measured):
        raise plan_error(codes.NOT_PRIVATE, fault, "privacy")
    limits = [goal.limit(name) for name in measured]
    affordable = accounting.affordable(float(goal.epsilon), float(goal.delta), goal.rounds)
    contributors = goal.survivors - goal.colluders
    each = MEASURES_PART / (len(measured) * parts_touched(goal.unit))
    while True:
        root = max(math.sqrt(contributors * affordable), 1e-9)
        scale = math.ceil(sensitivity(quantisation, goal.unit, numbers) / (root * math.sqrt(1 - MEASURES_PART)))
        scales = [math.ceil(measured_sensitivity(limit) / (root * math.sqrt(each))) for limit in limits]
        if max(scale, *scales) > SCALE_MAX:
            text = f"ε = {goal.epsilon} over {goal.rounds} rounds needs noise that no slot takes: {max(scale, *scales)}"
            raise plan_error(codes.NOT_PRIVATE, text, "privacy")
        found = Privacy(goal=goal, scale=scale, measured_max=tuple(limits), measured_scales=tuple(scales))
        if spent(found, quantisation, numbers, goal.rounds) <= float(goal.epsilon):
            return found
        affordable *= 0.99  # what coarse noise of several costs beside


def faults(goal: Goal, quantisation: Quantisation, measured: tuple[str, ...]) -> list[str]:
    """Why a plan with these constants cannot keep a goal; nothing where it can."""
    found = []
    if quantisation.zero_above is not None:
        found.append("zero_above tells of single updates: leave it out, clipping bounds them")
    if goal.unit == "record" and quantisation.weight_cap is None:
        found.append("unit record needs a weight_cap: what one row weighs follows from it")
    if goal.unit == "participant" and quantisation.weight_cap is not None:
        found.append("unit participant needs every participant to weigh 1: leave weight_cap out")
    unknown = sorted(set(goal.measured_max) - set(measured))
    if unknown:
        found.append(f"measured_max names {', '.join(unknown)}, which nobody measures")
    return found


def noised(scale: int, numbers: Any, draw: Draw = os.urandom) -> Any:
    """Adds noise to a segment's integers.

    Args:
        scale: σ.
        numbers: The integers, of any shape.
        draw: Where random bytes come from.
    """
    array = np.asarray(numbers, np.int64)
    added = noise(scale, array.size, draw).reshape(array.shape)
    return array + np.clip(added, -TAIL * scale, TAIL * scale)
