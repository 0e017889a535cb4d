"""Quantiles by rounds: each round counts rows below evenly spaced thresholds between two bounds, and narrows them."""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


def thresholds(low: Doubles, high: Doubles, steps: int) -> Doubles:
    """Returns float64[…, steps - 1]: the inner borders of `steps` even parts between bounds of shape […]."""
    parts = np.arange(1, steps) / steps
    width = high - low
    return np.asarray(low[..., np.newaxis] + width[..., np.newaxis] * parts)


def counts_below(values: Doubles, low: Doubles, high: Doubles, steps: int) -> Integers:
    """Counts the rows at or below each threshold.

    Args:
        values: float64[rows, features].
        low: float64[features, quantiles], the bounds that hold each quantile.
        high: Likewise, inclusive.
        steps: Into how many parts a round divides the bounds.

    Returns:
        int64[features, quantiles, steps - 1].
    """
    borders, ordered = thresholds(low, high, steps), np.sort(values, axis=0)
    counted = [np.searchsorted(ordered[:, at], borders[at], side="right") for at in range(values.shape[1])]
    return np.asarray(counted, np.int64)


def narrowed(low: Doubles, high: Doubles, below: Integers, ranks: Integers) -> tuple[Doubles, Doubles]:
    """Returns the bounds of the part that holds the row of each rank.

    Args:
        low: float64[features, quantiles].
        high: Likewise.
        below: int64[features, quantiles, steps - 1], the sums of `counts_below`.
        ranks: int64[quantiles], from 1 on: how many rows lie at or below the quantile, at least.
    """
    steps = below.shape[-1] + 1
    borders = thresholds(low, high, steps)
    part = (below < ranks[np.newaxis, :, np.newaxis]).sum(axis=-1)
    ends = np.concatenate([low[..., np.newaxis], borders, high[..., np.newaxis]], axis=-1)
    first = np.take_along_axis(ends, part[..., np.newaxis], -1)[..., 0]
    second = np.take_along_axis(ends, part[..., np.newaxis] + 1, -1)[..., 0]
    return np.asarray(first), np.asarray(second)


def ranks_of(probabilities: Doubles, rows: int) -> Integers:
    """Returns the rank of each quantile among so many rows, from 1 on: the row at or below which that part lies."""
    return np.asarray(np.clip(np.ceil(probabilities * rows), 1, max(rows, 1)).astype(np.int64))
