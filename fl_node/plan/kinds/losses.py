"""The losses that trees make small: gradients and second derivatives by the margin, as XGBoost defines them."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.kinds import exact

Doubles = NDArray[np.float64]
Name = Literal["binary", "squared", "poisson", "quantile"]

OBJECTIVES: Final = {
    "binary": "binary:logistic",
    "squared": "reg:squarederror",
    "poisson": "count:poisson",
    "quantile": "reg:quantileerror",
}
"""XGBoost's names."""
LEAST_RATE: Final = 1e-6
"""A mean that is no further from 0, and of a probability from 1: its margin is finite."""
MOST_MARGIN: Final = 80.0


def gradients(name: Name, margin: Doubles, labels: Doubles, exposure: Doubles, part: float) -> tuple[Doubles, Doubles]:
    """The first and the second derivative of the loss by the margin, for each row.

    Of the quantile loss the second is none; 1 stands for it, so that a leaf is a step along the gradient.
    """
    if name == "binary":
        mean = 1.0 / (1.0 + np.exp(-np.clip(margin, -MOST_MARGIN, MOST_MARGIN)))
        return mean - labels, np.maximum(mean * (1.0 - mean), 1e-16)
    if name == "squared":
        return margin - labels, np.ones_like(margin)
    if name == "poisson":
        mean = exposure * np.exp(np.clip(margin, -MOST_MARGIN, MOST_MARGIN))
        return mean - labels, mean
    return np.where(labels > margin, -part, 1.0 - part), np.ones_like(margin)


def loss(name: Name, margin: Doubles, labels: Doubles, exposure: Doubles, part: float) -> Doubles:
    """The loss of each row, up to what the margin does not change."""
    if name == "binary":
        return np.asarray(np.logaddexp(0.0, margin) - labels * margin)
    if name == "squared":
        return np.asarray(0.5 * np.square(margin - labels))
    if name == "poisson":
        return np.asarray(exposure * np.exp(np.clip(margin, -MOST_MARGIN, MOST_MARGIN)) - labels * margin)
    return np.asarray(np.maximum(part * (labels - margin), (part - 1.0) * (labels - margin)))


def base_margin(name: Name, mean: float) -> float:
    """The margin to begin with, from the labels' mean (of a count: over its exposure); exact on every machine."""
    if name == "binary":
        held = min(max(mean, LEAST_RATE), 1.0 - LEAST_RATE)
        return exact.log(held / (1.0 - held))
    return exact.log(max(mean, LEAST_RATE)) if name == "poisson" else mean
