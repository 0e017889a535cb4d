"""What rounds with noise give away: the distributed discrete Gaussian's bound, summed over rounds.

Each of n participants adds discrete Gaussian noise to integers, and only the sum is seen. The sum of discrete Gaussians
is almost one (Kairouz, Liu and Steinke, ICML 2021, arXiv 2102.06387, proposition 14): its Rényi divergence of order α
is at most α/2 · Δ²/(nσ²) + τ for each number, τ = 10 · Σ_{k<n} e^(-2π²σ²k/(k+1)). Divergences of independent numbers
add up, and so do those of rounds. Their sum becomes ε by Canonne, Kamath and Steinke (arXiv 2004.00010, corollary 13).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ORDERS: Final = tuple([1 + x / 20 for x in range(2, 200)] + [float(x) for x in range(11, 513)])


@dataclass(frozen=True)
class Loss:
    """What one round gives away, or several: additive.

    Attributes:
        squared: Σ Δ²/(nσ²) over all noisy numbers: the squared ratio of what one unit can change to the noise.
        slack: Σ τ: by how much a sum of discrete Gaussians may miss one.
    """

    squared: float = 0.0
    slack: float = 0.0

    def __add__(self, other: "Loss") -> "Loss":
        return Loss(self.squared + other.squared, self.slack + other.slack)

    def __mul__(self, times: int) -> "Loss":
        return Loss(self.squared * times, self.slack * times)


@dataclass(frozen=True)
class Promise:
    """What a plan promises.

    Attributes:
        loss: What each round gives away.
        delta: The δ that it was made for.
        survivors: The fewest survivors for which it holds.
    """

    loss: Loss
    delta: float
    survivors: int


def loss(sensitivity: float, scale: int, contributors: int, numbers: int) -> Loss:
    """What some numbers of one round give away.

    Args:
        sensitivity: Δ: by how much, as an L2 norm, what is protected can change the numbers' sum before noise.
        scale: σ of each participant's noise, in the same units, ≥ 1.
        contributors: n: how many added noise that nobody else knows, ≥ 1.
        numbers: How many numbers there are.
    """
    terms = (math.exp(-2 * (math.pi * scale) ** 2 * k / (k + 1)) for k in range(1, contributors))
    return Loss(sensitivity**2 / (contributors * scale**2), 10 * numbers * math.fsum(terms))


def epsilon(total: Loss, delta: float) -> float:
    """The smallest ε that holds for a δ, over all orders; infinite without noise."""
    found = (
        order / 2 * total.squared + total.slack + math.log1p(-1 / order) - math.log(delta * order) / (order - 1)
        for order in ORDERS
    )
    return max(0.0, min(found))


def total(losses: Iterable[Loss]) -> Loss:
    """Rounds together."""
    return sum(losses, Loss())


def affordable(wanted: float, delta: float, rounds: int) -> float:
    """The largest `Loss.squared` of a round such that so many rounds stay within ε for a δ."""
    low, high = 0.0, 4 * wanted / rounds  # of order 2 alone, ε is at least the sum of squares less one
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if epsilon(Loss(middle * rounds), delta) <= wanted else (low, middle)
    return low
