"""From a state and the survivors' sum to the next state and the metrics: what every node, and the audit, computes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.arithmetic import scaffold, slots
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.chosen import Inner, at_places, chosen, placed, split
from fl_node.plan.arithmetic.machine import require_ieee
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.server import step
from fl_node.plan.arithmetic.state import ModelState, read_state
from fl_node.plan.state_codec import encode_state, require_finite
from fl_node.secagg.layout import Vector

Sums = Mapping[str, NDArray[Any]]
Doubles = NDArray[np.float64]


def next_state(
    manifest: AveragingManifest, state: bytes, aggregate: Vector, counts: Sequence[int]
) -> tuple[bytes, dict[str, float]]:
    """Computes the next state and the metrics: the same bytes on every machine.

    Args:
        manifest: The plan's.
        state: The base state.
        aggregate: The sum in the layout's bytes.
        counts: The rows that each survivor declared on the ledger: they alone are the divisor of the mean.

    Raises:
        PlanError: FL3020 for the state, FL3031 … FL3034 for the sum, FL3022 where the next state is not finite,
            FL3049 where this process does not compute exactly.
    """
    require_ieee()
    base = read_state(manifest, state)
    tensors = manifest.tensors(aggregate, counts)
    sums = {segment.name: tensor for segment, tensor in zip(manifest.layout.segments, tensors, strict=True)}
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        following = _moved(manifest, base, sums, len(counts))
    leaves = following.leaves()
    require_finite(leaves)
    return encode_state(leaves), metrics_of(manifest, sums, len(counts))


def metrics_of(manifest: AveragingManifest, sums: Sums, participants: int) -> dict[str, float]:
    """The means over rows of what was measured, how many rows there were, and how many updates were cut."""
    rows = {"train": int(sums[slots.ROWS]), "evaluation": int(sums[slots.HELD]) if manifest.evaluation else 0}
    found = {"aggregation/clipped": float(sums[slots.CLIPPED]), "aggregation/zeroed": float(sums[slots.ZEROED])}
    for part in slots.parts(evaluation=manifest.evaluation):
        passes = manifest.batching.epochs if part == "train" else 1
        found[f"{part}/num_examples"] = float(rows[part])
        for name in manifest.averaging.measured:
            total = int(sums[f"metric/{part}/{name}"])
            counted = participants if manifest.averaging.mean_of_means else rows[part] * passes
            found[f"{part}/{name}"] = slots.from_slots(total, participants, counted)
    for group in range(manifest.averaging.contribution):
        total = int(sums[slots.CONTRIBUTION][group])
        found[slots.contribution_name(group)] = float(total // participants - slots.NOTHING)
    return found


def _moved(manifest: AveragingManifest, base: ModelState, sums: Sums, participants: int) -> ModelState:
    averaging = manifest.averaging
    trained, moments = [], []
    for at, (delta, inner) in enumerate(_means(averaging, base, sums, participants)):
        weights, kept = base.trained[at], [arrays[at] for arrays in (base.first, base.second) if arrays]
        moved, after = step(averaging.server, delta, tuple(at_places(one, inner) for one in kept))
        trained.append(placed(weights, inner, at_places(weights, inner).astype(np.float64) + moved))
        moments.append([placed(one, inner, numbers) for one, numbers in zip(kept, after, strict=True)])
    others: list[NDArray[Any]] = list(base.kept) if averaging.local else []
    for at, weights in enumerate([] if averaging.local else base.kept):
        clip = float(averaging.moments_clip or 1)
        delta = slots.mean(averaging, sums, f"value/non_trainable/{at}", participants, clip)
        others.append((weights.astype(np.float64) + delta).astype(weights.dtype))
    first = [after[0] for after in moments] if base.first else []
    second = [after[1] for after in moments] if base.second else []
    rounds = [one + 1.0 for one in base.rounds]
    return ModelState(trained, others, first, second, _control(averaging, base, sums, participants), rounds)


def _means(averaging: Averaging, base: ModelState, sums: Sums, participants: int) -> Iterator[tuple[Doubles, Inner]]:
    """Each trained tensor's mean update, and which of its numbers it is of: None where it is of all.

    Where a part of the update travels, the step is of that part: other numbers stay as they are, with their moments.
    """
    clip, places = float(averaging.quantisation.clip), chosen(averaging, base)
    if places is None:
        for at in range(len(base.trained)):
            yield slots.mean(averaging, sums, f"value/trainable/{at}", participants, clip), None
        return
    mean = slots.mean(averaging, sums, slots.CHOSEN, participants, clip)
    for held, inner in split([weights.size for weights in base.trained], places):
        yield mean[held], inner


def _control(averaging: Averaging, base: ModelState, sums: Sums, participants: int) -> Sequence[NDArray[Any]]:
    if averaging.scaffold is None:
        return ()
    clip, names = float(averaging.scaffold.clip), [f"{slots.CONTROL_VALUE}{at}" for at in range(len(base.control))]
    means = [slots.mean(averaging, sums, name, participants, clip) for name in names]
    return scaffold.moved(averaging, base.control, means, participants)
