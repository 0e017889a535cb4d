"""The weights of a model that no round changes: they are in the plan file, in no state and in no sum."""

from typing import Any, Final

from fl_node.plan.container import Plan
from fl_node.plan.frameworks import JAX, TORCH
from fl_node.plan.state_codec import decode_state

ENTRIES: Final = {JAX.name: "frozen", TORCH.name: "constants"}
"""Framework → the computation that holds them."""
FROZEN: Final = "frozen/"


def frozen_of(plan: Plan) -> dict[str, Any]:
    """Return `frozen/PLACE` → array of a plan's frozen weights, beside those that its states hold.

    With Keras a place counts the weights that are not trained, seeds left out; with PyTorch such parameters.

    Raises:
        PlanError: FL3020, the plan's entry holds none.
    """
    raw = plan.computations.get(ENTRIES.get(plan.manifest.framework, ""), b"")
    leaves = decode_state(raw) if raw else []
    return {leaf.path: leaf.array for leaf in leaves if leaf.path.startswith(FROZEN)}
