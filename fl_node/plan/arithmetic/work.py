"""From a participant's new weights and measures to its vector: delta, zero, clip, quantise, pack."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.plan.arithmetic import slots
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.chosen import chosen, gathered
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import Privacy, noised
from fl_node.plan.arithmetic.state import Arrays, ModelState
from fl_node.plan.errors import plan_error
from fl_node.plan.manifest import Quantisation
from fl_node.privacy.gaussian import Draw

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class Worked:
    """What a local step gave.

    Attributes:
        trained: The trained weights after it.
        kept: The other weights after it.
        rows: Training rows, > 0.
        held: Hold-out rows.
        measured: Part (`train`, `evaluation`) → the sums of each measure over the rows, all passes together.
        control: By how much its control variate changes; nothing where the plan has none.
    """

    trained: Arrays
    kept: Arrays
    rows: int
    held: int
    measured: Mapping[str, Sequence[float]]
    control: Arrays = ()


def vector_of(manifest: AveragingManifest, before: ModelState, worked: Worked, draw: Draw = os.urandom) -> bytearray:
    """Turns a local step into this participant's vector, unmasked.

    With H = 2^(bits-1) - 1, clipping norm C, weight w = min(rows, W) and cap W, an update x becomes
    round(x/C · w/W · H) + H. Zero is exact; the rounding error of the mean is at most n·C·W / (2·H·Σw).
    An update with a coordinate beyond `zero_above` becomes zeros and weighs nothing. Where a part of the update
    travels, that part alone is clipped: its norm is what C bounds.

    A private plan's values and measures get noise, so that each call gives another vector, and no count tells whether
    this update was clipped.

    Args:
        manifest: The plan's.
        before: The base state.
        worked: What the step gave.
        draw: Where the noise of a private plan comes from.

    Raises:
        PlanError: FL3030 where a number is not finite or does not fit its slot.
    """
    averaging, quantisation = manifest.averaging, manifest.averaging.quantisation
    trained, kept = deltas(before.trained, worked.trained), deltas(before.kept, worked.kept)
    kept = [] if averaging.local else kept
    zeroed = _largest(trained) > float(quantisation.zero_above or math.inf)
    weight = 0 if zeroed else min(worked.rows, quantisation.weight_cap or 1)
    places = chosen(averaging, before)
    trained = trained if places is None else [gathered(trained, places)]
    values, clipped = quantised(trained, float(quantisation.clip), quantisation, weight)
    moments, _ = quantised(kept, float(averaging.moments_clip or 1), quantisation, weight)
    limit = float(averaging.scaffold.clip) if averaging.scaffold else 1.0
    control, control_clipped = quantised(_finite(worked.control), limit, quantisation, weight)
    clipped = clipped or control_clipped
    room = slots.centre(averaging) - slots.half(quantisation.bits)
    numbers: dict[str, Any] = {
        slots.ROWS: worked.rows,
        slots.HELD: worked.held,
        slots.WEIGHT: weight,
        slots.CLIPPED: int(clipped and not zeroed and averaging.privacy is None),
        slots.ZEROED: int(zeroed),
        slots.ONE: 1,
        **{slots.CHOSEN if averaging.compression else f"value/trainable/{at}": v + room for at, v in enumerate(values)},
        **{f"value/non_trainable/{at}": value + room for at, value in enumerate(moments)},
        **{f"{slots.CONTROL_VALUE}{at}": value for at, value in enumerate(control)},
    }
    if averaging.contribution:
        numbers[slots.CONTRIBUTION] = np.full(averaging.contribution, slots.NOTHING)
    for part in slots.parts(evaluation=manifest.evaluation):
        rows = worked.rows * manifest.batching.epochs if part == "train" else worked.held
        for at, name in enumerate(averaging.measured):
            value = _cut(averaging, at, worked.measured[part][at], rows)
            numbers[f"metric/{part}/{name}"] = slots.to_slot(value, f"{part}/{name}")
    if averaging.privacy:
        scales = _scales(manifest, averaging.privacy)
        numbers |= {name: noised(scale, numbers[name], draw) for name, scale in scales.items()}
    segments = manifest.layout.segments
    return manifest.layout.pack([np.asarray(numbers[segment.name], dtype=segment.dtype) for segment in segments])


def _scales(manifest: AveragingManifest, privacy: Privacy) -> dict[str, int]:
    """σ of each segment that gets noise: values and measures, not counts."""
    averaging = manifest.averaging
    values = {one.name: privacy.scale for one in manifest.layout.segments if one.kind == "value"}
    found = dict(zip(averaging.measured, privacy.measured_scales, strict=True))
    parts = slots.parts(evaluation=manifest.evaluation)
    return values | {f"metric/{part}/{name}": scale for part in parts for name, scale in found.items()}


def _cut(averaging: Averaging, at: int, total: float, rows: int) -> float:
    """What a participant says of a measure: a private plan's lies between zero and what was agreed."""
    privacy = averaging.privacy
    if privacy is None or not math.isfinite(total):
        return total
    most = float(privacy.measured_max[at])
    if privacy.goal.unit == "record":
        return min(max(total, 0.0), most * rows)
    return min(max(total / rows, 0.0), most) if rows else 0.0


def deltas(before: Arrays, after: Arrays) -> list[Doubles]:
    """How far each weight moved, as doubles.

    Raises:
        PlanError: FL3030 where the shapes are others, or a number is not finite.
    """
    if [array.shape for array in before] != [array.shape for array in after]:
        raise plan_error(codes.WORK_OUT_OF_SLOT, "the trained weights have other shapes than the state's")
    return _finite([new.astype(np.float64) - old.astype(np.float64) for old, new in zip(before, after, strict=True)])


def _finite(parts: Sequence[Doubles]) -> list[Doubles]:
    if not all(np.isfinite(part).all() for part in parts):
        raise plan_error(codes.WORK_OUT_OF_SLOT, "the trained weights hold NaN or infinity")
    return list(parts)


def quantised(parts: Sequence[Doubles], clip: float, q: Quantisation, weight: int) -> tuple[list[Integers], bool]:
    """Clips the parts of an update to a common norm and makes them integers; tells whether it was clipped."""
    half = slots.half(q.bits)
    length = norm(parts)
    factor = half / clip * weight / (q.weight_cap or 1)
    if length > clip:
        factor = factor * (clip / length)
    whole = [np.clip(np.rint(part * factor), -half, half).astype(np.int64) + half for part in parts]
    return whole, length > clip


def norm(parts: Sequence[Doubles]) -> float:
    """The L2 norm: the root of the exact sum of the squares, so that it depends on no order."""
    return math.sqrt(math.fsum(chain.from_iterable(_squares(parts))))


def _squares(parts: Sequence[Doubles]) -> Iterator[list[float]]:
    for part in parts:
        flat = part.reshape(-1)
        for start in range(0, flat.size, CHUNK):
            yield np.square(flat[start : start + CHUNK]).tolist()


def _largest(parts: Sequence[Doubles]) -> float:
    return max((float(np.abs(part).max()) for part in parts if part.size), default=0.0)
