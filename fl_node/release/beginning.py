"""The state of a released model, from its folder: what a plan of another consortium begins from."""

from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from fedledger_passport.contents import STATE, subjects
from fl_node import codes
from fl_node.errors import NodeError
from fl_node.plan.container import Plan
from fl_node.plan.model_weights import WEIGHTS
from fl_node.plan.safetensors import from_safetensors
from fl_node.plan.state_codec import Leaf, encode_state

STATE_FILE: Final = "model.state"
"""The state itself, where who wrote the folder was asked for it."""
WEIGHTS_FILE: Final = "model.safetensors"


def state_of(statement: dict[str, Any], folder: Path, plan: Plan) -> bytes:
    """Return the state that a passport names, whose signatures hold.

    A state that is weights and nothing else follows from the safetensors file; any other one lies beside it.

    Args:
        statement: The passport's.
        folder: The model's folder.
        plan: The plan that is to begin from it.

    Raises:
        NodeError: FL4515, neither file gives the state.
    """
    wanted = subjects(statement)[STATE]
    for raw in (_whole(folder), _weights(folder, plan)):
        if raw is not None and sha256(raw).hexdigest() == wanted:
            return raw
    hint = f"Ask for a folder with {STATE_FILE}: `passport create --state` writes it."
    raise NodeError(codes.STATE_NOT_THERE, f"no file gives the state {wanted}", where=str(folder), hint=hint)


def _whole(folder: Path) -> bytes | None:
    path = folder / STATE_FILE
    return path.read_bytes() if path.is_file() else None


def _weights(folder: Path, plan: Plan) -> bytes | None:
    path = folder / WEIGHTS_FILE
    paths = [leaf.path for leaf in plan.manifest.state]
    if not path.is_file() or not all(one.startswith(WEIGHTS) for one in paths):
        return None
    arrays = from_safetensors(path.read_bytes())
    if sorted(arrays) != sorted(one.removeprefix(WEIGHTS) for one in paths):
        return None
    return encode_state([Leaf(one, arrays[one.removeprefix(WEIGHTS)]) for one in paths])
