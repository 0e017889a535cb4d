"""Linear algebra and a logarithm that give the same bits on every machine.

Each line is one operation of IEEE-754 doubles for all elements, rounded once; numpy sums nothing here, since the order
of its sums is its own.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

LEAST_PIVOT: Final = 1e-11
"""Below this part of its diagonal element a pivot is nothing but rounding: the matrix is singular."""

LN2: Final = 0.6931471805599453
TERMS: Final = 25
"""Terms of the series for a logarithm: (1/3)⁵¹ lies far below the rounding of a double."""


class SingularError(Exception):
    """A matrix has no Cholesky factor; `at` is the row that depends on those before it."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def cholesky(matrix: Doubles) -> Doubles:
    """Returns the lower triangle L with L·Lᵀ = matrix (outer-product form: Golub and Van Loan, algorithm 4.2.4).

    Raises:
        SingularError: The matrix is not positive definite beyond rounding.
    """
    rest, size = matrix.copy(), len(matrix)
    lower = np.zeros_like(matrix)
    for at in range(size):
        pivot = float(rest[at, at])
        if not pivot > LEAST_PIVOT * abs(float(matrix[at, at])):
            raise SingularError(at)
        column = rest[at:, at] / math.sqrt(pivot)
        lower[at:, at] = column
        outer = column[:, np.newaxis] * column[np.newaxis, :]
        rest[at:, at:] = rest[at:, at:] - outer
    return lower


def inverse(matrix: Doubles) -> Doubles:
    """Returns the inverse of a symmetric positive definite matrix.

    Raises:
        SingularError: It has none.
    """
    lower, size = cholesky(matrix), len(matrix)
    forward = np.zeros_like(matrix)
    for row in range(size):
        held = np.zeros(size)
        held[row] = 1.0
        for before in range(row):
            held = held - lower[row, before] * forward[before]
        forward[row] = held / lower[row, row]
    result = np.zeros_like(matrix)
    for row in range(size):  # forward is L⁻¹, and the inverse is the product of its transpose with it
        result = result + forward[row][:, np.newaxis] * forward[row][np.newaxis, :]
    return result


def times(matrix: Doubles, vector: Doubles) -> Doubles:
    """Returns matrix · vector, column after column."""
    result = np.zeros(len(matrix))
    for at in range(len(vector)):
        result = result + matrix[:, at] * vector[at]
    return result


def dot(first: Doubles, second: Doubles) -> float:
    """Returns the sum of products: each rounded once, their sum exact and rounded once."""
    return math.fsum((first * second).tolist())


def log(value: float) -> float:
    """Returns the natural logarithm of a positive number, to some 10⁻¹⁵, by ln m = 2·artanh((m-1)/(m+1))."""
    mantissa, exponent = math.frexp(value)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square, power, total = ratio * ratio, ratio, 0.0
    for term in range(TERMS):
        total = total + power / (2 * term + 1)
        power = power * square
    return 2.0 * total + exponent * LN2
