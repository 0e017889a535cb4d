"""Real numbers as the ledger takes them."""

from typing import Final

DECIMALS: Final = 9
LARGEST_PLAIN: Final = 1e22
"""Metrics from here on are written with an exponent: the ledger takes at most 32 digits before the point."""


def decimal(value: float) -> str:
    """Return a finite metric as the ledger takes it: at most nine decimal places, or an exponent where it is large."""
    if abs(value) >= LARGEST_PLAIN:
        return repr(float(value))
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
