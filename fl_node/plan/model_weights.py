"""The model in a state: what leaves the federation."""

from typing import Any, Final

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.plan.state_codec import decode_state

WEIGHTS: Final = "global_model_weights/"


def weights_of(state: bytes) -> dict[str, Any]:
    """Return name → array of the model's weights in a state.

    Raises:
        NodeError: FL4502, the state holds no model: it is another kind of process's.
    """
    leaves = {leaf.path: leaf for leaf in decode_state(state)}
    weights = {path.removeprefix(WEIGHTS): one.array for path, one in leaves.items() if path.startswith(WEIGHTS)}
    if not weights:
        raise NodeError(
            codes.EXPORT_REFUSED,
            "this state holds no model weights",
            hint="Only learning processes train a model; of a plan that needs no framework take --format json.",
        )
    return weights
