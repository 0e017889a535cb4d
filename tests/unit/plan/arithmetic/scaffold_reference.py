"""SCAFFOLD as its paper has it (Karimireddy et al., algorithm 1, option II), in plain numpy: no slots, no rounding.

A second reading: it shares no line with fl_node/plan/arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
RATE, STEPS = 0.02, 30


@dataclass(frozen=True)
class Rows:
    """One participant's rows: a regression without a height."""

    features: Doubles
    sizes: Doubles

    def slope(self, weights: Doubles) -> Doubles:
        """The gradient of the mean of the squares."""
        found: Doubles = 2 * self.features.T @ (self.features @ weights - self.sizes) / len(self.sizes)
        return found


def unlike(count: int = 4, size: int = 40) -> list[Rows]:
    """Participants whose rows lie along other directions and follow other laws: local steps drift apart."""
    draw, found = np.random.default_rng(5), []
    for at in range(count):
        scales = np.where(np.arange(3) == at % 3, 2.5, 0.4)
        features = draw.normal(size=(size, 3)) * scales
        law = np.array([1.0, -2.0, 0.5]) + draw.normal(size=3) * 2
        found.append(Rows(features, features @ law + draw.normal(size=size) * 0.1))
    return found


def write_regression(folder: Path, rows: Sequence[Rows]) -> None:
    """Writes each participant's rows, columns a, b, c and size, to the last digit."""
    for at, one in enumerate(rows):
        lines = [",".join(map(repr, map(float, (*x, y)))) for x, y in zip(one.features, one.sizes, strict=True)]
        (folder / f"rows-{at}.csv").write_text("\n".join(["a,b,c,size", *lines]) + "\n")


def pooled(rows: Sequence[Rows]) -> Doubles:
    """The weights that fit all rows together best, each participant counting alike."""
    square = sum(one.features.T @ one.features / len(one.sizes) for one in rows)
    product = sum(one.features.T @ one.sizes / len(one.sizes) for one in rows)
    found: Doubles = np.linalg.solve(np.asarray(square), np.asarray(product))
    return found


def stepped(rows: Rows, weights: Doubles, correction: Doubles) -> Doubles:
    """The local steps: y ← y - η(g(y) - cᵢ + c)."""
    y = weights.copy()
    for _ in range(STEPS):
        y = y - RATE * (rows.slope(y) + correction)
    return y


def scaffold(rows: Sequence[Rows], rounds: Sequence[Sequence[int]]) -> list[Doubles]:
    """The weights after each round, whose survivors are named; the server's rate is 1."""
    x, c, each = np.zeros(3), np.zeros(3), [np.zeros(3) for _ in rows]
    found = []
    for survivors in rounds:
        moved, changed = [], []
        for at in survivors:
            y = stepped(rows[at], x, c - each[at])
            own = each[at] - c + (x - y) / (STEPS * RATE)
            moved.append(y - x)
            changed.append(own - each[at])
            each[at] = own
        x = x + np.mean(moved, axis=0)
        c = c + len(survivors) / len(rows) * np.mean(changed, axis=0)
        found.append(x)
    return found
