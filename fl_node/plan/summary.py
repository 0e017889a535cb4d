"""What a plan is in a few words: for machines, and for who votes on it."""

import math
from collections import Counter
from typing import Any, Final

from fl_node.data.schema import Column, Schema
from fl_node.plan.arithmetic.averaging import KEPT, TRAINED
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.container import Plan
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.manifest import Manifest
from fl_node.plan.tff.manifest import TffManifest
from fl_node.plan.weights import ruleless_weights
from fl_node.privacy import accounting

FAR: Final = 30.0
"""Numbers beyond this are hardly learned from: standardised ones stay near 3."""

SHOWN: Final = 8


def summary(plan: Plan) -> dict[str, Any]:
    """What a machine wants to know of a plan, the body of `register_plan` included."""
    manifest = plan.manifest
    return {
        "name": manifest.name,
        "digest": plan.digest,
        "layout_digest": manifest.layout_digest,
        "initial_state": manifest.initial_state,
        "schema": manifest.schema_digest,
        "cohort_max": manifest.cohort_max,
        "vector_bytes": manifest.layout.size,
        "slots": dict(slots_by_kind(plan)),
        "metrics": list(manifest.metrics),
        "privacy": promised(manifest),
        "warnings": warnings(manifest),
    }


def warnings(manifest: Manifest) -> list[str]:
    """What voters should know: by which means a plan could make single updates legible in the sum."""
    found = []
    if manifest.random_ops:
        found.append(f"the client's work draws at random ({', '.join(manifest.random_ops)}): read its source")
    averaged = sum(math.prod(leaf.shape) for leaf in manifest.state if leaf.path.startswith(KEPT))
    if averaged and isinstance(manifest, AveragingManifest):
        local = manifest.averaging.local
        fate = "stay with each participant: the shared model lacks them" if local else "are averaged like weights"
        found.append(f"{averaged} numbers that are not trained, such as BatchNorm's moments, {fate}")
    if isinstance(manifest, KindManifest):
        found.append(f"each round tells, of all rows together, {manifest.kind.tells}")
    found += _of_training(manifest)
    summed = sum(segment.slots for segment in manifest.layout.segments if segment.kind == "value")
    held = sum(math.prod(leaf.shape) for leaf in manifest.state)
    if summed > held and not isinstance(manifest, KindManifest):  # its slots mean what its kind says
        found.append(f"{summed} value slots, but a state of {held} numbers: updates could be spread over them")
    free = [segment.name for segment in ruleless_weights(manifest.layout)]
    if free:
        found.append(f"declared rows do not bound the weights {', '.join(free)}: one survivor could enlarge the step")
    return found


def promised(manifest: Manifest) -> str:
    """What a plan promises of differential privacy, for people; empty where nothing."""
    if not isinstance(manifest, AveragingManifest) or manifest.averaging.privacy is None or manifest.promise is None:
        return ""
    goal, promise = manifest.averaging.privacy.goal, manifest.promise
    found = accounting.epsilon(promise.loss * goal.rounds, promise.delta)
    return (
        f"ε = {found:.3g}, δ = {goal.delta} for every {goal.unit} over {goal.rounds} rounds of at least "
        f"{goal.survivors} survivors, {goal.colluders} of whom collude"
    )


def slots_by_kind(plan: Plan) -> Counter[str]:
    """How many slots of each kind a plan's sums have."""
    counts: Counter[str] = Counter()
    for segment in plan.manifest.layout.segments:
        counts[segment.kind] += segment.slots
    return counts


def _of_training(manifest: Manifest) -> list[str]:
    """What would spoil the training of a model, as far as a manifest tells."""
    if not any(leaf.path.startswith(TRAINED) for leaf in manifest.state):
        return []
    found = []
    still = sum(math.prod(leaf.shape) for leaf in manifest.state if leaf.path.startswith(KEPT))
    if still and isinstance(manifest, TffManifest):
        found.append(
            f"{still} numbers are not trained and stay as the initial state has them: right for frozen layers; a "
            "BatchNormalization layer would be measured with them, wrongly: take LayerNormalization or "
            "GroupNormalization, or JAX, which averages them"
        )
    if far := unscaled(manifest.schema_):
        names = ", ".join(far[:SHOWN]) + (f" and {len(far) - SHOWN} more" if len(far) > SHOWN else "")
        found.append(
            f"unscaled columns: {names}: without a mean and a deviation in the schema, or layers that scale them, "
            "updates grow until they are zeroed"
        )
    return found


def unscaled(schema: Schema) -> list[str]:
    """The numeric columns that may hold numbers beyond `FAR`, as a model reads them."""
    return [column.name for column in schema.columns if column.ranged and _reach(column) > FAR]


def _reach(column: Column) -> float:
    if column.deviation is not None:
        return 0.0
    bounds = (column.low, column.high)
    return max(math.inf if bound is None else abs(bound) for bound in bounds)
