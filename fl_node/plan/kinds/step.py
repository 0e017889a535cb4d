"""A round of any kind: from rows to a participant's vector, and from the survivors' sum to the next state."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fl_node import codes
from fl_node.plan.arithmetic.machine import require_ieee
from fl_node.plan.arithmetic.slots import HELD, ONE, ROWS
from fl_node.plan.errors import plan_error
from fl_node.plan.kinds.kind import State
from fl_node.plan.kinds.manifest import VERSION, KindManifest
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.sums import LOSS, Quantity, Totals, to_slots
from fl_node.plan.state_codec import Leaf, decode_state, encode_state, require_finite
from fl_node.secagg.layout import Vector


def read_state(manifest: KindManifest, blob: bytes) -> State:
    """Reads a state blob of a plan.

    Raises:
        PlanError: FL3020 where it is none of the plan's, FL3022 where it is not finite.
    """
    leaves = decode_state(blob)
    if [leaf.spec for leaf in leaves] != [(leaf.path, leaf.dtype, leaf.shape) for leaf in manifest.state]:
        raise plan_error(codes.BAD_STATE, "the state has other tensors than the plan's")
    return {leaf.path: leaf.array for leaf in leaves}


def write_state(state: State) -> bytes:
    """Encodes a state.

    Raises:
        PlanError: FL3022 where it is not finite.
    """
    leaves = [Leaf(name, array) for name, array in state.items()]
    require_finite(leaves)
    return encode_state(leaves)


def vector_of(manifest: KindManifest, state: bytes, training: Rows, held: Rows) -> bytearray:
    """Turns rows into this participant's vector, unmasked.

    Raises:
        PlanError: FL3020, FL3022 for the state, FL3030 for sums that are no numbers, FL3060 for those too large.
    """
    kind, schema, base = manifest.kind, manifest.schema_, read_state(manifest, state)
    with np.errstate(all="ignore"):  # what is not finite is refused below
        numbers: dict[str, Any] = dict(kind.contribute(schema, base, training))
        numbers[f"train/{LOSS}"] = kind.loss(schema, base, training)
        if manifest.evaluation:
            numbers[f"evaluation/{LOSS}"] = kind.loss(schema, base, held)
    counted = {ROWS: len(training), HELD: len(held), ONE: 1}
    slots = {name: np.array(value, np.int64) for name, value in counted.items()}
    slots |= {one.segment: to_slots(one, numbers[one.name], manifest.cohort_max) for one in manifest.quantities}
    segments = manifest.layout.segments
    return manifest.layout.pack([slots[one.name].astype(one.dtype) for one in segments])


def next_state(
    manifest: KindManifest, state: bytes, aggregate: Vector, counts: Sequence[int]
) -> tuple[bytes, dict[str, float]]:
    """Computes the next state and the metrics: the same bytes on every machine.

    Args:
        manifest: The plan's.
        state: The base state.
        aggregate: The sum in the layout's bytes.
        counts: The rows that each survivor declared on the ledger; only how many there are matters, since what is
            divided by is summed itself.

    Raises:
        PlanError: FL3004 for a plan of another version, FL3020 for the state, FL3031 … FL3033 for the sum, FL3022
            where the next state is not finite, FL3049 where this process does not compute exactly, FL3061 and FL3062
            where no state follows.
    """
    require_ieee()
    if manifest.framework_version != VERSION:
        raise plan_error(codes.OTHER_FRAMEWORK, f"the plan needs version {manifest.framework_version}, not {VERSION}")
    base, totals = read_state(manifest, state), totals_of(manifest, aggregate, len(counts))
    with np.errstate(all="ignore"):  # as above
        following = manifest.kind.follow(manifest.schema_, base, totals)
    ordered = {leaf.path: np.asarray(following[leaf.path]) for leaf in manifest.state}
    blob = write_state(ordered)
    return blob, {**losses(manifest, totals), **manifest.kind.report(ordered)}


def totals_of(manifest: KindManifest, aggregate: Vector, participants: int) -> Totals:
    """Reads a sum and checks each slot's range.

    Raises:
        PlanError: FL3031 … FL3033.
    """
    tensors = manifest.layout.unpack(aggregate, participants)
    sums = {segment.name: tensor for segment, tensor in zip(manifest.layout.segments, tensors, strict=True)}
    return Totals(sums, participants, manifest.cohort_max)


def losses(manifest: KindManifest, totals: Totals) -> dict[str, float]:
    """The mean loss over rows of each part, at the base state, and how many rows there were."""
    found: dict[str, float] = {}
    parts = {"train": totals.rows, **({"evaluation": totals.held} if manifest.evaluation else {})}
    for part, rows in parts.items():
        total = totals.real(Quantity(f"{part}/{LOSS}", (), manifest.kind.magnitude_bits))
        found[f"{part}/{LOSS}"] = float(total) / rows if rows else 0.0
        found[f"{part}/num_examples"] = float(rows)
    return found
