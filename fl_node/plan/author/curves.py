"""Learning curves: as a line of blocks for a terminal, as a picture where matplotlib is installed."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.plan.author.trial import Trial
from fl_node.plan.errors import plan_error

BLOCKS: Final = "▁▂▃▄▅▆▇█"
WIDEST: Final = 24


def sparks(values: Sequence[float]) -> str:
    """Returns a line of blocks, one for each value, at most `WIDEST` of them evenly chosen."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return ""
    chosen = [finite[round(at * (len(finite) - 1) / (WIDEST - 1))] for at in range(WIDEST)]
    shown = chosen if len(finite) > WIDEST else finite
    low, high = min(shown), max(shown)
    steps = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * steps)] for value in shown)


def draw(trial: Trial, path: Path) -> None:
    """Draws every curve into a file; the suffix says of what kind.

    Raises:
        PlanError: FL3082 without matplotlib, or for a kind of file that it does not write.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - only who draws needs it
    except ModuleNotFoundError as error:
        hint = "Install fedledger[audit], or leave --plot out: the table has the same numbers."
        raise plan_error(codes.TRIAL_IMPOSSIBLE, "matplotlib is not installed", str(path), hint) from error
    measures = list(dict.fromkeys(_measure(name) for name in trial.names))
    spent = [each.epsilon for each in trial.rounds if each.epsilon is not None]
    count = len(measures) + bool(spent)
    figure = Figure(figsize=(4.5 * count, 3.2), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    if spent:
        panels[-1].plot(range(1, 1 + len(spent)), spent)
        panels[-1].set(title="ε", xlabel="rounds trained")
    for axes, measure in zip(panels, measures, strict=False):
        for name in (name for name in trial.names if _measure(name) == measure):
            curve = trial.curve(name)
            first = 0 if name.startswith("evaluation/") else 1
            axes.plot(range(first, first + len(curve)), curve, label=name.split("/", 1)[0])
        axes.set(title=measure, xlabel="rounds trained")
        axes.legend()
    try:
        figure.savefig(path)
    except ValueError as error:
        hint = "Name a .png, .svg or .pdf file."
        raise plan_error(codes.TRIAL_IMPOSSIBLE, str(error)[:200], str(path), hint) from error


def _measure(name: str) -> str:
    """What a metric measures, without where: `train/loss` and `evaluation/loss` share a panel; `loss` has its own."""
    return name.partition("/")[2] or name
