"""The ledger's whole numbers: the same in Go and Python, never below the exact loss, and hardly above it."""

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fl_node.plan.arithmetic.private import Goal, Privacy, in_numbers, round_loss
from fl_node.plan.manifest import Quantisation
from fl_node.privacy.accounting import Loss, epsilon, total
from fl_node.privacy.integers import LOSS_MAX, UNITS, Account, Numbers, in_units

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "privacy.json").read_text())
BY_RECORD = Quantisation(bits=18, clip="4", weight_cap=64)
BY_PARTICIPANT = Quantisation(bits=18, clip="4")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_accounts_add_up_as_the_contract_says(case: dict[str, Any]):
    promise = Numbers(**case["promise"])
    found = sum((promise.loss(survivors) for survivors in case["survivors"]), Account())
    assert found == Account(**case["spent"])


@given(
    unit=st.sampled_from(["record", "participant"]),
    noise=st.tuples(st.integers(1, 1 << 28), st.integers(1, 1 << 28)),
    numbers=st.integers(1, 10**6),
    survivors=st.lists(st.integers(2, 100), min_size=1, max_size=40),
    colluders=st.integers(0, 1),
    rounds=st.integers(1, 50),
    delta=st.sampled_from(["1e-3", "0.00001", "1e-9"]),
)
def test_epsilon_of_the_integers_is_never_below_the_exact_one_and_at_most_a_thousandth_above(
    unit: Any, noise: tuple[int, int], numbers: int, survivors: list[int], colluders: int, rounds: int, delta: str
):
    quantisation = BY_RECORD if unit == "record" else BY_PARTICIPANT
    goal = Goal(epsilon="3", delta=delta, rounds=1, unit=unit, colluders=colluders)
    privacy = Privacy(goal=goal, scale=noise[0], measured_max=("4",), measured_scales=noise[1:])
    promise = in_numbers(privacy, quantisation, numbers, 100)
    unknown = [max(1, count - colluders) for count in survivors]
    exact = total(round_loss(privacy, quantisation, numbers, count) for count in unknown) * rounds
    counted = sum([promise.loss(count) for count in survivors] * rounds, Account())
    assume(exact.squared / (rounds * len(survivors)) > 1e-11)  # less noise nobody uses
    assume(counted.squared_e15 < LOSS_MAX and counted.slack_e15 < LOSS_MAX)
    least, found = epsilon(exact, float(delta)), counted.epsilon(float(delta))
    assert least * (1 - 1e-12) <= found <= least * 1.001 + 1e-12


@given(st.floats(0, 1000))
def test_units_are_rounded_up_by_less_than_one(number: float):
    assert 0 <= in_units(number) - Fraction(number) * UNITS < 1


@given(st.integers(0, LOSS_MAX - 1), st.integers(0, LOSS_MAX - 1))
def test_no_unit_is_lost_on_the_way_to_epsilon(squared: int, slack: int):
    below = Loss(float(Fraction(squared, UNITS)), float(Fraction(slack, UNITS)))
    assert Account(squared, slack).epsilon(1e-5) >= epsilon(below, 1e-5)


def test_an_account_that_has_stopped_to_grow_bounds_nothing():
    full = Account(LOSS_MAX - 1) + Account(5)
    assert (full.squared_e15, full.epsilon(1e-5)) == (LOSS_MAX, math.inf)
