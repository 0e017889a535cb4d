"""The accounting agrees with a library where it knows the case, and never says less where it does not."""

import math

import pytest
from dp_accounting import GaussianDpEvent
from dp_accounting.rdp import RdpAccountant

from fl_node.privacy.accounting import ORDERS, Loss, affordable, epsilon, loss, total

DELTA = 1e-5


def reference(multiplier: float, rounds: int) -> float:
    accountant = RdpAccountant(list(ORDERS))
    accountant.compose(GaussianDpEvent(multiplier), rounds)
    return float(accountant.get_epsilon(DELTA))


@pytest.mark.parametrize(("multiplier", "rounds"), [(1.0, 1), (4.0, 30), (20.0, 1000)])
def test_one_contributor_is_accounted_as_the_gaussian_mechanism(multiplier: float, rounds: int):
    scale = 1000
    ours = loss(scale / multiplier, scale, 1, 50) * rounds
    assert epsilon(ours, DELTA) == pytest.approx(reference(multiplier, rounds), rel=1e-9)


def test_n_contributors_are_accounted_as_one_with_root_n_times_the_noise():
    assert epsilon(loss(100, 400, 4, 10**6), DELTA) == pytest.approx(epsilon(loss(100, 800, 1, 10**6), DELTA), rel=1e-9)


def test_coarse_noise_of_several_costs_what_their_sum_misses():
    fine, coarse = loss(1, 4, 3, 1000), loss(1, 1, 3, 1000)
    assert fine.slack < 1e-60
    assert coarse.slack == pytest.approx(10_000 * (math.exp(-(math.pi**2)) + math.exp(-4 / 3 * math.pi**2)))


def test_rounds_add_up():
    one = loss(1, 10, 3, 5)
    assert total([one, one]) == one * 2


def test_without_noise_nothing_is_promised():
    assert epsilon(Loss(math.inf), DELTA) == math.inf


def test_more_noise_never_costs_more():
    found = [epsilon(loss(10, scale, 2, 100) * 20, DELTA) for scale in (5, 10, 50, 500)]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(("wanted", "rounds"), [(0.1, 1), (3.0, 30), (8.0, 1000), (100.0, 2)])
def test_what_is_affordable_uses_the_whole_budget_and_no_more(wanted: float, rounds: int):
    one = Loss(affordable(wanted, DELTA, rounds))
    assert wanted * 0.999 < epsilon(one * rounds, DELTA) <= wanted
