"""A plan's rounds on shares of one's own rows, without a network: the real work, sums and updates, no masks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from fl_node import codes
from fl_node.data.errors import DataError
from fl_node.data.read import read_batches
from fl_node.data.schema import Schema
from fl_node.plan.author.spending import said_of, spent_after
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.interface import DataSource, WorkResult
from fl_node.plan.layout import TensorLayout
from fl_node.plan.runtime import PlanRuntime
from fl_node.plan.summary import FAR, SHOWN
from fl_node.secagg.layout import Vector

CLIPPED: Final = "aggregation/clipped"
ZEROED: Final = "aggregation/zeroed"
EXAMPLES: Final = "num_examples"
COUNTS: Final = ("aggregation/", "aggregator/", "distributor/", "finalizer/")
"""Metrics that tell of the aggregation, not of the model; all but the first are those of a bare TFF process."""


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        number: From 1 on.
        metrics: What the survivors' sum tells: `train/…` on the way, `evaluation/…` of the state before the round.
        clipped: Which shares' updates were clipped.
        zeroed: Which were replaced by zeros.
        moved: Whether the state changed.
        seconds: The work of all shares, one after the other.
        epsilon: ε of all rounds so far, for the plan's δ; None where it adds no noise.
    """

    number: int
    metrics: Mapping[str, float]
    clipped: tuple[int, ...]
    zeroed: tuple[int, ...]
    moved: bool
    seconds: float
    epsilon: float | None = None


@dataclass(frozen=True)
class Trial:
    """What a trial gave.

    Attributes:
        rows: The training rows of each share.
        rounds: One after the other.
        final: What the last state measures on the shares' hold-outs together; empty where nothing is held out.
        state: The last state.
        privacy: What the plan promises, and where the trial is another than that; empty without noise.
    """

    rows: tuple[int, ...]
    rounds: tuple[Round, ...]
    final: Mapping[str, float]
    state: bytes
    privacy: tuple[str, ...] = ()

    def curve(self, name: str) -> list[float]:
        """Return a metric round by round, such as `train/loss`; that of a hold-out ends with the last state's."""
        found = [each.metrics[name] for each in self.rounds if name in each.metrics]
        last = self.final.get(name.removeprefix("evaluation/")) if name.startswith("evaluation/") else None
        return [*found, last] if last is not None else found

    @property
    def names(self) -> list[str]:
        """The metrics that are curves: all but counts."""
        found = self.rounds[0].metrics if self.rounds else {}
        return [name for name in found if not name.startswith(COUNTS) and "num_" not in name]


def run_trial(
    runtime: PlanRuntime, shares: Sequence[Path], rounds: int, seen: Callable[[Round], None] = lambda _: None
) -> Trial:
    """Runs rounds in which every share takes part.

    Args:
        runtime: An opened plan whose child may read the shares.
        shares: Each participant's rows, at least two.
        rounds: How many.
        seen: Called after each round.

    Raises:
        PlanError: FL3081 where a share's update was zeroed in every round, FL3082 for fewer than two shares or more
            than the plan's cohort, and whatever refuses a plan's work, with the share and the round.
        DataError: What refuses rows.
    """
    most = runtime.manifest.cohort_max
    if not 2 <= len(shares) <= most:  # noqa: PLR2004 - a federation
        raise plan_error(codes.TRIAL_IMPOSSIBLE, f"{len(shares)} shares, where 2 to {most} can take part")
    state, found, owned = runtime.initialize(), list[Round](), [b"" for _ in shares]
    works: list[WorkResult] = []
    for number in range(1, rounds + 1):
        sources = [DataSource(share, own) for share, own in zip(shares, owned, strict=True)]
        works = [_work(runtime, state, source, f"share {at}, round {number}") for at, source in enumerate(sources, 1)]
        owned = [work.own for work in works]
        total = summed(runtime.manifest.layout, [work.vector for work in works])
        after = runtime.update(state, total, [work.examples for work in works])
        spent = spent_after(runtime.manifest, len(shares), number)
        found.append(replace(_round(number, works, after.metrics, moved=after.state != state), epsilon=spent))
        state = after.state
        seen(found[-1])
    _refuse_silence(runtime, shares, found)
    last = [DataSource(share, own) for share, own in zip(shares, owned, strict=True)]
    final = _measured(runtime, state, last) if runtime.manifest.evaluation else {}
    said = tuple(said_of(runtime.manifest, len(shares), rounds))
    return Trial(tuple(work.examples for work in works), tuple(found), final, state, said)


def summed(layout: TensorLayout, vectors: Sequence[Vector]) -> bytes:
    """Adds vectors word by word, each sum in its segment's ring: what unmasking gives."""
    total = bytearray(layout.size)
    for segment in layout.flat.segments:
        parts = [segment.view(bytearray(vector)) for vector in vectors]
        ring = np.array((1 << segment.ring) - 1, dtype=parts[0].dtype)
        segment.view(total)[:] = np.add.reduce(parts, dtype=parts[0].dtype) & ring
    return bytes(total)


def far_columns(data: Path, schema: Schema) -> dict[str, float]:
    """Returns the columns whose numbers reach beyond ±`FAR` where a model reads them, with the largest size."""
    means = np.repeat([float(column.mean or 0) for column in schema.columns], _widths(schema))
    deviations = np.repeat([float(column.deviation or 1) for column in schema.columns], _widths(schema))
    steps = schema.window.history if schema.window else 1
    largest = np.zeros(len(means))
    for batch in read_batches(data, schema):
        if len(batch.features):
            sizes = np.abs(batch.features.reshape(-1, steps, len(means)) - means) / deviations
            largest = np.maximum(largest, sizes.max(axis=(0, 1)))
    ends = np.cumsum(_widths(schema))[:-1]
    each = (float(part.max()) for part in np.split(largest, ends))
    return {column.name: size for column, size in zip(schema.columns, each, strict=True) if size > FAR}


def _widths(schema: Schema) -> list[int]:
    return [column.width for column in schema.columns]


def _work(runtime: PlanRuntime, state: bytes, source: DataSource, place: str) -> WorkResult:
    try:
        return runtime.work(state, source)
    except PlanError as error:
        if error.code != codes.WORK_OUT_OF_SLOT:
            raise
        far = _far_text(far_columns(source.path, runtime.manifest.schema_))
        hint = far or "The training diverged: lower the learning rate, or the passes of a round."
        raise PlanError(error.code, error.message, where=place, hint=hint) from error
    except DataError as error:
        if error.code != codes.TOO_FEW_ROWS:
            raise
        hint = "Deal fewer shares (--split), or give more rows."
        raise DataError(error.code, error.message, where=place, hint=hint) from error


def _round(number: int, works: Sequence[WorkResult], metrics: Mapping[str, float], *, moved: bool) -> Round:
    def where(name: str) -> tuple[int, ...]:
        return tuple(at for at, work in enumerate(works, 1) if work.metrics.get(name, 0) > 0)

    return Round(number, metrics, where(CLIPPED), where(ZEROED), moved, sum(work.seconds for work in works))


def _refuse_silence(runtime: PlanRuntime, shares: Sequence[Path], rounds: Sequence[Round]) -> None:
    always = set(range(1, len(shares) + 1)).intersection(*(each.zeroed for each in rounds))
    if not always:
        return
    manifest = runtime.manifest
    quantisation = getattr(getattr(manifest, "averaging", manifest), "quantisation", None)
    limit = f" ({quantisation.zero_above})" if quantisation and quantisation.zero_above else ""
    far = _far_text(far_columns(shares[min(always) - 1], manifest.schema_))
    named = ", ".join(f"share {at}" for at in sorted(always))
    text = f"in each of {len(rounds)} rounds a number of the update lay beyond zero_above{limit}: nothing was learned"
    raise plan_error(codes.ALWAYS_ZEROED, text, named, far)


def _far_text(far: Mapping[str, float]) -> str:
    """What to do where columns are not scaled, "" where they are."""
    if not far:
        return ""
    shown = ", ".join(f"{name} ({size:.4g})" for name, size in sorted(far.items(), key=lambda pair: -pair[1])[:SHOWN])
    return f"Give these columns a mean and a deviation in the schema; as the model reads them they reach: {shown}."


def _measured(runtime: PlanRuntime, state: bytes, sources: Sequence[DataSource]) -> dict[str, float]:
    """The means over all hold-out rows."""
    each = [runtime.evaluate(state, source) for source in sources]
    weights = [one.get(EXAMPLES, 1.0) for one in each]
    total = sum(weights)
    if not total:
        return {}
    names = [name for name in each[0] if "num_" not in name]
    return {name: sum(w * one[name] for w, one in zip(weights, each, strict=True)) / total for name in names}
