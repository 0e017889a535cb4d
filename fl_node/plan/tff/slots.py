"""From the tensors of a process's secure sums to the segments of a layout: width, ring, kind, and the count of rows."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final, cast

import numpy as np

from fl_node import codes
from fl_node.plan.errors import NO_NUMBER, PlanError, plan_error
from fl_node.plan.layout import Count, Kind, TensorLayout, TensorSegment, word_for
from fl_node.plan.state_codec import Leaf, encode_state
from fl_node.plan.tff.aggregation import REFUSED
from fl_node.plan.tff.execute import Computations
from fl_node.plan.tff.samples import SAMPLE_ROWS, Arrays, Workplace
from fl_node.plan.tff.structure import Path, flatten, tensor_types

BITWIDTH, MAX_INPUT, MODULAR = "1", "2", "3"
KINDS: Final = frozenset({"value", "weight", "metric", "count", "one"})


def make_layout(form: Any, workplace: Workplace, samples: Sequence[Arrays]) -> TensorLayout:
    """Makes the layout of a process, by what the participants of `SAMPLE_ROWS` gave.

    A struct member named value, weight, metric, count or one gives its slots that kind. Where there is no such name,
    the update is run with the slot changed: what leaves the state alone is a metric, a tensor of the model's own
    shapes a value, anything else a weight.

    Raises:
        PlanError: FL3008 (overflow), FL3009 (type), FL3011 (modulus), FL3014 (a number outside its slot).
    """
    computations = workplace.computations
    tensors = list(tensor_types(computations.sums_type))
    limits = [limit for part in _limits(form) for limit in part]
    paths = [path for path, _ in tensors]
    kinds = _kinds(computations, workplace.state, paths, samples)
    segments = [
        _segment(name, path, tensor, limit, kind, workplace.source.cohort_max)
        for name, (path, tensor), limit, kind in zip(_names(paths), tensors, limits, kinds, strict=True)
    ]
    count = _count(segments, samples)
    if count:
        segments = [_as_count(segment) if segment.name == count.segment else segment for segment in segments]
    layout = TensorLayout(segments=tuple(sorted(segments, key=lambda segment: -segment.word)), count=count)
    _check_samples(layout, segments, samples)
    return layout


def _limits(form: Any) -> list[list[int]]:
    widths = _numbers(form.secure_sum_bitwidth)
    largest = _numbers(form.secure_sum_max_input)
    moduli = _numbers(form.secure_modular_sum_modulus)
    return [[(1 << width) - 1 for width in widths], largest, [modulus - 1 for modulus in moduli]]


def _numbers(computation: Any) -> list[int]:
    result_type = computation.type_signature.result
    return [int(number) for number in flatten(computation(), result_type)] if list(tensor_types(result_type)) else []


def _names(paths: Sequence[Path]) -> list[str]:
    """Names each tensor from its kind on, or by its whole path where that is not unique."""
    starts = [next((at for at, part in enumerate(path) if part in KINDS), 0) for path in paths]
    short = Counter(path[start:] for path, start in zip(paths, starts, strict=True))
    return [
        "/".join(path[start:] if short[path[start:]] == 1 else path) for path, start in zip(paths, starts, strict=True)
    ]


def _segment(name: str, path: Path, tensor: Any, limit: int, kind: Kind, cohort_max: int) -> TensorSegment:
    dtype = np.dtype(tensor.dtype).name
    if dtype not in {"int32", "int64"} or 0 in tensor.shape:
        raise plan_error(codes.UNSUPPORTED_TYPE, f"secure sums of {dtype}{list(tensor.shape)}", name)
    if path[0] == MODULAR:
        return _modular(name, path, tensor, limit, kind)
    if cohort_max * limit > np.iinfo(dtype).max:
        raise plan_error(
            codes.SLOT_OVERFLOW, f"{cohort_max} participants with up to {limit} each do not fit {dtype}", name
        )
    word = word_for(limit, cohort_max)
    return _build(name, path, tensor, kind, (word, word, limit))


def _modular(name: str, path: Path, tensor: Any, limit: int, kind: Kind) -> TensorSegment:
    ring = limit.bit_length()
    if limit + 1 != 1 << ring:
        raise plan_error(codes.BAD_MODULUS, f"a modulus of {limit + 1}", name)
    return _build(name, path, tensor, kind, (32 if ring < 32 else 64, ring, limit))  # noqa: PLR2004 - a modular ring is narrower than its word


def _build(name: str, path: Path, tensor: Any, kind: Kind, sizes: tuple[int, int, int]) -> TensorSegment:
    word, ring, limit = sizes
    return TensorSegment.model_validate(
        {
            "name": name,
            "kind": kind if kind != "one" or limit == 1 else "metric",
            "word": word,
            "ring": ring,
            "max": limit,
            "slots": int(np.prod(tensor.shape, dtype=np.int64)),
            "path": path,
            "shape": tuple(int(size) for size in tensor.shape),
            "dtype": np.dtype(tensor.dtype).name,
        }
    )


def _kinds(
    computations: Computations, state: Sequence[Leaf], paths: Sequence[Path], samples: Sequence[Arrays]
) -> list[Kind]:
    named = [next((part for part in path if part in KINDS), None) for path in paths]
    if None not in named:
        return cast("list[Kind]", named)
    moved = _movers(computations, state, samples)
    groups = [path[:2] for path in paths]
    models = {group for group in groups if _is_model(group, groups, samples[0], state)}
    found = [
        "metric" if not moves else "value" if group in models else "weight"
        for moves, group in zip(moved, groups, strict=True)
    ]
    return cast("list[Kind]", [name or kind for name, kind in zip(named, found, strict=True)])


def _movers(computations: Computations, state: Sequence[Leaf], samples: Sequence[Arrays]) -> list[bool]:
    sums = [sum(parts[1:], start=parts[0]) for parts in zip(*samples, strict=True)]

    def next_state(tensors: Arrays) -> bytes:
        try:
            return encode_state(computations.run_update(state, tensors)[0])
        except Exception:  # noqa: BLE001 - TFF asserts that its counts agree: a slot that breaks the update matters to it
            return b""

    base = next_state(sums)
    changed = [
        [*sums[:at], np.where(tensor > 0, tensor // 2, tensor + 1).astype(tensor.dtype), *sums[at + 1 :]]
        for at, tensor in enumerate(sums)
    ]
    return [next_state(tensors) != base for tensors in changed]


def _is_model(group: Path, groups: Sequence[Path], sample: Arrays, state: Sequence[Leaf]) -> bool:
    shapes = [tensor.shape for tensor, other in zip(sample, groups, strict=True) if other == group]
    weights = [leaf.array.shape for leaf in state if leaf.path.startswith("global_model_weights/trainable/")]
    return shapes == weights or not weights


def _count(segments: Sequence[TensorSegment], samples: Sequence[Arrays]) -> Count | None:
    """Finds the slot that is a multiple of the training rows: a named one first, else the smallest multiple."""
    found = []
    for segment, *slots in zip(segments, *samples, strict=True):
        if segment.slots != 1 or segment.kind not in {"metric", "count"}:
            continue
        ratios = {Fraction(int(slot.item()), rows) for slot, (rows, _) in zip(slots, SAMPLE_ROWS, strict=True)}
        if len(ratios) == 1 and min(ratios) > 0:
            found.append((segment.kind != "count", "num_examples" not in segment.path, min(ratios), segment.name))
    if not found:
        return None
    *_, ratio, name = min(found)
    return Count(segment=name, numerator=ratio.denominator, denominator=ratio.numerator)


def _as_count(segment: TensorSegment) -> TensorSegment:
    return segment.model_copy(update={"kind": "count"})


def _check_samples(layout: TensorLayout, segments: Sequence[TensorSegment], samples: Sequence[Arrays]) -> None:
    position = {segment.name: at for at, segment in enumerate(segments)}
    for tensors in samples:
        for segment, tensor in zip(segments, tensors, strict=True):
            if segment.kind == "metric" and np.any(tensor == REFUSED):
                text = "on made-up rows: a loss or metric is no number, or counts below zero"
                raise plan_error(codes.SELF_CHECK_FAILED, text, segment.name, NO_NUMBER)
        try:
            layout.pack([tensors[position[segment.name]] for segment in layout.segments])
        except PlanError as error:
            raise plan_error(codes.SELF_CHECK_FAILED, f"on made-up rows: {error.message}", error.where) from error
