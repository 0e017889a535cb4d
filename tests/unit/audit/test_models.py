"""Whether a training's models lead from its plan's initial state to its head."""

from typing import Any

import pytest

from audit.verify.models import check_lineage
from audit.verify.verdict import Rule, Verdict


def plans(training: dict[str, Any], initial: str) -> dict[str, Any]:
    return {training["plan"]: {"initial_state": initial}}


def test_a_lineage_from_the_plans_initial_state_holds(story: dict[str, Any]) -> None:
    verdict, (training,) = Verdict(), story["trainings"]
    check_lineage(verdict, training, plans(training, training["lineage"]["initial_state"]))
    assert (verdict.held, verdict.failures) == ({Rule.LINEAGE.value: 1}, [])


@pytest.mark.parametrize("initial", ["00" * 32, "ff" * 32])
def test_a_lineage_from_another_initial_state_than_the_plans_fails(story: dict[str, Any], initial: str) -> None:
    verdict, (training,) = Verdict(), story["trainings"]
    check_lineage(verdict, training, plans(training, initial))
    assert [(f.code, f.block) for f in verdict.failures] == [(Rule.LINEAGE.value, -1)]
    assert verdict.held == {}
    assert initial in verdict.failures[0].text


def test_a_lineage_of_a_plan_that_nobody_knows_fails(story: dict[str, Any]) -> None:
    verdict, (training,) = Verdict(), story["trainings"]
    check_lineage(verdict, training, {})
    assert [f.code for f in verdict.failures] == [Rule.LINEAGE.value]


def test_every_break_is_a_failure_of_its_own(story: dict[str, Any]) -> None:
    verdict, (training,) = Verdict(), story["trainings"]
    training["lineage"]["steps"][0]["base_state"] = "00" * 32
    training["lineage"]["state"] = "11" * 32
    check_lineage(verdict, training, plans(training, training["lineage"]["initial_state"]))
    assert len(verdict.failures) == 2
