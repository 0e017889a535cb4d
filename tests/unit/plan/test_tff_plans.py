"""Plans against TensorFlow Federated itself: bit for bit, refusals, the child process."""

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fl_node.canonical import canonical_json
from fl_node.data.errors import DataError
from fl_node.plan.build import TOO_DEEP
from fl_node.plan.child import Child
from fl_node.plan.cli import warnings
from fl_node.plan.container import Plan, load_plan, pack_plan
from fl_node.plan.described import OWN_CODE
from fl_node.plan.errors import CATALOGUE, NO_NUMBER, PlanError
from fl_node.plan.frames import Message
from fl_node.plan.layout import TensorLayout
from fl_node.plan.runtime import DataSource, PlanRuntime, open_plan
from fl_node.plan.standardising import standardising_constants
from fl_node.plan.state_codec import decode_state
from fl_node.secagg.layout import Layout as LedgerLayout
from fl_node.secagg.simulation import session_of, simulate
from tests.unit.plan.conftest import HERE, PATIENCE_S, Reference, add

pytestmark = [pytest.mark.tff, pytest.mark.slow, pytest.mark.timeout(1200)]

Opened = Callable[[str], PlanRuntime]
REFUSED = {
    "plain_metrics": "FL3007",
    "plain_evaluation": "FL3007",
    "random_update": "FL3006",
    "clock_in_prepare": "FL3006",
    "file_in_work": "FL3005",
    "clock_in_work": "FL3005",
    "overflow": "FL3008",
    "odd_modulus": "FL3011",
    "outside_slot": "FL3014",
    "loss_that_is_no_number": "FL3014",
    "other_width": "FL3010",
    "other_label": "FL3010",
    "one_of_several_labels": "FL3010",
    "infinite_state": "FL3022",
    "complex_state": "FL3009",
    "squared_weight": "FL3015",
    "no_weight": "FL3015",
    "capped_below": "FL3015",
    "unnamed_weight": "FL3015",
    "two_rounds": "FL3013",
    "no_process": "FL3012",
    "bare_without_schema": "FL3010",
    "broken": "FL3012",
}


@pytest.mark.parametrize("name", ["average", "proximal", "adaptive", "stock", "every_kind", "statistics"])
def test_rounds_with_dropouts_give_bit_for_bit_what_the_process_gives(name: str, reference: Reference, opened: Opened):
    runtime = opened(name)
    layout, state = runtime.manifest.layout, runtime.initialize()
    for number, expected in enumerate(reference.report["good"][name]["metrics"], start=1):
        survivors = reference.report["survivors"][number - 1]
        works = [runtime.work(state, DataSource(rows)) for rows in reference.rows]
        vectors = [work.vector for work in works]
        aggregate = masked_sum(runtime, state, vectors, survivors)
        assert aggregate == add(layout, [vectors[at] for at in survivors])
        result = runtime.update(state, aggregate, [works[at].examples for at in survivors])
        assert reference.state(name, number) == result.state != state
        assert expected == result.metrics
        state = result.state


def masked_sum(runtime: PlanRuntime, state: bytes, vectors: list[bytes], survivors: list[int]) -> bytes:
    """The survivors' sum by real secure aggregation; the others drop out after sharing their keys."""
    layout = LedgerLayout.parse(canonical_json(runtime.manifest.layout.model_dump(mode="json")))
    digests = {"plan": bytes.fromhex(runtime.digest), "base_state": hashlib.sha256(state).digest()}
    session = session_of(layout, len(vectors), **digests)
    gone = [name for place, name in enumerate(session.cohort) if place not in survivors]
    return bytes(simulate(session, dict(zip(session.cohort, vectors, strict=True)), {"updates": gone}).vector)


def test_statistics_are_those_of_all_rows_together(reference: Reference):
    texts = [path.read_text().splitlines()[1:] for path in reference.rows]
    rows = np.array([[float(cell) for cell in line.split(",")[:3]] for lines in texts for line in lines])
    schema = load_plan(reference.plan("statistics")).manifest.schema_
    found = standardising_constants(schema, reference.state("statistics", 1))
    assert list(found) == ["a", "b", "c"]
    for at, column in enumerate(found.values()):
        assert float(column["mean"]) == pytest.approx(rows[:, at].mean(), abs=1e-5)
        assert float(column["deviation"]) == pytest.approx(rows[:, at].std(), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "mean", "error"),
    [
        ("weighted", [0.4375, 1.0], 2 * 2 * 64 / (2 * 32767 * 40)),
        ("capped", [0.5, 0.5], 2 * 2 * 64 / (2 * 32767 * 128)),
        ("unweighted", [0.625, 0.5], 2 * 2 / (2 * 8388607 * 2)),
        ("clipped", [0.6, 0.8], 1 / (2 * 32767)),
        ("zeroed", [0.5, 0.5], 2 / (2 * 32767)),
        ("nobody", [0.0, 0.0], 0.0),
    ],
)
def test_the_quantised_mean_is_the_mean_within_its_rounding_bound(
    name: str, mean: list[float], error: float, reference: Reference
):
    found = reference.report["means"][name]
    assert found["mean"] == pytest.approx(mean, abs=error * 1.01, rel=0)
    assert (found["clipped"], found["zeroed"]) == (int(name == "clipped"), int(name in {"zeroed", "nobody"}))


def test_an_update_that_is_not_finite_leaves_its_slots_so_that_it_is_refused_before_masking(reference: Reference):
    assert [reference.report["means"][name]["slots"] for name in ("not a number", "infinite")] == [[[-1, -1]]] * 2


def test_work_gives_the_same_vector_twice_and_counts_training_rows(reference: Reference, opened: Opened):
    runtime = opened("average")
    first, second = (runtime.work(runtime.initialize(), DataSource(reference.rows[1])) for _ in range(2))
    assert first.vector == second.vector
    assert len(first.vector) == runtime.manifest.layout.size
    evaluated = first.metrics["evaluation/num_examples"]
    assert first.examples + evaluated == 30
    assert first.metrics["train/num_examples"] == first.examples * 2


def test_evaluation_measures_the_base_model_on_the_holdout(reference: Reference, opened: Opened):
    runtime = opened("average")
    state = runtime.initialize()
    worked = runtime.work(state, DataSource(reference.rows[1])).metrics
    assert runtime.evaluate(state, DataSource(reference.rows[1])) == {
        name: worked[f"evaluation/{name}"] for name in ("accuracy", "loss", "num_batches", "num_examples")
    }


def test_every_slot_says_what_it_is(reference: Reference):
    kinds = {
        segment.name: (segment.kind, segment.word)
        for segment in load_plan(reference.plan("average")).manifest.layout.segments
    }
    assert kinds["value/0"] == ("value", 32)
    assert kinds["weight"] == ("weight", 32)
    assert kinds["one"] == ("one", 32)
    assert kinds["metric/train/num_examples/0"] == ("count", 64)
    assert kinds["metric/evaluation/loss/0"] == ("metric", 64)


def test_slots_without_names_are_told_by_what_they_move(reference: Reference):
    layout = load_plan(reference.plan("stock")).manifest.layout
    values = [segment.slots for segment in layout.segments if segment.kind == "value"]
    assert values == [15, 5, 10, 2]
    assert {"weight", "metric", "count"} <= {segment.kind for segment in layout.segments}
    assert layout.count is not None
    assert (layout.count.numerator, layout.count.denominator) == (1, 2)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("average", (2, 1, 64)),
        ("tumour", (3, 1, 1024)),
        ("digits", (2, 1, 4096)),
        ("proximal", (1, 1, 1)),
        ("alike", (5, 1, 5)),
        ("stock", None),
        ("statistics", None),
    ],
)
def test_the_compiler_finds_how_weights_follow_from_rows(name: str, rule: tuple[int, ...] | None, reference: Reference):
    found = load_plan(reference.plan(name)).manifest.weights
    assert [(one.numerator, one.denominator, one.cap) for one in found] == ([rule] if rule else [])


def test_a_survivor_that_adds_a_negative_weight_does_not_enlarge_the_step(opened: Opened):
    runtime = opened("tumour")
    state, layout = runtime.initialize(), runtime.manifest.layout
    honest = add(layout, [tumour_update(layout, 300) for _ in range(4)])
    attacked = add(layout, [*(tumour_update(layout, 300) for _ in range(3)), tumour_update(layout, -899)])
    assert layout.unpack(attacked, 4)
    assert layout.rows(attacked) == layout.rows(honest) == 400
    assert int(layout.flat.segment("weight").view(attacked)[0]) == 1
    step, larger = (
        largest_change(state, runtime.update(state, total, [100] * 4).state) for total in (honest, attacked)
    )
    assert 0 < larger <= step * 1.01 < 0.1


def tumour_update(layout: TensorLayout, weight: int) -> bytes:
    """An update of 100 rows in three epochs; its weight as told, modulo the ring."""
    draw, half = np.random.default_rng(1), 2**17 - 1
    vector = bytearray(layout.size)
    for segment in layout.flat.segments:
        words = segment.view(vector)
        if segment.kind == "value":
            scaled = draw.normal(0, 0.02, segment.slots) / 4 * 300 / 1024 * half
            words[:] = (np.round(scaled) + half).astype(segment.dtype)
        elif segment.kind != "metric":
            words[:] = {"one": 1, "count": 300, "weight": weight % (1 << 32)}[segment.kind]
    return bytes(vector)


def largest_change(before: bytes, after: bytes) -> float:
    pairs = zip(decode_state(before), decode_state(after), strict=True)
    return max(float(np.abs(a.array - b.array).max()) for a, b in pairs if a.array.dtype.kind == "f")


def test_all_three_kinds_of_secure_sum_become_slots(reference: Reference):
    segments = load_plan(reference.plan("every_kind")).manifest.layout.segments
    shape = sorted((segment.path[0], segment.word, segment.ring, segment.max) for segment in segments)
    assert shape == [("1", 32, 32, 1023), ("2", 32, 32, 1000), ("3", 32, 8, 255), ("3", 64, 32, 2**32 - 1)]


@pytest.mark.parametrize("name", ["average", "proximal", "adaptive", "stock", "every_kind"])
def test_the_ledger_reads_the_layout_alike(name: str, reference: Reference):
    manifest = load_plan(reference.plan(name)).manifest
    ledger = LedgerLayout.from_fields(manifest.layout.model_dump(mode="json"))
    ledger.check_cohort(manifest.cohort_max)
    assert ledger.digest.hex() == manifest.layout_digest
    assert ledger.length == manifest.layout.size
    assert [segment.name for segment in ledger.segments] == [segment.name for segment in manifest.layout.segments]


OWN_HINTS = {"broken": OWN_CODE, "loss_that_is_no_number": NO_NUMBER}


@pytest.mark.parametrize(("name", "code"), REFUSED.items())
def test_the_compiler_refuses_with_a_code_and_a_mend(name: str, code: str, reference: Reference):
    refusal = reference.report["refused"][name]
    assert refusal["code"] == code
    assert refusal["message"]
    assert refusal["hint"] == OWN_HINTS.get(name, CATALOGUE[code][1])


def test_a_loss_that_is_no_number_is_named(reference: Reference):
    refusal = reference.report["refused"]["loss_that_is_no_number"]
    assert "is no number" in refusal["message"]
    assert "loss" in refusal["where"]


def changed(plan: Plan, folder: Path, *, work: bytes | None = None, **changes: object) -> Path:
    """Writes a well-formed plan with other client work or another manifest."""
    files = {f"{name}.pb": raw for name, raw in plan.computations.items()} | {"initial.state": plan.initial_state}
    files["work.pb"] = work or files["work.pb"]
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    path = folder / "changed.flplan"
    path.write_bytes(pack_plan(plan.manifest.model_copy(update={"files": digests, **changes}), files))
    return path


def test_a_plan_whose_graph_was_exchanged_for_one_that_reads_files_does_not_load(
    reference: Reference, opened: Opened, tmp_path: Path
):
    path = changed(
        load_plan(reference.plan("average")), tmp_path, work=(reference.folder / "reads_a_file.pb").read_bytes()
    )
    child = opened("average")._child
    assert child is not None
    with pytest.raises(PlanError, match="FL3005: op ReadFile in work"):
        open_plan(path).adopt(child)


def test_a_plan_for_another_version_of_the_framework_is_refused(reference: Reference, tmp_path: Path):
    path = changed(load_plan(reference.plan("average")), tmp_path, framework_version="0.86.0")
    with pytest.raises(PlanError, match=r"FL3004: the plan needs tensorflow-federated 0\.86\.0"):
        open_plan(path)


def test_refusals_of_data_and_aggregates_cross_the_process_boundary(reference: Reference, opened: Opened):
    runtime = opened("average")
    state, layout = runtime.initialize(), runtime.manifest.layout
    bad = reference.folder / "bad.csv"  # where the child may read: for other rows it would start anew
    bad.write_text("a,b,c,kind\n1,2,x,no\n")
    with pytest.raises(DataError, match=r"FL3104: 'x' where a float is due \(.*bad\.csv, row 1, column c\)"):
        runtime.work(state, DataSource(bad))
    worked = runtime.work(state, DataSource(reference.rows[0]))
    vector, rows = worked.vector, worked.examples
    with pytest.raises(PlanError, match="FL3033"):
        runtime.update(state, vector, [rows, rows])
    with pytest.raises(PlanError, match="FL3031"):
        runtime.update(state, vector[:-16], [rows])
    with pytest.raises(PlanError, match="FL3032"):
        runtime.update(state, b"\xff" * 8 + vector[8:], [rows])
    with pytest.raises(PlanError, match="FL3034"):
        runtime.update(state, vector, [rows - 1])
    with pytest.raises(PlanError, match="FL3020"):
        runtime.work(load_plan(reference.plan("every_kind")).initial_state, DataSource(reference.rows[0]))
    assert layout.rows(vector) > 0


def test_a_killed_child_is_replaced_and_leaves_nothing_behind(reference: Reference, opened: Opened):
    source, runtime = DataSource(reference.rows[2]), opened("proximal")
    before = runtime.work(runtime.initialize(), source)
    first = runtime.child_pid
    assert first is not None
    assert len(_alive(first)) > 1
    os.kill(first, signal.SIGKILL)
    after = runtime.work(runtime.initialize(), source)
    assert before.vector == after.vector
    assert runtime.child_pid not in {first, None}
    deadline = time.monotonic() + 10
    while _alive(first) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _alive(first) == set()


def test_client_work_that_draws_at_random_is_told_and_not_hidden(reference: Reference, opened: Opened, tmp_path: Path):
    plan = load_plan(reference.plan("drawing"))
    assert plan.manifest.random_ops == ("RandomUniform",)
    assert "draws at random (RandomUniform)" in " ".join(warnings(plan.manifest))
    runtime = opened("drawing")
    assert runtime.work(runtime.initialize(), DataSource(reference.rows[0])).vector
    child = runtime._child
    assert child is not None
    with pytest.raises(PlanError, match="FL3003: the random ops of the client's work are RandomUniform"):
        open_plan(changed(plan, tmp_path, random_ops=())).adopt(child)


def test_a_process_too_deep_for_the_default_parser_is_built_and_run_with_the_other(
    reference: Reference, tmp_path: Path
):
    assert TOO_DEEP in reference.report["too deep"]["message"]
    child, path = Child(None, protobuf="python"), tmp_path / "deep.flplan"
    request = {"op": "build", "file": str(HERE / "bad_sources.py"), "function": "deep", "protobuf": "python"}
    path.write_bytes(child.call(Message(request), PATIENCE_S).blobs[0])
    with open_plan(path) as runtime:
        runtime.adopt(child)
        assert runtime.manifest.model_dump()["protobuf"] == "python"
        vector = runtime.work(runtime.initialize(), DataSource(reference.rows[0])).vector
        rows = int.from_bytes(vector[:4], "little")
        assert rows > 0
        assert runtime.update(runtime.initialize(), vector, [rows]).metrics == {"metric": rows}


def _alive(session: int) -> set[str]:
    listed = subprocess.run(
        ["ps", "-o", "stat=,comm=", "--sid", str(session)], capture_output=True, text=True, check=False
    )
    return {line for line in listed.stdout.splitlines() if not line.startswith("Z")}
