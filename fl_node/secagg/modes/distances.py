"""Squared distances between vectors in integers, and what rules decide by them (chaincode/mode/robust).

Point 0 is the coordinates' median, points from 1 on are the vectors. Squares are exact, in Python's own integers.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

COORDINATE: Final = 32
"""Bits of a coordinate, so that a square has 64."""

WEIGHT: Final = 32
"""Bits after the point of a weight."""

FRACTION: Final = 16
"""Bits after the point of a distance, where roots are taken."""

FAR: Final = 9
"""How many times the median squared distance from the coordinates' median a vector may have."""

STEPS: Final = 3
"""How often centred clipping moves."""

Squares = list[list[int]]


@dataclass(frozen=True)
class Chosen:
    """What a rule is over.

    Attributes:
        kept: The vectors that count, from 0, ascending.
        weights: Of the coordinates' median and of each vector, in 2^-32, with the sum one; empty but for clipping.
    """

    kept: tuple[int, ...]
    weights: tuple[int, ...] = ()


def measured(count: int, parts: Iterable[npt.NDArray[np.uint64]], *, pairs: bool) -> Squares:
    """Returns the squared distances between points, a symmetric matrix of count + 1.

    Args:
        count: How many vectors.
        parts: Some coordinates at a time of all of them, [count, slots] below 2^32.
        pairs: Measures between vectors as well, and not only from the median.
    """
    squares = [[0] * (count + 1) for _ in range(count + 1)]
    for part in parts:
        ordered = np.sort(part, axis=0)
        centre = (ordered[(count - 1) // 2] + ordered[count // 2]) // np.uint64(2)
        points = [centre, *part]
        for one in range(count if pairs else 1):
            for other in range(one + 1, count + 1):
                squares[one][other] += _square(points[one], points[other])
    for one in range(count + 1):
        for other in range(one):
            squares[one][other] = squares[other][one]
    return squares


def _square(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> int:
    apart = np.maximum(one, other) - np.minimum(one, other)
    square = apart * apart
    half: Any = np.uint64(32)
    return (int((square >> half).sum()) << 32) + int((square & np.uint64(0xFFFFFFFF)).sum())


def median(squares: Squares) -> int:
    """The lower median of the vectors' squared distances from the coordinates' median."""
    return sorted(squares[0][1:])[(len(squares) - 2) // 2]


def near(squares: Squares) -> tuple[int, ...]:
    """The vectors within three times the median distance from the coordinates' median: at least half."""
    limit = FAR * median(squares)
    return tuple(place for place, square in enumerate(squares[0][1:]) if square <= limit)


def central(squares: Squares, faulty: int) -> tuple[int, ...]:
    """The n - f vectors whose n - f - 1 nearest others are nearest, the first of those alike: multi-Krum."""
    count = len(squares) - 1
    scores = []
    for place in range(count):
        others = sorted(squares[place + 1][other + 1] for other in range(count) if other != place)
        scores.append(sum(others[: count - faulty - 1]))
    return tuple(sorted(sorted(range(count), key=lambda place: scores[place])[: count - faulty]))


def clipped(squares: Squares) -> tuple[int, ...]:
    """The weights of centred clipping.

    From the coordinates' median on v goes to v + Σ s·(x - v)/n, where s = min(1, r/|x - v|) and r is the median
    distance of the first v. Each v is a mean of the points by weights, so that distances from it follow from those
    between the points.
    """
    count, one = len(squares) - 1, 1 << WEIGHT
    radius = math.isqrt(median(squares) << 2 * FRACTION)
    weights = [one, *[0] * count]
    for _ in range(STEPS):
        shares = [
            one if distance <= radius else (radius << WEIGHT) // distance for distance in _from_centre(squares, weights)
        ]
        moved = [share // count for share in shares]
        left = one - sum(moved)
        rest = [(weight * left >> WEIGHT) + more for weight, more in zip(weights[1:], moved, strict=True)]
        weights = [one - sum(rest), *rest]
    return tuple(weights)


def _from_centre(squares: Squares, weights: Sequence[int]) -> list[int]:
    """Distances of the vectors from the point that weights make, in 2^-16.

    |x - v|² = Σ c_k·|x - x_k|² - ½·Σ c_k·c_l·|x_k - x_l|², where v = Σ c·x and Σ c = 1.
    """
    to_each = [sum(weight * square for weight, square in zip(weights, row, strict=True)) for row in squares]
    among = sum(weight * total for weight, total in zip(weights, to_each, strict=True))
    return [math.isqrt(((total << (WEIGHT + 1)) - among) >> (WEIGHT + 1)) for total in to_each[1:]]
