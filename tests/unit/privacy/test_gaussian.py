"""The noise has exactly the distribution that the accounting assumes."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from fl_node.privacy.gaussian import SCALE_MAX, exponential, happens, laplace, noise

pytestmark = pytest.mark.filterwarnings("ignore:np.find_common_type")  # what SciPy calls, of an older NumPy

SAMPLES = 60_000
ALPHA = 1e-9
"""A right sampler fails so rarely; a wrong one, by far."""


class Stream:
    """Random bytes that are the same in every run."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def __call__(self, size: int) -> bytes:
        return self._generator.bytes(size)


def pvalue(found: NDArray[np.int64], weight: dict[int, float]) -> float:
    """The chi-square test of what was found against weights, rare numbers together in the outermost bins."""
    total = sum(weight.values())
    inner = sorted(x for x in weight if weight[x] / total * len(found) >= 20)
    low, high = inner[0], inner[-1]
    clipped = np.clip(found, low, high)
    folded = dict.fromkeys(inner, 0.0)
    for x, value in weight.items():
        folded[min(max(x, low), high)] += value / total
    observed = np.array([np.count_nonzero(clipped == x) for x in inner])
    expected = np.array([folded[x] * len(found) for x in inner])
    return float(stats.chi2.sf(np.sum((observed - expected) ** 2 / expected), len(inner) - 1))


@pytest.mark.parametrize("scale", [1, 2, 7, 30])
def test_the_noise_is_distributed_as_a_discrete_gaussian(scale: int):
    found = noise(scale, SAMPLES, Stream(scale))
    weight = {x: math.exp(-x * x / (2 * scale * scale)) for x in range(-12 * scale, 12 * scale + 1)}
    assert pvalue(found, weight) > ALPHA


def test_the_chi_square_test_finds_a_rounded_continuous_gaussian():
    rounded = np.rint(np.random.default_rng(1).normal(0, 1, SAMPLES)).astype(np.int64)
    assert pvalue(rounded, {x: math.exp(-x * x / 2) for x in range(-12, 13)}) < ALPHA


@pytest.mark.parametrize("scale", [1, 5])
def test_the_proposals_are_distributed_as_a_discrete_laplace(scale: int):
    found = laplace(scale, SAMPLES, Stream(scale))
    assert pvalue(found, {x: math.exp(-abs(x) / scale) for x in range(-60 * scale, 60 * scale + 1)}) > ALPHA


def test_large_scales_have_their_deviation():
    found = noise(SCALE_MAX, 4000, Stream(3)).astype(np.float64)
    assert 0.95 < found.std() / SCALE_MAX < 1.05
    assert abs(found.mean()) < SCALE_MAX / 12


@given(st.fractions(0, 30), st.integers(60, 200))
def test_the_bounds_of_the_exponential_hold_it_and_lie_close(gamma: Fraction, bits: int):
    low, high = exponential(gamma, bits)
    assert low <= high <= low + Fraction(1, 1 << bits)
    assert float(low) == pytest.approx(math.exp(-gamma), rel=1e-12)


@pytest.mark.parametrize(("below", "face"), [(True, True), (False, False)])
def test_a_coin_that_doubles_cannot_decide_is_decided_by_more_bits(below: bool, face: bool):
    """The first 53 bits are those of e^-1 itself: only the bits after them say on which side the number lies."""
    start = math.floor(exponential(Fraction(1), 200)[0] * (1 << 53))
    given_bytes = [(start << 11).to_bytes(8, "little"), bytes(8) if below else b"\xff" * 8]
    asked = iter(given_bytes)
    assert happens(np.ones(1), lambda _: Fraction(1), lambda _: next(asked)).tolist() == [face]


@pytest.mark.parametrize("scale", [0, SCALE_MAX + 1])
def test_a_scale_out_of_range_is_refused(scale: int):
    with pytest.raises(ValueError, match="a scale of"):
        noise(scale, 1)


def test_the_operating_system_is_asked_unless_a_test_says_otherwise():
    assert noise(50, 64).tolist() != noise(50, 64).tolist()
