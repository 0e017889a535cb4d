"""What Python repeats of the contract's constants is what the contract says."""

import json
from pathlib import Path

import pytest

from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.manifest import MAX_TOLERANCE_E9
from tests.unit.plan.samples import manifest

LIMITS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "limits.json").read_text())


def test_the_largest_tolerance_of_a_plan_is_the_largest_deviation_that_the_contract_records():
    assert LIMITS["max_deviation_e9"] == MAX_TOLERANCE_E9


def test_a_plan_may_allow_no_deviation_or_the_largest_and_not_more():
    raw = manifest().canonical()
    now = f'"tolerance_e9":{MAX_TOLERANCE_E9}'.encode()
    assert now in raw
    for allowed in (0, MAX_TOLERANCE_E9):
        assert parse_manifest(raw.replace(now, f'"tolerance_e9":{allowed}'.encode())).tolerance == allowed / 1e9
    with pytest.raises(PlanError, match="FL3003: tolerance_e9: Input should be less than or equal to 1000") as caught:
        parse_manifest(raw.replace(now, f'"tolerance_e9":{MAX_TOLERANCE_E9 + 1}'.encode()))
    assert caught.value.hint == "Build the plan again with this version of fedledger."
