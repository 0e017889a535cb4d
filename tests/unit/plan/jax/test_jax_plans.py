"""Plans on JAX, from the compiler to the next state; JAX's environment is installed for them where it is not here."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fl_node.commands.export import export
from fl_node.data.errors import DataError
from fl_node.data.examples import load_examples
from fl_node.errors import NodeError
from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.arithmetic.state import read_model, read_state
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.cli import warnings
from fl_node.plan.container import load_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import JAX
from fl_node.plan.frozen import frozen_of
from fl_node.plan.runtime import DataSource, open_plan
from fl_node.plan.state_codec import Leaf, decode_state, encode_state
from tests.unit.plan.arithmetic.scaffold_reference import pooled, scaffold, unlike, write_regression
from tests.unit.plan.conftest import ROOT, add
from tests.unit.plan.playing import changed, files, masked_sum, play, write_rows

pytestmark = [pytest.mark.jax, pytest.mark.timeout(900)]
PATIENCE_S = 600
SOURCES = Path(__file__).parent / "sources.py"
NAMES = ("average", "normalised", "pair", "compressed", "fine_tuned")
"""Those whose rounds are played; the compiler has tried the others on made-up rows."""


class Reference:
    """What `reference.py` wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report: dict[str, Any] = json.loads((folder / "report.json").read_text())

    def plan(self, name: str) -> Path:
        return self.folder / f"{name}.flplan"


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    assert JAX.environment
    JAX.environment.install()
    folder = tmp_path_factory.mktemp("jax-reference")
    variables = {**os.environ, **JAX.environment.settings, "PYTHONPATH": str(ROOT)}
    command = [JAX.environment.python, "-m", "tests.unit.plan.jax.reference", folder]
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Reference(folder)


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("jax-rows"))


@pytest.fixture(scope="session", params=NAMES)
def runtime(request: pytest.FixtureRequest, reference: Reference, rows: Path) -> Iterator[AveragingRuntime]:
    found = open_plan(reference.plan(request.param), data=rows)
    assert isinstance(found, AveragingRuntime)
    with found:
        yield found


def test_rounds_with_masks_and_dropouts_give_bit_for_bit_what_rounds_without_give(
    runtime: AveragingRuntime, rows: Path
):
    losses = play(runtime, files(rows))
    assert losses[-1] < losses[0]


def test_work_gives_the_same_vector_twice_and_counts_training_rows(runtime: AveragingRuntime, rows: Path):
    data = files(rows)[0]
    first, second = (runtime.work(runtime.initialize(), data) for _ in range(2))
    assert first.vector == second.vector
    held = first.metrics.get("evaluation/num_examples", 0)
    assert (first.examples + held, bool(held)) == (23, runtime.manifest.evaluation)
    assert first.metrics["train/num_examples"] == first.examples


def test_counts_with_their_exposure_are_trained_on_rows_with_dates_and_pictures(reference: Reference, tmp_path: Path):
    lines = [f"2022-01-{1 + at:02},{at}.png,{at % 3},{1 + at % 2}" for at in range(30)]
    for at in range(30):
        Image.fromarray(np.full((2, 2), at, np.uint8)).save(tmp_path / f"{at}.png")
    (tmp_path / "rows.csv").write_text("\n".join(["signed,scan,claims,years", *lines]))
    with open_plan(reference.plan("counts"), data=tmp_path) as runtime:
        worked = runtime.work(runtime.initialize(), DataSource(tmp_path))
    assert 15 < worked.examples < 30
    assert np.isfinite(worked.metrics["train/loss"])


def test_a_private_step_is_the_mean_of_clipped_gradients_and_one_row_changes_it_by_no_more_than_its_part(
    reference: Reference, tmp_path: Path
):
    """Rows as large as they please: the whole update, and what another row changes of it, stay within the bounds."""
    draw = np.random.default_rng(5)
    table = draw.normal(size=(30, 3)) * 1000
    for number, swapped in enumerate([False, True]):
        rows = np.vstack([table[:-1], [[-9e6, 4e6, 1e-9]]]) if swapped else table
        text = [",".join([*map(repr, map(float, row)), "no" if row[0] < 0 else "yes"]) for row in rows]
        (tmp_path / f"{number}.csv").write_text("\n".join(["a,b,c,kind", *text]) + "\n")
    with open_plan(reference.plan("private"), data=tmp_path) as runtime:
        assert isinstance(runtime, AveragingRuntime)
        state, clip = runtime.initialize(), float(runtime.manifest.averaging.quantisation.clip)
        base = read_state(runtime.manifest, state).trained
        steps, trained_on = [], []
        for number in range(2):
            answer = runtime.call("work", state, data=str(tmp_path / f"{number}.csv"))
            after = read_model(answer.blobs[0])[0]
            steps.append(np.concatenate([(new - old).ravel() for new, old in zip(after, base, strict=True)]))
            trained_on.append(answer.header["rows"])
    assert all(0 < np.linalg.norm(step) <= clip * 1.001 for step in steps)
    moved = steps[0] * trained_on[0] - steps[1] * trained_on[1]
    assert np.linalg.norm(moved) <= 2 * clip * 1.001 + 1e-3
    assert abs(trained_on[0] - trained_on[1]) <= 1


def test_a_private_plan_gives_other_noise_each_time_and_is_audited_like_others(reference: Reference, rows: Path):
    with open_plan(reference.plan("private"), data=rows) as runtime:
        assert isinstance(runtime, AveragingRuntime)
        state = runtime.initialize()
        works = [runtime.work(state, data) for data in files(rows)]
        assert runtime.work(state, files(rows)[0]).vector != works[0].vector
        plain = add(runtime.manifest.layout, [work.vector for work in works])
        masked = masked_sum(runtime, state, [work.vector for work in works], [0, 1, 2, 3])
        counts = [work.examples for work in works]
        assert runtime.update(state, masked, counts).state == next_state(runtime.manifest, state, plain, counts)[0]


def test_evaluation_measures_the_base_model_on_the_holdout(runtime: AveragingRuntime, rows: Path):
    data, state = files(rows)[1], runtime.initialize()
    found, worked = runtime.evaluate(state, data), runtime.work(state, data).metrics
    if not runtime.manifest.evaluation:
        assert found == {}
        return
    assert found.keys() == {"loss", "accuracy", "num_examples"}
    for name, value in found.items():
        assert value == pytest.approx(worked[f"evaluation/{name}"], abs=2**-16)


def test_a_child_that_holds_the_plan_is_shut_in(runtime: AveragingRuntime):
    runtime.prepare(runtime.initialize())
    assert runtime._child
    held = runtime._child.confinement()
    assert (held.files, held.syscalls) == ("landlock", "seccomp")


def test_the_exported_pass_trains_as_batches_one_after_the_other_do(reference: Reference, tmp_path: Path):
    lines = [f"{3 * at / 33},{(3 * at + 1) / 33},{(3 * at + 2) / 33},{'yes' if at % 2 else 'no'}" for at in range(11)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,c,kind", *lines]) + "\n")
    program = """
import sys, numpy as np
from pathlib import Path
from fl_node.plan.container import load_plan
from fl_node.plan.jax.loaded import LoadedPlan
from fl_node.data.examples import Examples
plan = load_plan(Path(sys.argv[1]))
loaded = LoadedPlan(plan.manifest.canonical(), *plan.computations.values())
rows = Examples((np.arange(33, dtype=np.float32) / 33).reshape(11, 3), np.arange(11, dtype=np.int32) % 2)
sys.stdout.buffer.write(loaded.train(plan.initial_state, rows).model)
"""
    assert JAX.environment
    variables = {**os.environ, **JAX.environment.settings, "PYTHONPATH": str(ROOT)}
    command = [JAX.environment.python, "-c", program, reference.plan("average")]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, check=True, timeout=PATIENCE_S)
    trained, kept = read_model(done.stdout)
    assert kept == []
    for found, expected in zip(trained, reference.report["directly"], strict=True):
        assert found.ravel() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "refused"),
    {
        "another_width": "FL3013",
        "not_built": "FL3012",
        "no_model": "FL3012",
        "calls_back": "FL3013: the model cannot be exported",
        "library_call": "FL3005: operation stablehlo.custom_call",
        "whole_numbers": "FL3009",
        "always_zeroed": "FL3014: the update of made-up rows lies beyond zero_above",
        "diverges": "FL3014",
        "no_training": "FL3012",
        "broken": "FL3012: ValueError: the researcher's own fault",
        "private_passes": "FL3050: unit record takes one pass",
        "private_moments": "FL3050: weights that are not trained",
        "controlled_momentum": "FL3012: scaffold needs plain gradient descent",
        "compressed_controlled": "FL3012: control variates need whole updates",
        "adapter_for_none": "FL3012: no layer has the name nowhere",
        "adapter_of_no_rank": "FL3012: adapters need a rank of 1",
        "adapter_of_a_norm": "FL3012: norm is no layer that takes an adapter",
    }.items(),
)
def test_a_source_that_is_no_plan_is_refused_with_a_code(name: str, refused: str, reference: Reference):
    assert reference.report["bad"][name].startswith(refused)


def test_one_source_gives_one_plan_that_says_nothing_of_where_it_was_built(reference: Reference):
    assert reference.report["again"]
    raw = reference.plan("average").read_bytes()
    assert str(ROOT).encode() not in raw
    assert b"sources.py" not in raw


def refused(path: Path, rows: Path, match: str) -> None:
    with open_plan(path, data=rows) as runtime, pytest.raises(PlanError, match=match):
        runtime.prepare(runtime.initialize())


def test_plans_that_were_tampered_with_are_refused_with_codes(reference: Reference, rows: Path, tmp_path: Path):
    plan = load_plan(reference.plan("average"))
    library = (reference.folder / "library.stablehlo").read_bytes()
    whole, other = plan.computations["work"], load_plan(reference.plan("pictures")).computations["work"]
    refused(
        changed(plan, tmp_path, {"work.stablehlo": library}), rows, "FL3005: operation stablehlo.custom_call .* in work"
    )
    refused(changed(plan, tmp_path, {"work.stablehlo": whole[: len(whole) // 2]}), rows, "FL3013: work cannot be read")
    refused(changed(plan, tmp_path, {"work.stablehlo": other}), rows, "FL3010")
    refused(changed(plan, tmp_path, {}, random_ops=("seeds",)), rows, "FL3003: the random operations")
    with open_plan(changed(plan, tmp_path, {}, framework_version="0.9.0"), data=rows) as runtime:
        runtime.prepare(runtime.initialize())
        with pytest.raises(PlanError, match=r"FL3004: the plan needs jax 0\.9\.0"):
            runtime.work(runtime.initialize(), DataSource(rows / "rows-0.csv"))
    truncated = tmp_path / "truncated.flplan"
    truncated.write_bytes(reference.plan("average").read_bytes()[:-100])
    with pytest.raises(PlanError, match="FL3001"):
        open_plan(truncated)


def test_voters_are_warned_of_moments_and_of_seeds(reference: Reference):
    found = " ".join(warnings(load_plan(reference.plan("normalised")).manifest))
    assert "8 numbers that are not trained" in found
    assert "draws at random (seeds)" in found
    found = warnings(load_plan(reference.plan("average")).manifest)
    assert [warning.partition(":")[0] for warning in found] == ["unscaled columns"]


def test_moments_that_stay_with_a_participant_are_its_own_and_in_no_sum(reference: Reference, rows: Path):
    with open_plan(reference.plan("local"), data=rows) as runtime:
        assert isinstance(runtime, AveragingRuntime)
        assert not [one.name for one in runtime.manifest.layout.segments if "non_trainable" in one.name]
        state, (one, other, *_) = runtime.initialize(), files(rows)
        first, theirs = runtime.work(state, one), runtime.work(state, other)
        base, kept, others = read_state(runtime.manifest, state), read_model(first.own)[1], read_model(theirs.own)[1]
        assert not any(np.array_equal(a, b) for a, b in zip(kept, base.kept, strict=True))
        assert not any(np.array_equal(a, b) for a, b in zip(kept, others, strict=True))
        again = runtime.work(state, replace(one, own=first.own))
        assert again.own != first.own
        assert runtime.evaluate(state, replace(one, own=first.own)) != runtime.evaluate(state, one)
        total = add(runtime.manifest.layout, [first.vector, theirs.vector])
        following = read_state(runtime.manifest, runtime.update(state, total, [first.examples, theirs.examples]).state)
        assert all(np.array_equal(a, b) for a, b in zip(following.kept, base.kept, strict=True))
        with pytest.raises(PlanError, match="FL3020"):
            runtime.work(state, replace(one, own=b"none"))
    assert "stay with each participant" in " ".join(warnings(runtime.manifest))


def regressed(plan: Path, folder: Path, rounds: Sequence[list[int]]) -> list[Any]:
    """The weights after each round of a regression on unlike participants' rows; each sum is masked too."""
    owned, found = [b""] * 4, []
    with open_plan(plan, data=folder) as runtime:
        assert isinstance(runtime, AveragingRuntime)
        state = runtime.initialize()
        for survivors in rounds:
            works = [runtime.work(state, replace(one, own=own)) for one, own in zip(files(folder), owned, strict=True)]
            plain = add(runtime.manifest.layout, [works[at].vector for at in survivors])
            assert len(found) > 1 or masked_sum(runtime, state, [work.vector for work in works], survivors) == plain
            state = runtime.update(state, plain, [works[at].examples for at in survivors]).state
            owned = [work.own if at in survivors else owned[at] for at, work in enumerate(works)]
            found.append(read_state(runtime.manifest, state).trained[0])
    return found


def test_control_variates_give_what_the_paper_s_algorithm_gives_and_help_unlike_participants(
    reference: Reference, tmp_path: Path
):
    rows = unlike()
    write_regression(tmp_path, rows)
    some = [[0, 1, 2, 3], [0, 1, 2], [1, 2, 3], *[[0, 1, 2, 3]] * 40]
    found = regressed(reference.plan("controlled"), tmp_path, some)
    for weights, expected in zip(found, scaffold(rows, some), strict=True):
        assert weights == pytest.approx(expected, abs=1e-4)
    plain = regressed(reference.plan("regression"), tmp_path, some)
    missed, still = (float(np.linalg.norm(one[-1] - pooled(rows))) for one in (plain, found))
    assert missed > 0.3
    assert still < 0.02 * missed


def test_without_the_runtime_an_organisation_still_attests_but_does_not_train(
    reference: Reference, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with open_plan(reference.plan("average"), data=rows) as complete:
        state = complete.initialize()
        work = complete.work(state, DataSource(rows / "rows-0.csv"))
    monkeypatch.setenv("FEDLEDGER_RUNTIMES", str(tmp_path))
    with open_plan(reference.plan("average")) as bare:
        bare.prepare(state)
        assert bare.update(state, work.vector, [work.examples]) == complete.update(state, work.vector, [work.examples])
        with pytest.raises(PlanError, match="FL3047"):
            bare.work(state, DataSource(rows / "rows-0.csv"))


def test_rows_that_do_not_fit_are_refused_by_the_child(reference: Reference, tmp_path: Path):
    (tmp_path / "rows.csv").write_text("a,b,c,kind\n1,2,x,no\n")
    with open_plan(reference.plan("average"), data=tmp_path) as runtime, pytest.raises(DataError, match="FL3104"):
        runtime.work(runtime.initialize(), DataSource(tmp_path / "rows.csv"))


def test_only_the_share_of_an_update_that_is_kept_has_slots(reference: Reference):
    plan = load_plan(reference.plan("compressed"))
    values = [(one.name, one.slots) for one in plan.manifest.layout.segments if one.kind == "value"]
    assert values == [("value/chosen", 3)]
    assert sum(leaf.array.size for leaf in decode_state(plan.initial_state) if "trainable" in leaf.path) == 8


def test_of_adapters_only_what_trains_travels_and_what_is_frozen_is_in_the_plan_alone(reference: Reference):
    plan = load_plan(reference.plan("fine_tuned"))
    values = {one.name: one.slots for one in plan.manifest.layout.segments if one.kind == "value"}
    adapter, norm, head = [3 * 2, 2 * 8], [8, 8], [8 * 2, 2]
    assert sorted(n for name, n in values.items() if "/trainable/" in name) == sorted([*adapter, *norm, *head])
    assert [n for name, n in values.items() if "/non_trainable/" in name] == [8, 8]  # the moments of one BatchNorm
    frozen = frozen_of(plan)
    assert sorted(array.size for array in frozen.values()) == [8] * 5 + [3 * 8]  # the other BatchNorm, bias and kernel
    assert not any("frozen" in leaf.path for leaf in decode_state(plan.initial_state))
    assert frozen_of(load_plan(reference.plan("average"))) == {}


def test_frozen_weights_of_other_shapes_are_refused(reference: Reference, rows: Path, tmp_path: Path):
    plan = load_plan(reference.plan("fine_tuned"))
    first, *others = decode_state(plan.computations["frozen"])
    wrong = encode_state([Leaf(first.path, np.zeros(7, np.float32)), *others])
    refused(changed(plan, tmp_path, {"frozen.state": wrong}), rows, "FL3010")


async def test_an_exported_model_computes_what_its_adapters_learned(reference: Reference, rows: Path, tmp_path: Path):
    path = reference.plan("fine_tuned")
    with open_plan(path, data=rows) as runtime:
        works = [runtime.work(runtime.initialize(), data) for data in files(rows)]
        total = add(runtime.manifest.layout, [work.vector for work in works])
        state = runtime.update(runtime.initialize(), total, [work.examples for work in works]).state
        data = files(rows)[0]
        measured, before = (runtime.evaluate(one, data)["loss"] for one in (state, runtime.initialize()))
    _, held = load_examples(data.path, runtime.manifest.schema_, runtime.manifest.batching.holdout_percent)
    made_by, source = {"state": hashlib.sha256(state).hexdigest()}, f"{SOURCES}:fine_tuned_network"
    frozen = frozen_of(load_plan(path))
    written = await export(state, made_by, "keras", tmp_path / "out", source, held.features, frozen)
    assert written["deviation"] < 1e-5
    assert held.labels is not None
    assert loss_of(Path(written["file"]), held.features, held.labels) == pytest.approx(measured, abs=1e-5)
    assert abs(measured - before) > 1e-4
    other = {name: array + 1 for name, array in frozen.items()}
    wrong = await export(state, made_by, "keras", tmp_path / "wrong", source, held.features, other)
    assert abs(loss_of(Path(wrong["file"]), held.features, held.labels) - measured) > 1e-4
    with pytest.raises(NodeError, match=r"FL4502.*frozen weights have other shapes"):
        await export(state, made_by, "keras", tmp_path / "more", source, None, {"frozen/99": np.zeros(3)})


def loss_of(path: Path, features: Any, labels: Any) -> float:
    """The mean cross entropy of a saved network, as Keras reads and computes it."""
    program = """
import sys, json, keras, numpy as np
given = json.loads(sys.stdin.read())
outputs = np.asarray(keras.saving.load_model(sys.argv[1])(np.array(given["features"], np.float32)), np.float64)
logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
print(-logs[np.arange(len(logs)), given["labels"]].mean())
"""
    assert JAX.environment
    variables, given = (
        {**os.environ, **JAX.environment.settings},
        {"features": features.tolist(), "labels": labels.tolist()},
    )
    command = [JAX.environment.python, "-c", program, path]
    done = subprocess.run(command, env=variables, input=json.dumps(given), capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])
