"""An ensemble of trees as arrays: where rows fall, and how a level grows from histograms.

A tree of depth d has 2^(d+1) - 1 places; those below place i are 2i+1 (smaller than the threshold) and 2i+2.
Splits are XGBoost's (Chen and Guestrin, XGBoost, KDD 2016, equations 5 and 7).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.kinds.kind import State

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAF: Final = -1
ALIKE: Final = 1e-6
"""Gains that differ by this part of them are equal: slots round, and how depends on who has which rows."""


@dataclass(frozen=True)
class Terms:
    """What decides over a split.

    Attributes:
        rate: What a leaf's weight is multiplied by.
        ridge: λ, added to every second derivative.
        least: The smallest sum of second derivatives on either side.
        gain: The smallest gain.
        longest: The largest magnitude of a leaf's weight before `rate`; None: any.
    """

    rate: float
    ridge: float
    least: float
    gain: float
    longest: float | None


def places(depth: int) -> int:
    """How many places a tree of a depth has."""
    return int(2 ** (depth + 1) - 1)


def fall(state: State, tree: int, features: Doubles, levels: int) -> NDArray[np.int64]:
    """The place of each row after so many levels of a tree; a leaf keeps its rows.

    Features are compared as 32-bit floats, as XGBoost does.
    """
    chosen, thresholds = state["feature"][tree], state["threshold"][tree]
    values, at = features.astype(np.float32), np.zeros(len(features), np.int64)
    row = np.arange(len(features))
    for _ in range(levels):
        split = chosen[at]
        right = values[row, np.maximum(split, 0)] >= thresholds[at]
        at = np.where(split == LEAF, at, 2 * at + 1 + right)
    return at


def margins(state: State, features: Doubles, trees: int, depth: int) -> Doubles:
    """The margin of each row by the first trees, with the base."""
    total = np.full(len(features), float(state["base"]))
    for tree in range(trees):
        total = total + state["value"][tree][fall(state, tree, features, depth)]
    return np.asarray(total)


def histogram(edges: NDArray[np.float32], features: Doubles, slots: Integers, sums: Doubles, nodes: int) -> Doubles:
    """Sums rows over nodes, features and the bins between a feature's edges.

    Args:
        edges: float32[features, bins - 1], rising; a row lies in as many bins from the first as edges are at most it.
        features: float64[rows, features].
        slots: The node of each row, -1 where it is in none.
        sums: float64[2, rows], what is summed.
        nodes: How many nodes there are.

    Returns:
        float64[2, nodes, features, bins].
    """
    bins, kept = edges.shape[1] + 1, slots >= 0
    values, where = features[kept].astype(np.float32), slots[kept] * bins
    result = np.zeros((2, nodes, edges.shape[0], bins))
    for at in range(edges.shape[0]):
        cell = where + np.searchsorted(edges[at], values[:, at], side="right")
        for which in (0, 1):
            counted = np.bincount(cell, sums[which][kept], minlength=nodes * bins)
            result[which, :, at] = counted.reshape(nodes, bins)
    return result


def grow(state: State, tree: int, level: int, sums: tuple[Integers, float], terms: Terms) -> dict[str, NDArray[Any]]:
    """Splits the nodes of a level where that gains, exactly.

    Args:
        state: The ensemble so far.
        tree: Which tree grows.
        level: From 0 on.
        sums: int64[2, nodes, features, bins] in units, and the unit: sums over bins are exact as integers.
        terms: What decides.

    Returns:
        The arrays of the ensemble, changed.
    """
    arrays = {name: state[name].copy() for name in ("feature", "threshold", "value", "gain", "weight", "cover")}
    whole, size = sums
    left = np.cumsum(whole, axis=-1)[..., :-1].astype(np.float64) * size
    total = whole[:, :, :1, :].sum(axis=-1, keepdims=True).astype(np.float64) * size
    right = total - left
    gains = _score(left, terms) + _score(right, terms) - _score(total, terms)
    allowed = (left[1] >= terms.least) & (right[1] >= terms.least)
    gains = np.where(allowed, gains, -np.inf)
    first = 2**level - 1
    for node in range(2**level):
        if level and arrays["feature"][tree, (first + node - 1) // 2] == LEAF:
            continue
        best = _best(gains[node])
        if level == 0:
            _fill(arrays, tree, first, (float(total[0, 0, 0, 0]), float(total[1, 0, 0, 0])), terms)
        if not gains[node].flat[best] > terms.gain:
            continue
        feature, edge = divmod(best, left.shape[-1])
        arrays["feature"][tree, first + node] = feature
        arrays["threshold"][tree, first + node] = state["edges"][feature, edge]
        arrays["gain"][tree, first + node] = gains[node].flat[best]
        below = 2 * (first + node) + 1
        for side, part in ((below, left), (below + 1, right)):
            _fill(arrays, tree, side, (float(part[0, node, feature, edge]), float(part[1, node, feature, edge])), terms)
    return arrays


def _best(gains: Doubles) -> int:
    """The first split of those that gain as much as the best, but for the rounding of the slots."""
    most = float(gains.max())
    return int(np.argmax(gains >= most - ALIKE * abs(most)))


def _score(sums: Doubles, terms: Terms) -> Doubles:
    return np.asarray(sums[0] * sums[0] / np.maximum(sums[1] + terms.ridge, 1e-300))


def _fill(arrays: dict[str, NDArray[Any]], tree: int, place: int, sums: tuple[float, float], terms: Terms) -> None:
    weight = -sums[0] / max(sums[1] + terms.ridge, 1e-300)
    if terms.longest is not None:
        weight = min(max(weight, -terms.longest), terms.longest)
    arrays["weight"][tree, place] = weight
    arrays["value"][tree, place] = weight * terms.rate
    arrays["cover"][tree, place] = sums[1]
