"""A plan begins from a released model: the state comes out of its folder, and nothing else of the plan changes."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_node.errors import NodeError
from fl_node.plan.container import read_plan
from fl_node.plan.continuing import continued
from fl_node.plan.errors import PlanError
from fl_node.plan.safetensors import from_safetensors, to_safetensors
from fl_node.plan.state_codec import Leaf, encode_state
from fl_node.release.beginning import state_of
from tests.unit.plan.arithmetic.models import manifest, packed

WEIGHTS = "global_model_weights/"


@pytest.fixture(params=["fedavg", "fedadam"])
def plan(request: pytest.FixtureRequest) -> Any:
    """Two plans: the state of the first is weights alone, that of the second has a server's moments too."""
    return read_plan(packed(manifest(request.param)))


def other(plan: Any) -> bytes:
    """A state of the plan that has other numbers."""
    leaves = [Leaf(one.path, np.full(one.shape, 2, one.dtype)) for one in plan.manifest.state]
    return encode_state(leaves)


def statement(state: bytes) -> dict[str, Any]:
    return {"subject": [{"name": "state", "digest": {"sha256": sha256(state).hexdigest()}}]}


def test_a_plan_goes_on_from_a_state_and_is_the_same_otherwise(plan: Any):
    state = other(plan)
    found = read_plan(continued(plan, state))
    assert found.initial_state == state
    assert found.manifest.initial_state == sha256(state).hexdigest()
    assert found.computations == plan.computations
    same = {"files"}
    assert found.manifest.model_dump(exclude=same) == plan.manifest.model_dump(exclude=same)


def test_a_state_of_another_model_is_refused(plan: Any):
    with pytest.raises(PlanError, match="FL3021"):
        continued(plan, encode_state([Leaf(WEIGHTS + "0", np.zeros(3, np.float32))]))
    with pytest.raises(PlanError, match="FL3020"):
        continued(plan, b"no state")


def test_the_state_is_read_from_its_file_or_made_of_the_weights(plan: Any, tmp_path: Path):
    state = other(plan)
    with pytest.raises(NodeError, match="FL4515"):
        state_of(statement(state), tmp_path, plan)
    if all(one.path.startswith(WEIGHTS) for one in plan.manifest.state):
        arrays = {one.path.removeprefix(WEIGHTS): np.full(one.shape, 2, one.dtype) for one in plan.manifest.state}
        (tmp_path / "model.safetensors").write_bytes(to_safetensors(arrays))
        assert state_of(statement(state), tmp_path, plan) == state
    (tmp_path / "model.state").write_bytes(state)
    assert state_of(statement(state), tmp_path, plan) == state
    with pytest.raises(NodeError, match="FL4515"):
        state_of(statement(b"another"), tmp_path, plan)


def test_safetensors_that_were_written_are_read_again():
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False]), "c": np.int64([7])}
    found = from_safetensors(to_safetensors(arrays))
    assert {name: (one.dtype, one.tolist()) for name, one in found.items()} == {
        name: (one.dtype, one.tolist()) for name, one in arrays.items()
    }
    for raw in (b"", b"\xff" * 9, to_safetensors(arrays)[:-3]):
        with pytest.raises(NodeError, match="FL4502"):
            from_safetensors(raw)
