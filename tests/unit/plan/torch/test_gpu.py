"""A GPU is for plans that ask for one, where the organisation's policy gives it; PyTorch need not be here."""

import hashlib
from pathlib import Path

import pytest

from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.container import pack_plan, read_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.interface import DataSource
from fl_node.plan.manifest import Quantisation
from fl_node.plan.pool import UNTRAINABLE
from fl_node.plan.sandbox import Sandbox, with_gpu
from fl_node.plan.state_codec import encode_state
from fl_node.plan.torch.manifest import Optimiser, TorchManifest
from tests.unit.plan.arithmetic import models

AVERAGING = Averaging(
    quantisation=Quantisation(bits=18, clip="4", weight_cap=64), measured=models.MEASURED, moments_clip="10"
)


def opened(device: str, *, gpu: bool) -> AveragingRuntime:
    state = models.first(AVERAGING.server)
    files = {
        "initial.state": encode_state(state.leaves()),
        **dict.fromkeys(("train.aten", "evaluate.aten", "constants.state"), b"x"),
    }
    small = models.described(AVERAGING, state, 20).model_dump(mode="json", by_alias=True)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    fields = {"framework": "torch", "loss": "loss", "optimiser": Optimiser(kind="sgd", rate="0.1"), "device": device}
    manifest = TorchManifest.model_validate({**small, **fields, "files": digests})
    assert (b'"device"' in manifest.canonical()) == (device == "gpu")  # older plans keep their bytes
    return AveragingRuntime(read_plan(pack_plan(manifest, files)), sandbox=Sandbox(gpu=gpu))


@pytest.mark.parametrize(
    ("device", "gpu", "code"), [("gpu", False, "FL3051"), ("gpu", True, "FL3004"), ("cpu", False, "FL3004")]
)
def test_policy_comes_before_everything_that_a_plan_needs(device: str, gpu: bool, code: str):
    """The plan is for a PyTorch that nobody has, which is what those find out that are let through."""
    runtime = opened(device, gpu=gpu)
    with pytest.raises(PlanError, match=code):
        runtime.work(runtime.initialize(), DataSource(Path("rows.csv")))


def test_whoever_has_no_gpu_attests_all_the_same():
    runtime = opened("gpu", gpu=False)
    state = models.first(AVERAGING.server)
    vector = models.vector(runtime.manifest, state, 1, 30)
    assert runtime.update(runtime.initialize(), vector, [30]).state != runtime.initialize()
    assert {"FL3051", "FL3052"} <= UNTRAINABLE


def test_only_a_child_with_a_gpu_sees_it():
    own = {"CUDA_VISIBLE_DEVICES": "-1", "OMP_WAIT_POLICY": "PASSIVE"}
    assert with_gpu(own) == {"OMP_WAIT_POLICY": "PASSIVE", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
