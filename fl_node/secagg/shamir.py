"""Shamir's secret sharing over the prime 2^521-1 (Shamir, 1979), for secrets of 32 bytes."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from fl_node import codes
from fl_node.secagg.errors import SecaggError

PRIME: Final = (1 << 521) - 1
SECRET_BYTES: Final = 32
SHARE_BYTES: Final = 66

Entropy = Callable[[int], bytes]
"""Returns that many unpredictable bytes, as `os.urandom` does."""


def split(secret: bytes, receivers: int, threshold: int, entropy: Entropy) -> list[bytes]:
    """Splits a secret so that any `threshold` shares rebuild it and fewer say nothing.

    Args:
        secret: 32 bytes, taken as a big-endian integer.
        receivers: How many shares; the one at index i stands for x = i + 1.
        threshold: Degree of the polynomial plus one.
        entropy: Source of the coefficients.

    Returns:
        Shares of 66 bytes, big-endian.
    """
    coefficients = [_element(entropy) for _ in range(threshold - 1)]
    coefficients.append(int.from_bytes(secret, "big"))
    shares = []
    for x in range(1, receivers + 1):
        value = 0
        for coefficient in coefficients:
            value = (value * x + coefficient) % PRIME
        shares.append(value.to_bytes(SHARE_BYTES, "big"))
    return shares


def _element(entropy: Entropy) -> int:
    while True:  # rejection keeps the coefficient uniform; it repeats with probability 2^-521
        value = int.from_bytes(entropy(SHARE_BYTES), "big") & PRIME
        if value < PRIME:
            return value


def rebuild(shares: Sequence[tuple[int, bytes]]) -> bytes:
    """Rebuilds a secret from (x, share) pairs with distinct x > 0.

    Raises:
        SecaggError: A share lies outside the field (FL4103), or the result is no 32-byte secret (FL4113).
    """
    values = [element(share) for _, share in shares]
    basis = _basis(tuple(x for x, _ in shares))
    secret = sum(value * coefficient for value, coefficient in zip(values, basis, strict=True)) % PRIME
    if secret >> (8 * SECRET_BYTES):
        raise SecaggError(codes.BAD_SECRET, "the shares rebuild no 32-byte secret")
    return secret.to_bytes(SECRET_BYTES, "big")


def element(share: bytes) -> int:
    """Returns a share's value; one of another length or of 2^521-1 or more is refused (FL4103)."""
    value = int.from_bytes(share, "big")
    if len(share) != SHARE_BYTES or value >= PRIME:
        raise SecaggError(codes.BAD_SHARE, "a share lies outside the field")
    return value


@lru_cache(maxsize=64)
def _basis(points: tuple[int, ...]) -> tuple[int, ...]:
    """Returns Lagrange coefficients at zero; secrets shared to the same receivers use one basis."""
    product = 1
    for x in points:
        product = product * x % PRIME
    basis = []
    for x in points:
        divisor = x
        for other in points:
            if other != x:
                divisor = divisor * (other - x) % PRIME
        basis.append(product * pow(divisor, -1, PRIME) % PRIME)
    return tuple(basis)
