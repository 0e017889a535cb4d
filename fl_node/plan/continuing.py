"""A plan that begins from a given state, such as a model that another consortium released."""

import hashlib

from fl_node import codes
from fl_node.plan.container import INITIAL, Plan, pack_plan
from fl_node.plan.errors import plan_error
from fl_node.plan.state_codec import decode_state


def continued(plan: Plan, state: bytes) -> bytes:
    """Return a plan's file with another initial state; everything else stays, so that updates mean the same.

    Raises:
        PlanError: FL3020 or FL3022, it is no state; FL3021, its tensors are not those of the plan.
    """
    found = [leaf.spec for leaf in decode_state(state)]
    wanted = [(leaf.path, leaf.dtype, leaf.shape) for leaf in plan.manifest.state]
    if found != wanted:
        other = next((a for a, b in zip(found, wanted, strict=False) if a != b), None)
        text = f"the state has {len(found)} tensors, the plan {len(wanted)}"
        where = other[0] if other else ""
        raise plan_error(codes.STATES_DIFFER, f"it is of another model: {text}", where)
    entries = {name: plan.computations[name.partition(".")[0]] for name in plan.manifest.entries}
    files = {INITIAL: state, **entries}
    digests = plan.manifest.files | {INITIAL: _digest(state)}
    return pack_plan(plan.manifest.model_copy(update={"files": digests}), files)


def _digest(state: bytes) -> str:
    return hashlib.sha256(state).hexdigest()
