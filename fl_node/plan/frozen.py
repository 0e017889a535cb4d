"""The weights of a model that no round changes: they are in the plan file, in no state and in no sum."""

from typing import Any, Final

from fl_node.plan.container import Plan
from fl_node.plan.state_codec import decode_state

ENTRY: Final = "frozen"
"""The plan's entry that holds them, without its ending."""


def frozen_of(plan: Plan) -> dict[str, Any]:
    """Return `frozen/PLACE` → array of a plan's frozen weights, beside those that its states hold.

    A place counts the weights that are not trained, seeds left out. Plans of PyTorch have none here: they are constants
    of the program.

    Raises:
        PlanError: FL3020, the plan's entry holds none.
    """
    raw = plan.computations.get(ENTRY, b"")
    return {leaf.path: leaf.array for leaf in decode_state(raw)} if raw else {}
