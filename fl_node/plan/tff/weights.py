"""Finds how a plan's weights follow from rows, and proves it on made-up participants."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

from fl_node import codes
from fl_node.plan.errors import plan_error
from fl_node.plan.layout import TensorLayout, TensorSegment
from fl_node.plan.tff.samples import SAMPLE_ROWS, Arrays, Workplace
from fl_node.plan.tff.structure import Path, tensor_types
from fl_node.plan.weights import WeightRule, can_follow, named_weights, ruleless_weights

PROBED_ROWS: Final = 4096
"""Caps that more rows reach are not tried: a made-up participant of that size trains in seconds."""

COUNTED: Final = (
    "Measure num_examples too: functional_model_from_keras(…, metrics_constructor=lambda: OrderedDict(loss=…, "
    "num_examples=tff.learning.metrics.NumExamplesCounter())), or that counter in build_fed_recon's metrics_fn."
)
HELD: Final = 2
"""Hold-out rows of the participant that is tried beyond the cap; no weight depends on them."""


def find_weights(layout: TensorLayout, workplace: Workplace, samples: Sequence[Arrays]) -> tuple[WeightRule, ...]:
    """Finds the rule of every weight that a plan names (see `weights.named_weights`); others must have been accepted.

    Args:
        layout: The plan's layout.
        workplace: Where a participant beyond the cap is tried.
        samples: What the participants of `SAMPLE_ROWS` gave.

    Raises:
        PlanError: FL3015 for a weight that follows no rule, or where nothing says how many rows there were.
    """
    loose = ruleless_weights(layout)
    if loose and not workplace.source.unbounded_weights:
        text = "an aggregator's weights that follow no rule: one survivor could make a step as large as it likes"
        raise plan_error(codes.NO_WEIGHT_RULE, text, ", ".join(segment.name for segment in loose))
    at = {path: at for at, (path, _) in enumerate(tensor_types(workplace.computations.sums_type))}
    rules = tuple(_found(segment, at, workplace, samples) for segment in named_weights(layout))
    if layout.count is None and any(rule.weight(1) != rule.cap for rule in rules):
        text = "no slot counts the rows that a weight follows from"
        raise plan_error(codes.NO_WEIGHT_RULE, text, "metrics", COUNTED)
    return rules


def _found(
    segment: TensorSegment, at: Mapping[Path, int], workplace: Workplace, samples: Sequence[Arrays]
) -> WeightRule:
    if not can_follow(segment):
        raise plan_error(codes.NO_WEIGHT_RULE, "a weight is one slot of a plain sum", segment.name)
    place = at[segment.path]
    seen = {rows: _weight(tensors, place) for (rows, _), tensors in zip(SAMPLE_ROWS, samples, strict=True)}
    rule = _rule(segment, seen, _cap(segment, workplace))
    beyond = rule.cap * rule.denominator // rule.numerator + 1
    if max(seen) < beyond <= PROBED_ROWS:
        seen[beyond] = _weight(workplace.work(beyond, HELD), place)
    for rows, weight in seen.items():
        if rule.weight(rows) != weight:
            text = f"{rows} made-up rows weigh {weight} where {rule.weight(rows)} would follow from the others"
            raise plan_error(codes.NO_WEIGHT_RULE, text, segment.name)
    return rule


def _weight(tensors: Arrays, place: int) -> int:
    return int(tensors[place].item())


def _cap(segment: TensorSegment, workplace: Workplace) -> int:
    """The largest weight: an unweighted mean's is 1; another aggregation's is what the slot holds."""
    quantisation = workplace.source.quantisation
    return segment.max if quantisation is None else min(quantisation.weight_cap or 1, segment.max)


def _rule(segment: TensorSegment, seen: Mapping[int, int], cap: int) -> WeightRule:
    """The rule by the participant with fewest rows. Where all weigh alike, that is the cap, from one row on."""
    rows, weight = min(seen.items())
    if weight < 1:
        raise plan_error(codes.NO_WEIGHT_RULE, f"{rows} made-up rows weigh {weight}", segment.name)
    if set(seen.values()) == {weight}:
        return WeightRule(segment=segment.name, numerator=weight, denominator=1, cap=weight)
    ratio = Fraction(weight, rows)
    return WeightRule(segment=segment.name, numerator=ratio.numerator, denominator=ratio.denominator, cap=cap)
