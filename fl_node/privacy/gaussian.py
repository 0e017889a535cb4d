"""Discrete Gaussian noise, drawn exactly (Canonne, Kamath and Steinke, NeurIPS 2020, arXiv 2004.00010, algorithms 1-3).

Noise from floating point leaks: which doubles can occur tells what they were added to. Here every number is an integer,
and every coin falls with exactly the probability that the paper asks for: a uniform number of the operating system is
compared with e^-γ, in doubles where they decide, else with as many more bits, of both, as it takes.
"""

import math
import os
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

Draw = Callable[[int], bytes]
"""Gives so many random bytes; `os.urandom`, but in tests."""

Integers = NDArray[np.int64]
SCALE_MAX: Final = 1 << 28
"""The largest σ: γ's numerator stays an exact 64-bit integer."""

_BITS: Final = 53
_DOUBT: Final = 1 << 14
"""How far a comparison in doubles may be off, in units of 2⁻⁵³; their error is below one hundredth of it."""
_CHUNK: Final = 1 << 16


def noise(scale: int, size: int, draw: Draw = os.urandom) -> Integers:
    """Draws independent numbers with P(x) ∝ e^(-x²/2σ²).

    Args:
        scale: σ, 1 … `SCALE_MAX`.
        size: How many.
        draw: Where random bytes come from.

    Raises:
        ValueError: σ is out of range.
    """
    if not 1 <= scale <= SCALE_MAX:
        raise ValueError(f"a scale of {scale}, not 1 … {SCALE_MAX}")
    parts = [_chunk(scale, min(_CHUNK, size - start), draw) for start in range(0, size, _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _chunk(scale: int, size: int, draw: Draw) -> Integers:
    found = np.zeros(size, np.int64)
    open_places = np.arange(size)
    while open_places.size:
        proposed = laplace(scale + 1, open_places.size, draw)
        taken = _accepted(proposed, scale, draw)
        found[open_places[taken]] = proposed[taken]
        open_places = open_places[~taken]
    return found


def _accepted(proposed: Integers, scale: int, draw: Draw) -> NDArray[np.bool_]:
    """Keeps a proposal y from the Laplace distribution of scale t with e^-γ, γ = (|y|·t - σ²)² / (2σ²t²)."""
    t, square = scale + 1, scale * scale
    distance = np.minimum(np.abs(proposed), (1 << 62) // t) * t - square
    root = distance.astype(np.float64) / (float(scale) * t)

    def exactly(at: int) -> Fraction:
        return Fraction(abs(int(proposed[at])) * t - square, scale * t) ** 2 / 2

    return happens(root * root / 2, exactly, draw)


def laplace(scale: int, size: int, draw: Draw = os.urandom) -> Integers:
    """Draws independent numbers with P(x) ∝ e^(-|x|/t), t a whole number (algorithm 2)."""
    found = np.zeros(size, np.int64)
    open_places = np.arange(size)
    while open_places.size:
        rest = _below(scale, open_places.size, draw)
        kept = happens(rest / scale, lambda at, rest=rest: Fraction(int(rest[at]), scale), draw)  # type: ignore[misc]
        magnitude = rest + scale * _geometric(open_places.size, draw)
        negative = np.frombuffer(draw(open_places.size), np.uint8) & 1 == 1
        kept &= ~(negative & (magnitude == 0))
        found[open_places[kept]] = np.where(negative, -magnitude, magnitude)[kept]
        open_places = open_places[~kept]
    return found


def _geometric(size: int, draw: Draw) -> Integers:
    """Counts how often in a row a coin of e^-1 falls on its face."""
    found = np.zeros(size, np.int64)
    going = np.arange(size)
    while going.size:
        going = going[happens(np.ones(going.size), lambda _: Fraction(1), draw)]
        found[going] += 1
    return found


def _below(limit: int, size: int, draw: Draw) -> Integers:
    """Draws uniform whole numbers 0 … limit - 1; what lies beyond the limit's last multiple is drawn again."""
    found = np.zeros(size, np.int64)
    open_places = np.arange(size)
    most = (1 << 63) // limit * limit
    while open_places.size:
        drawn = np.frombuffer(draw(8 * open_places.size), "<u8") >> np.uint64(1)
        taken = drawn < most
        found[open_places[taken]] = (drawn[taken] % np.uint64(limit)).astype(np.int64)
        open_places = open_places[~taken]
    return found


def happens(
    gamma: NDArray[np.float64], exactly: Callable[[int], Fraction], draw: Draw = os.urandom
) -> NDArray[np.bool_]:
    """Throws coins that fall on their face with probability e^-γ.

    Args:
        gamma: γ ≥ 0 of each coin, to within a few units in the last place.
        exactly: γ of one coin, by its place.
        draw: Where random bytes come from.
    """
    uniform = (np.frombuffer(draw(8 * gamma.size), "<u8") >> np.uint64(64 - _BITS)).astype(np.int64)
    limit = np.exp(-gamma) * float(1 << _BITS)
    face = uniform < limit
    for at in np.flatnonzero(np.abs(uniform - limit) <= _DOUBT):
        face[at] = _compared(int(uniform[at]), exactly(int(at)), draw)
    return face


def _compared(uniform: int, gamma: Fraction, draw: Draw) -> bool:
    """Whether a uniform number in [0, 1), of which 53 bits are known, lies below e^-γ."""
    bits = _BITS
    while True:
        uniform, bits = (uniform << 64) | int.from_bytes(draw(8), "little"), bits + 64
        low, high = exponential(gamma, bits)
        if uniform + 1 <= low * (1 << bits):
            return True
        if uniform >= high * (1 << bits):
            return False


def exponential(gamma: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    """Bounds of e^-γ that lie at most 2^-bits apart, by its series: alternating, and falling once k > γ."""
    whole = math.floor(gamma)
    low, high = _series(gamma - whole, bits + 2)
    if not whole:
        return low, high
    first, second = _series(Fraction(1), bits + 4 + 2 * whole)
    return low * first**whole, high * second**whole


def _series(gamma: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    """Bounds of e^-γ for 0 ≤ γ ≤ 1: partial sums of the series lie on alternating sides of it."""
    total = term = Fraction(1)
    last = total
    k = 0
    while abs(term) * (1 << bits) > 1:
        k += 1
        term = -term * gamma / k
        last, total = total, total + term
    return min(last, total), max(last, total)
