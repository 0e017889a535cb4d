"""Slots for what groups contributed: nothing until a node writes its word, and whole numbers on the ledger."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fl_node.plan.arithmetic import slots
from fl_node.plan.arithmetic.averaging import MOST_GROUPS, Averaging
from fl_node.plan.arithmetic.update import metrics_of
from fl_node.plan.arithmetic.work import Worked, vector_of
from fl_node.plan.manifest import Quantisation
from fl_node.round.contribution import written
from tests.unit.plan.arithmetic.models import MEASURED, described, first, first_of


def averaging(**fields: Any) -> Averaging:
    known: dict[str, Any] = {
        "quantisation": Quantisation(bits=18, clip="4"),
        "measured": MEASURED,
        "moments_clip": "10",
    }
    return Averaging(**(known | fields))


def manifest(groups: int) -> Any:
    one = averaging(contribution=groups)
    return described(one, first(one.server), 20)


def test_a_plan_without_such_slots_does_not_speak_of_them():
    assert "contribution" not in averaging().model_dump(mode="json")
    assert b"contribution" not in manifest(0).canonical()
    assert manifest(0).contribution == 0
    again = type(manifest(3)).model_validate_json(manifest(3).canonical())
    assert again.contribution == 3
    assert again.canonical() == manifest(3).canonical()


def test_a_vector_says_nothing_until_a_node_writes_its_word_and_the_ledger_has_the_mean_in_whole_units():
    plan = manifest(3)
    state = first_of(plan)
    sums = {part: [0.5] * len(MEASURED) for part in ("train", "evaluation")}
    vector = vector_of(plan, state, Worked(state.trained, state.kept, 5, 2, sums))
    assert told(plan, vector, 1) == [0, 0, 0]
    flat = plan.layout.flat
    spoken = [written(flat, vector, {0: value, 2: -1.0}) for value in (0.5, 1.0)]
    total = bytearray(flat.length)
    for segment in flat.segments:
        segment.view(total)[:] = sum(segment.view(one) for one in spoken)
    assert told(plan, bytes(total), 2) == [0.75 * 65_536, 0, -65_536]


def told(plan: Any, vector: bytes, participants: int) -> list[float]:
    tensors = plan.layout.unpack(vector, participants)
    sums = {segment.name: np.asarray(one) for segment, one in zip(plan.layout.segments, tensors, strict=True)}
    metrics = metrics_of(plan, sums, participants)
    assert {name for name in metrics if name.startswith("contribution/")} <= set(plan.metrics)
    return [metrics[slots.contribution_name(group)] for group in range(plan.contribution)]


def test_more_groups_than_can_be_evaluated_are_refused():
    with pytest.raises(ValidationError):
        averaging(contribution=MOST_GROUPS + 1)
