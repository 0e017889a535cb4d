"""What a metric is measured in, from its name, and how a number is written: to the digits that say something."""

from collections.abc import Iterable
from typing import Final

SHARES: Final = ("accuracy", "auc", "precision", "recall", "f1", "r2", "sensitivity", "specificity", "dice", "iou")
LOSSES: Final = ("loss", "error", "mse", "mae", "rmse", "deviance", "entropy", "inertia", "perplexity", "distance")
COUNTS: Final = ("num", "count", "examples", "batches", "rows", "clients", "participants", "zeroed", "clipped", "size")
UNITS: Final = ("accuracy", "loss", "other")
"""Those that are drawn, in this order; counts stand in tables alone."""
TITLES: Final = {"accuracy": "Accuracy", "loss": "Loss", "other": "Other metrics"}
MOST_DIGITS: Final = 15
"""From how many digits before the point on a number is written with a power of ten."""


def unit(name: str) -> str:
    """Return what a metric is measured in: "accuracy" (a share, 0 to 1), "loss", "count" or "other".

    The last part of the name decides, "train/num_examples" is a count: plans name their metrics freely, and a name is
    all that the ledger has.
    """
    words = set(name.lower().rpartition("/")[2].replace("-", "_").split("_"))
    if words & set(COUNTS):
        return "count"
    for found, known in (("accuracy", SHARES), ("loss", LOSSES)):
        if any(word.startswith(known) or word.endswith(known) for word in words):
            return found
    return "other"


def by_unit(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the metrics that are drawn, those of each unit together, in the units' order."""
    ordered = sorted(names)
    found = {one: [name for name in ordered if unit(name) == one] for one in UNITS}
    return {one: members for one, members in found.items() if members}


def number(value: object) -> str:
    """Return a number for people: whole numbers as they are, others to four significant digits; text as it is."""
    try:
        found = float(str(value))
    except ValueError:
        return str(value)
    if found.is_integer() and abs(found) < 10**MOST_DIGITS:
        return f"{int(found):,}"
    if found != 0 and not 10**-3 <= abs(found) < 10**MOST_DIGITS:
        return f"{found:.3g}"
    return f"{found:#.4g}".rstrip(".") if abs(found) < 10**4 else f"{found:,.0f}"
