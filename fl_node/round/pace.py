"""How often a node looks at the ledger, by how long the ledger takes to answer."""

from typing import Final

QUICK_S: Final = 0.1
"""A ledger that answers a look within this is not busy."""
SLOWEST_PACE: Final = 10.0


def paced(before: float, look_s: float) -> float:
    """Return how many times longer than usual to wait between looks, and for each node before this one.

    It is from 1 to SLOWEST_PACE.

    Scenario: twenty nodes and peers share a machine. A look takes a second there. If everybody looked every second,
    and did what any may do when the node before had not done it within one, most of the machine's work would be to
    look and to be late, and the round would take longer, and be looked at more often still.

    Args:
        before: What it was; the mean of it and of what this look says is returned, so that one late answer passes.
        look_s: How long the ledger took to answer a look, in seconds.
    """
    return min(SLOWEST_PACE, max(1.0, (before + look_s / QUICK_S) / 2))
