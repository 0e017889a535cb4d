"""Plans on PyTorch, from the compiler to the next state, where its environment is installed."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_node.data.examples import load_examples
from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.arithmetic.state import read_model, read_state
from fl_node.plan.build import build
from fl_node.plan.cli import warnings
from fl_node.plan.container import load_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import TORCH
from fl_node.plan.frozen import frozen_of
from fl_node.plan.model_weights import weights_of
from fl_node.plan.runtime import DataSource, open_plan
from fl_node.plan.sandbox import Sandbox
from fl_node.plan.state_codec import decode_state
from fl_node.plan.torch.graph import read_graph
from tests.unit.plan.arithmetic.scaffold_reference import scaffold, unlike, write_regression
from tests.unit.plan.conftest import ROOT, add
from tests.unit.plan.playing import changed, files, play, write_rows

PATIENCE_S = 900
SOURCES = Path(__file__).parent / "sources.py"
assert TORCH.environment
pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(
        not TORCH.environment.installed, reason="needs `fedledger plan runtime install torch`, which takes 4.5 GB"
    ),
]


@pytest.fixture(scope="session")
def wide(pytestconfig: pytest.Config) -> None:
    if "torch" not in pytestconfig.option.markexpr:
        pytest.skip("compiles every kind of model: run it with -m torch")


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("torch-rows"))


class Reference:
    """What `reference.py` wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report: dict[str, Any] = json.loads((folder / "report.json").read_text())

    def plan(self, name: str) -> Path:
        return self.folder / f"{name}.flplan"


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, wide: None) -> Reference:
    assert TORCH.environment
    folder = tmp_path_factory.mktemp("torch-reference")
    variables = {**os.environ, **TORCH.environment.settings, "PYTHONPATH": str(ROOT)}
    command = [TORCH.environment.python, "-m", "tests.unit.plan.torch.reference", folder]
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Reference(folder)


@pytest.fixture(scope="session", params=("average", "line", "compressed", "fine_tuned"))
def runtime(request: pytest.FixtureRequest, reference: Reference, rows: Path) -> Iterator[AveragingRuntime]:
    found = open_plan(reference.plan(request.param), data=rows)
    assert isinstance(found, AveragingRuntime)
    with found:
        yield found


def test_a_source_is_built_shut_in_and_trained_with_masks_as_without_them(rows: Path, tmp_path: Path):
    """BatchNorm's moments, dropout, Adam, FedProx and FedAdam."""
    path = tmp_path / "normalised.flplan"
    path.write_bytes(build(f"{SOURCES}:normalised", framework=TORCH).raw)
    with open_plan(path, data=rows) as runtime:
        assert isinstance(runtime, AveragingRuntime)
        losses = play(runtime, files(rows))
        first, second = (runtime.work(runtime.initialize(), files(rows)[0]) for _ in range(2))
        assert runtime._child
        held = runtime._child.confinement()
    assert losses[-1] < losses[0]
    assert first.vector == second.vector
    assert (held.files, held.syscalls) == ("landlock", "seccomp")
    assert runtime.manifest.random_ops == ("aten.dropout",)
    found = " ".join(warnings(runtime.manifest))
    assert "8 numbers that are not trained" in found
    assert "draws at random (aten.dropout)" in found


def test_rounds_with_masks_and_dropouts_give_bit_for_bit_what_rounds_without_give(
    runtime: AveragingRuntime, rows: Path
):
    losses = play(runtime, files(rows))
    assert losses[-1] < losses[0]


def test_evaluation_measures_the_base_model_on_the_holdout(runtime: AveragingRuntime, rows: Path):
    data, state = files(rows)[1], runtime.initialize()
    found, worked = runtime.evaluate(state, data), runtime.work(state, data).metrics
    if not runtime.manifest.evaluation:
        assert found == {}
        return
    assert found.keys() == {"loss", "accuracy", "num_examples"}
    for name, value in found.items():
        assert value == pytest.approx(worked[f"evaluation/{name}"], abs=2**-16)


def test_a_program_trains_as_the_model_does_that_it_was_made_of(reference: Reference):
    program = """
import sys, numpy as np
from pathlib import Path
from fl_node.plan.container import load_plan
from fl_node.plan.torch.loaded import LoadedPlan
from fl_node.data.examples import Examples
plan = load_plan(Path(sys.argv[1]))
loaded = LoadedPlan(plan.manifest.canonical(), *plan.computations.values())
rows = Examples((np.arange(33, dtype=np.float32) / 33).reshape(11, 3), np.arange(11, dtype=np.int32) % 2)
sys.stdout.buffer.write(loaded.train(plan.initial_state, rows).model)
"""
    assert TORCH.environment
    variables = {**os.environ, **TORCH.environment.settings, "PYTHONPATH": str(ROOT)}
    command = [TORCH.environment.python, "-c", program, reference.plan("plain")]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, check=True, timeout=PATIENCE_S)
    trained, kept = read_model(done.stdout)
    for found, expected in zip([*trained, *kept], reference.report["directly"], strict=True):
        assert found.ravel() == pytest.approx(expected, abs=1e-6)


def test_every_optimiser_steps_as_pytorch_s_own_does(reference: Reference):
    assert reference.report["steps"] == pytest.approx([0.0] * 4, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "refused"),
    {
        "another_width": "FL3013: the model cannot be exported",
        "no_model": "FL3012: object is no torch.nn.Module",
        "one_loss_for_all": "FL3012: a loss or metric gives one number for all rows",
        "own_optimiser": "FL3012: the optimiser is none that a manifest can name",
        "forbidden": "FL3005: operation aten.linalg_cholesky",
        "draws_in_metric": "FL3006: operation aten.rand_like in evaluate",
        "whole_rows": "FL3013: the model cannot be exported",
        "doubles": "FL3009: a weight of type torch.float64",
        "frozen": "FL3012: the model has no weights to train",
        "always_zeroed": "FL3014: the update of made-up rows lies beyond zero_above",
        "no_training": "FL3012: the function returns int",
        "controlled_adam": "FL3012: scaffold needs plain gradient descent",
        "adapter_for_none": "FL3012: no module has the name nowhere",
        "adapter_of_a_norm": "FL3012: adapters need a rank of 1 and linear layers",
    }.items(),
)
def test_a_source_that_is_no_plan_is_refused_with_a_code(name: str, refused: str, reference: Reference):
    assert reference.report["bad"][name].startswith(refused)


def test_one_source_gives_one_plan_that_says_nothing_of_where_it_was_built(reference: Reference):
    assert reference.report["again"]
    raw = reference.plan("average").read_bytes()
    assert str(ROOT).encode() not in raw
    assert b"sources.py" not in raw


def test_what_is_frozen_and_what_is_no_float_is_no_part_of_the_state(reference: Reference):
    plan, normalised = load_plan(reference.plan("line")), load_plan(reference.plan("normalised"))
    assert [leaf.shape for leaf in plan.manifest.state if "/trainable/" in leaf.path] == [(3,)]
    assert [leaf.path for leaf in plan.manifest.state if "/non_trainable/" in leaf.path] == []
    kept = [leaf for leaf in normalised.manifest.state if "/non_trainable/" in leaf.path]
    assert [(leaf.shape, leaf.dtype) for leaf in kept] == [((4,), "float32")] * 2


def refused(path: Path, rows: Path, match: str) -> None:
    with open_plan(path, data=rows) as runtime, pytest.raises(PlanError, match=match):
        runtime.prepare(runtime.initialize())


def test_plans_that_were_tampered_with_are_refused_with_codes(reference: Reference, rows: Path, tmp_path: Path):
    plan = load_plan(reference.plan("average"))
    whole = plan.computations["train"]
    other = load_plan(reference.plan("pictures")).computations["train"]
    library = whole.replace(b"aten.relu.default", b"aten.linalg_cholesky.default")
    refused(changed(plan, tmp_path, {"train.aten": library}), rows, "FL3005: operation aten.linalg_cholesky.default")
    refused(changed(plan, tmp_path, {"train.aten": whole[:-20]}), rows, "FL3013: train cannot be read")
    unknown = whole.replace(b"aten.relu.default", b"aten.relu.unheard_of")
    refused(changed(plan, tmp_path, {"train.aten": unknown}), rows, "FL3013: train cannot be read")
    refused(changed(plan, tmp_path, {"train.aten": other}), rows, "FL3010")
    refused(changed(plan, tmp_path, {"evaluate.aten": whole, "constants.state": b""}), rows, "FL3020")
    refused(changed(plan, tmp_path, {}, random_ops=("aten.dropout",)), rows, "FL3003: the random operations")
    with open_plan(changed(plan, tmp_path, {}, framework_version="2.0.0"), data=rows) as runtime:
        runtime.prepare(runtime.initialize())
        with pytest.raises(PlanError, match=r"FL3004: the plan needs torch 2\.0\.0"):
            runtime.work(runtime.initialize(), DataSource(rows / "rows-0.csv"))
    truncated = tmp_path / "truncated.flplan"
    truncated.write_bytes(reference.plan("average").read_bytes()[:-100])
    with pytest.raises(PlanError, match="FL3001"):
        open_plan(truncated)


def test_a_row_that_would_be_left_alone_goes_with_the_batch_before_it(reference: Reference, tmp_path: Path):
    lines = [f"{at},{at % 5},{at % 3},{'yes' if at % 2 else 'no'}" for at in range(40)]
    found = set()
    with open_plan(reference.plan("normalised"), data=tmp_path) as runtime:
        for count in range(20, 40):
            (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,kind", *lines[:count]]) + "\n")
            worked = runtime.work(runtime.initialize(), DataSource(tmp_path / "rows.csv"))
            found.add(worked.examples % 4)
            assert np.isfinite(worked.metrics["train/loss"])
    assert 1 in found


def test_control_variates_give_what_the_paper_s_algorithm_gives(reference: Reference, tmp_path: Path):
    rows, owned, found = unlike(), [b""] * 4, []
    write_regression(tmp_path, rows)
    some = [[0, 1, 2, 3], [0, 1, 2], [1, 2, 3], [0, 1, 2, 3]]
    with open_plan(reference.plan("controlled"), data=tmp_path) as runtime:
        assert isinstance(runtime, AveragingRuntime)
        state = runtime.initialize()
        for survivors in some:
            works = {at: runtime.work(state, replace(files(tmp_path)[at], own=owned[at])) for at in survivors}
            total = add(runtime.manifest.layout, [work.vector for work in works.values()])
            state = runtime.update(state, total, [work.examples for work in works.values()]).state
            owned = [works[at].own if at in works else owned[at] for at in range(4)]
            found.append(read_state(runtime.manifest, state).trained[0])
    for weights, expected in zip(found, scaffold(rows, some), strict=True):
        assert weights == pytest.approx(expected, abs=1e-4)


def test_a_plan_that_asks_for_a_gpu_gets_one_only_where_policy_and_machine_have_one(rows: Path, tmp_path: Path):
    """What it computes on a GPU no machine that runs this can tell."""
    whole = build(f"{SOURCES}:average", framework=TORCH)
    manifest = whole.plan.manifest
    assert b'"device"' not in manifest.canonical()
    path = changed(whole.plan, tmp_path, {}, device="gpu")
    with open_plan(path, data=rows) as runtime, pytest.raises(PlanError, match="FL3051"):
        runtime.work(runtime.initialize(), files(rows)[0])
    if not list(Path("/dev").glob("nvidia[0-9]")):
        with open_plan(path, data=rows, sandbox=Sandbox(gpu=True)) as allowed, pytest.raises(PlanError, match="FL3052"):
            allowed.work(allowed.initialize(), files(rows)[0])


def test_every_program_is_read_back_as_it_was_written(reference: Reference):
    for path in reference.folder.glob("*.flplan"):
        plan = load_plan(path)
        for name in ("train", "evaluate"):
            assert read_graph(name, plan.computations[name]).encode() == plan.computations[name]


def test_of_adapters_only_what_trains_travels_and_what_is_frozen_is_in_the_plan_alone(reference: Reference):
    plan = load_plan(reference.plan("fine_tuned"))
    values = {one.name: one.slots for one in plan.manifest.layout.segments if one.kind == "value"}
    assert values == {f"value/trainable/{at}": n for at, n in enumerate([2 * 3, 8 * 2, 2 * 8, 2])}
    assert {name: array.shape for name, array in frozen_of(plan).items()} == {"frozen/0": (8, 3), "frozen/1": (8,)}
    assert [leaf.path for leaf in decode_state(plan.initial_state) if "trainable" not in leaf.path] == []


def test_a_module_takes_an_exported_model_back_and_merges_its_adapters(
    reference: Reference, rows: Path, tmp_path: Path
):
    path = reference.plan("fine_tuned")
    with open_plan(path, data=rows) as runtime:
        works = [runtime.work(runtime.initialize(), data) for data in files(rows)]
        total = add(runtime.manifest.layout, [work.vector for work in works])
        state = runtime.update(runtime.initialize(), total, [work.examples for work in works]).state
        data = files(rows)[0]
        measured, before = (runtime.evaluate(one, data)["loss"] for one in (state, runtime.initialize()))
    _, held = load_examples(data.path, runtime.manifest.schema_, runtime.manifest.batching.holdout_percent)
    assert held.labels is not None
    np.savez(tmp_path / "weights.npz", **weights_of(state), **frozen_of(load_plan(path)))
    np.savez(tmp_path / "rows.npz", features=held.features, labels=held.labels)
    program = """
import sys, torch, numpy as np
from fl_node.plan.torch.adapters import merged, restored
from tests.unit.plan.torch.sources import fine_tuned_network
rows = np.load(sys.argv[1] + "/rows.npz")
model = restored(fine_tuned_network(), np.load(sys.argv[1] + "/weights.npz"))
def loss():
    found = model(torch.from_numpy(rows["features"]))
    return float(torch.nn.functional.cross_entropy(found, torch.from_numpy(rows["labels"]).long()))
first, model = loss(), merged(model)
print(first, loss(), *[type(one).__name__ for one in model])
"""
    assert TORCH.environment
    variables = {**os.environ, **TORCH.environment.settings, "PYTHONPATH": str(ROOT)}
    command = [TORCH.environment.python, "-c", program, tmp_path]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
    whole, single, *layers = done.stdout.split()
    assert [float(whole), float(single)] == pytest.approx([measured] * 2, abs=1e-5)
    assert layers == ["Linear", "ReLU", "Linear"]
    assert abs(measured - before) > 1e-4
