"""What rounds give away, in whole numbers: as the ledger adds it up (chaincode/round/privacy.go), and back to ε.

A transaction holds no fractions. So `Loss` is counted in units of 10⁻¹⁵ and rounded up, once for the plan and once
where the contributors divide it: ε that follows is never smaller than that of the exact loss. Where a round's loss is
at least 10⁻¹¹, it is at most a thousandth larger; less is no use of noise that anybody makes.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from fl_node.privacy.accounting import Loss, epsilon

UNITS: Final = 10**15
"""So many units are 1."""
PROMISED_MAX: Final = 10**18
"""The largest loss of a round that a plan may be registered with, before contributors divide it: Δ²/σ² of 1000."""
LOSS_MAX: Final = 1 << 63
"""Where an account stops to grow: so much or more."""


@dataclass(frozen=True)
class Account:
    """What rounds told of one participant, in units of 10⁻¹⁵: the ledger's account.

    Attributes:
        squared_e15: `Loss.squared`.
        slack_e15: `Loss.slack`.
    """

    squared_e15: int = 0
    slack_e15: int = 0

    def __add__(self, other: "Account") -> "Account":
        return Account(
            min(self.squared_e15 + other.squared_e15, LOSS_MAX), min(self.slack_e15 + other.slack_e15, LOSS_MAX)
        )

    def epsilon(self, delta: float) -> float:
        """ε of the account for a δ; infinite where it has stopped to grow."""
        if LOSS_MAX in {self.squared_e15, self.slack_e15}:
            return math.inf
        return epsilon(Loss(_above(self.squared_e15), _above(self.slack_e15)), delta)


@dataclass(frozen=True)
class Numbers:
    """What a plan promises, as the ledger has it (`Privacy` of the contract); the default: nothing.

    Attributes:
        unit: What is protected: record, participant or "".
        delta: δ, decimal text.
        survivors: The fewest for which the promise holds.
        colluders: How many of them may share their noise.
        squared_e15: Σ Δ²/σ² of a round to which one contributor adds noise, in units of 10⁻¹⁵, rounded up.
        slack_e15: Σ τ of a round with as many contributors as a cohort may have, in the same units, rounded up.
    """

    unit: str = ""
    delta: str = ""
    survivors: int = 0
    colluders: int = 0
    squared_e15: int = 0
    slack_e15: int = 0

    def loss(self, survivors: int) -> Account:
        """What a round with so many survivors gives away of any one unit."""
        contributors = max(1, survivors - self.colluders)  # nodes reveal nothing with fewer
        return Account(-(-self.squared_e15 // contributors), self.slack_e15)


NOTHING: Final = Numbers()
"""What a plan without noise promises."""


def in_units(number: float) -> int:
    """A loss in units, rounded up."""
    return math.ceil(Fraction(number) * UNITS)


def _above(units: int) -> float:
    """The loss of so many units as a double that is not below it."""
    exact = Fraction(units, UNITS)
    nearest = float(exact)
    return nearest if nearest >= exact else math.nextafter(nearest, math.inf)
