"""A node judges the difference of two survivor sets as the ledger does, in cases that the rules played."""

import json
from pathlib import Path
from typing import Any

import pytest

from fl_node import codes
from fl_node.ledger.records import Frozen
from fl_node.round.known import excused
from fl_node.secagg.errors import Refusal
from fl_node.secagg.messages import SurvivorsFixed
from fl_node.secagg.survivors import check_difference

CASES = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "differences.json").read_text())


def judged(case: dict[str, Any]) -> None:
    frozen = [Frozen.model_validate(one) for one in case["frozen"]]
    survivors = tuple(case["survivors"])
    sets = tuple(frozenset(one.survivors) for one in frozen)
    check_difference(
        set(survivors), SurvivorsFixed({}, survivors, sets, excused(frozen), minimum_difference=case["minimum"])
    )


@pytest.mark.parametrize("case", [case for case in CASES if case["allowed"]])
def test_t13_a_node_reveals_for_every_set_that_the_ledger_froze(case: dict[str, Any]) -> None:
    judged(case)


@pytest.mark.parametrize("case", [case for case in CASES if not case["allowed"]])
def test_t13_a_node_refuses_a_set_for_whose_difference_the_ledger_voids(case: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refusal:
        judged(case)
    assert codes.DIFFERENCING == refusal.value.code
