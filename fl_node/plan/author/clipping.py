"""The norm to clip to, from rows of the author's own: for `plan build --clip-from`."""

import statistics
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fl_node import codes
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.build import build
from fl_node.plan.errors import plan_error
from fl_node.plan.frameworks import Framework
from fl_node.plan.runtime import open_read

PROBE: Final = "1000000"
"""A clip that clips nothing: norms are measured with it."""
WHAT: Final = {
    "record": "the median norm of {count} training rows' gradients at the initial model",
    "participant": "the norm of an update at the initial model, trained on these rows",
}


@dataclass(frozen=True)
class Clip:
    """A norm to clip to, and where it comes from.

    Attributes:
        clip: Decimal text, four digits.
        told: What was measured on which rows, for people.
    """

    clip: str
    told: str


def clip_from(source: str, rows: Path, *, framework: Framework, goal: Goal | None, log: Path | None = None) -> Clip:
    """Finds the clip of a plan with noise from rows.

    Unit record: the median of the rows' gradient norms (Abadi et al., CCS 2016, arXiv 1607.00133, take the median over
    the course of training). Unit participant: the norm of the update that the rows give.

    Args:
        source: `FILE.py` or `FILE.py:function`.
        rows: A CSV or Parquet file, or a folder of part files, that fits the plan's schema.
        framework: Whose compiler builds it.
        goal: Differential privacy to build for.
        log: Where the framework writes.

    Raises:
        PlanError: FL3050 without a goal, or where the norm is no clip; as `build`.
        DataError: FL31xx for rows that do not fit.
    """
    if goal is None:
        text = "a clip is found for a plan with noise, and no ε is given"
        raise plan_error(codes.NOT_PRIVATE, text, "clip-from", "Give --epsilon, or set the clip in the file.")
    plan = build(source, framework=framework, goal=goal, clip=PROBE, log=log).plan
    runtime = open_read(plan, data=rows, log=log)
    try:
        assert isinstance(runtime, AveragingRuntime), "no other plan gets noise"
        norms: Any = runtime.call("norms", runtime.initialize(), data=str(rows)).header["norms"]
    finally:
        runtime.close()
    found = statistics.median(norms)
    what = WHAT[goal.unit].format(count=len(norms))
    if not 0 < found < float(PROBE):
        hint = "Give rows from which the model learns, or set the clip in the file."
        raise plan_error(codes.NOT_PRIVATE, f"{what} is {found:g}: no clip", "clip-from", hint)
    return Clip(format(Decimal(f"{found:.4g}"), "f"), f"{what}, of {rows}")
