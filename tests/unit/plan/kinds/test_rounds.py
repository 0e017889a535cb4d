"""What holds of every kind: masks change no bit, dropouts leave their rows out, nonsense is refused with a code."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_node.canonical import canonical_json
from fl_node.data.errors import DataError
from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.build import build, write_plan
from fl_node.plan.container import Plan, pack_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import KINDS, parse_manifest
from fl_node.plan.kinds.compile import compile_kind
from fl_node.plan.kinds.kind import Kind
from fl_node.plan.kinds.manifest import VERSION
from fl_node.plan.kinds.runtime import KindRuntime
from fl_node.plan.kinds.source import Glm, KindPlan, KMeans, Statistics, Trees
from fl_node.plan.kinds.step import next_state, vector_of
from fl_node.plan.kinds.sums import Quantity, Totals, make_layout, to_slots, unit
from fl_node.plan.runtime import DataSource, open_plan
from fl_node.plan.summary import warnings
from fl_node.secagg.layout import Layout
from fl_node.secagg.simulation import session_of, simulate
from tests.unit.plan.conftest import add
from tests.unit.plan.kinds.plans import compiled, dealt, manifest_of, patients, schema

COLUMNS = (
    Column(name="age", minimum="0", maximum="120"),
    Column(name="pressure", minimum="0", maximum="300"),
    Column(name="smoker", type="boolean"),
    Column(name="region", type="category", values=("north", "south", "west")),
)
SCHEMA = schema("poisson", COLUMNS)
KINDS_OF = {
    "glm": Glm(family="poisson"),
    "statistics": Statistics(bins=4, steps=8),
    "kmeans": KMeans(clusters=3),
    "trees": Trees(loss_of="poisson", trees=2, depth=3, bins=8),
}
every_kind = pytest.mark.parametrize("name", KINDS_OF)


def vectors(plan: Plan, state: bytes, seed: int = 5) -> dict[str, bytes]:
    shares = dealt(patients("poisson", 150, seed), 5)
    nobody = shares[0].take(slice(0, 0))
    manifest = manifest_of(plan)
    return {f"hospital-{at:03d}": vector_of(manifest, state, rows, nobody) for at, rows in enumerate(shares)}


@every_kind
def test_masked_sums_give_the_same_state_to_the_bit_as_plain_ones_with_and_without_dropouts(name: str):
    plan = compiled(KINDS_OF[name], SCHEMA)
    manifest, state = manifest_of(plan), plan.initial_state
    layout = Layout.from_fields(manifest.layout.model_dump(mode="json"))
    for absent in ({}, {"updates": ["hospital-001"]}, {"shares": ["hospital-004"]}):
        made = vectors(plan, state)
        masked = simulate(session_of(layout, len(made)), made, absent)
        survivors = [one for one in made if one not in {*absent.get("updates", ()), *absent.get("shares", ())}]
        plain = add(manifest.layout, [made[one] for one in survivors])
        following = next_state(manifest, state, bytes(masked.vector), [1] * len(survivors))
        assert bytes(masked.vector) == plain
        assert following == next_state(manifest, state, plain, [1] * len(survivors))
        assert following[1].keys() == set(manifest.metrics)
        state = following[0]


@every_kind
def test_a_sum_with_any_slot_out_of_its_range_is_refused(name: str):
    plan = compiled(KINDS_OF[name], SCHEMA)
    manifest, made = manifest_of(plan), vectors(plan, plan.initial_state)
    total = add(manifest.layout, list(made.values()))
    for segment in manifest.layout.flat.segments:
        broken = bytearray(total)
        segment.view(broken)[-1] = (1 << segment.word) - 1
        with pytest.raises(PlanError, match=r"FL303[23]"):
            next_state(manifest, plan.initial_state, bytes(broken), [1] * len(made))
    with pytest.raises(PlanError, match="FL3031"):
        next_state(manifest, plan.initial_state, total[:-1], [1] * len(made))
    with pytest.raises(PlanError, match="FL3033"):
        next_state(manifest, plan.initial_state, total, [1] * (len(made) - 1))


@every_kind
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 30), rounds=st.integers(0, 5))
def test_any_sum_within_its_ranges_ends_in_a_finite_state_or_a_code(name: str, seed: int, rounds: int):
    plan, draw = compiled(KINDS_OF[name], SCHEMA), np.random.default_rng(seed)
    manifest, state = manifest_of(plan), plan.initial_state
    for _ in range(rounds + 1):
        total = bytearray(manifest.layout.size)
        for segment in manifest.layout.flat.segments:
            least, most = segment.bounds(4)
            drawn = draw.integers(least, most, segment.slots, np.uint64, endpoint=True)
            segment.view(total)[:] = drawn.astype(segment.dtype)
        try:
            state, metrics = next_state(manifest, state, bytes(total), [1] * 4)
        except PlanError as error:
            assert error.code in {"FL3022", "FL3061", "FL3062"}  # noqa: PT017 - either is right
            return
        assert np.isfinite(list(metrics.values())).all()


@every_kind
def test_a_manifest_whose_slots_or_state_are_not_what_the_kind_gives_is_refused(name: str):
    fields = json.loads(manifest_of(compiled(KINDS_OF[name], SCHEMA)).canonical())
    for part in ("state", "metrics"):
        with pytest.raises(PlanError, match="FL3003"):
            parse_manifest(canonical_json({**fields, part: fields[part][:-1]}))
    wider = make_layout((Quantity("any", (9,), 20),), 8, evaluation=False)
    changed = {**fields, "layout": wider.model_dump(mode="json"), "layout_digest": wider.digest()}
    with pytest.raises(PlanError, match=r"FL3003.*layout"):
        parse_manifest(canonical_json(changed))


PICTURES = Column(name="scan", type="array", shape=(4096, 4096), minimum="0", maximum="1")


@pytest.mark.parametrize(
    "kind",
    [
        KMeans(clusters=10_000),
        Statistics(bins=1024, steps=1024),
        Trees(loss_of="squared", depth=10, bins=256, trees=1000),
    ],
)
def test_a_plan_that_asks_for_more_memory_than_any_may_is_refused_before_it_takes_it(kind: Kind):
    """The state of the first would take a million gigabytes wherever its manifest is read."""
    wide = Schema(columns=(PICTURES,), label=Label(name="y", type="float"))
    with pytest.raises(PlanError, match=r"FL3012.*slots"):
        compiled(kind, wide)
    fields = json.loads(manifest_of(compiled(KINDS_OF["kmeans"], SCHEMA)).canonical())
    hostile = {**fields, "kind": kind.model_dump(mode="json"), "schema": wide.model_dump(mode="json")}
    with pytest.raises(PlanError, match=r"FL3003.*slots"):
        parse_manifest(canonical_json({**hostile, "schema_digest": wide.digest()}))


def test_a_manifest_of_no_known_kind_is_refused():
    fields = json.loads(manifest_of(compiled(KINDS_OF["glm"], SCHEMA)).canonical())
    with pytest.raises(PlanError, match="FL3003"):
        parse_manifest(canonical_json({**fields, "kind": {**fields["kind"], "kind": "oracle"}}))


@given(st.floats(-(2.0**30) + 1, 2.0**30 - 1), st.integers(1, 8))
def test_a_number_comes_back_from_its_slot_to_half_a_unit_for_each_participant(value: float, participants: int):
    one = Quantity("one", (), 30)
    total = to_slots(one, value, 8) * participants
    found = Totals({one.segment: total}, participants, 8).real(one)
    assert float(found) == pytest.approx(value * participants, abs=participants * unit(one, 8) / 2, rel=1e-15)


@pytest.mark.parametrize("value", [2.0**30, -(2.0**30), 1e300])
def test_a_number_beyond_its_range_is_refused(value: float):
    with pytest.raises(PlanError, match="FL3060"):
        to_slots(Quantity("one", (), 30), value, 8)


def test_numbers_of_another_shape_are_refused():
    with pytest.raises(PlanError, match="FL3030"):
        to_slots(Quantity("one", (2,), 30), [1.0, 2.0, 3.0], 8)


SOURCE = """
from fl_node.plan.kinds.source import Glm, KindPlan
from fl_node.data.schema import Column, Label, Schema

SCHEMA = Schema(columns=(Column(name="x", minimum="0", maximum="9"),), label=Label(name="y", type="float"))

def plan():
    return KindPlan("lines", SCHEMA, Glm(family="linear"), holdout_percent=30)

def other():
    return 7
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kind")
    (folder / "lines.py").write_text(SOURCE)
    text = "".join(f"{at % 10},{at % 10 * 2 + at % 3}\n" for at in range(60))
    (folder / "rows.csv").write_text(f"x,y\n{text}")
    return folder


@pytest.fixture(scope="module")
def runtime(folder: Path) -> Iterator[KindRuntime]:
    """A plan built in a child process from a researcher's file, opened as a node opens it."""
    write_plan(build(str(folder / "lines.py"), framework=KINDS), folder / "lines.flplan")
    found = open_plan(folder / "lines.flplan", data=folder)
    assert isinstance(found, KindRuntime)
    with found:
        yield found


def test_a_node_builds_loads_works_updates_and_evaluates_a_plan(runtime: KindRuntime, folder: Path):
    state, data = runtime.initialize(), DataSource(folder / "rows.csv")
    runtime.prepare(state)
    worked = runtime.work(state, data)
    assert worked.vector == runtime.work(state, data).vector
    held = 60 - worked.examples
    assert worked.metrics["evaluation/num_examples"] == held > 0
    first = runtime.update(state, worked.vector, [worked.examples])
    second = runtime.update(first.state, runtime.work(first.state, data).vector, [worked.examples])
    assert second.metrics["train/loss"] < worked.metrics["train/loss"]
    assert runtime.compare_states(second.state, second.state) == 0
    assert runtime.evaluate(second.state, data) == {"loss": pytest.approx(0.33, abs=0.1), "num_examples": held}
    with pytest.raises(PlanError, match="FL3021"):
        runtime.compare_states(first.state, second.state)


def test_rows_that_the_schema_refuses_and_states_of_others_are_refused(runtime: KindRuntime, folder: Path):
    (folder / "wrong.csv").write_text("x,y\n1,2\n77,3\n")
    with pytest.raises(DataError, match="FL31"):
        runtime.work(runtime.initialize(), DataSource(folder / "wrong.csv"))
    with pytest.raises(PlanError, match="FL3020"):
        runtime.work(compiled(KINDS_OF["glm"], SCHEMA).initial_state, DataSource(folder / "rows.csv"))


def test_a_file_that_returns_no_plan_of_a_kind_is_refused(folder: Path):
    with pytest.raises(PlanError, match="FL3012: the function returns int"):
        build(f"{folder / 'lines.py'}:other", framework=KINDS)


def test_a_plan_of_another_version_of_this_arithmetic_is_refused(folder: Path):
    plan = compiled(KINDS_OF["glm"], SCHEMA)
    other = plan.manifest.model_copy(update={"framework_version": "99"})
    path = folder / "other.flplan"
    path.write_bytes(pack_plan(other, {"initial.state": plan.initial_state}))
    assert VERSION != "99"
    with pytest.raises(PlanError, match="FL3004"):
        open_plan(path)


def test_constants_that_a_kind_refuses_are_told_when_the_plan_is_built():
    plain = Schema(columns=(Column(name="x"),), label=Label(name="y", type="float"))
    with pytest.raises(PlanError, match="FL3012"):
        compile_kind(KindPlan("UPPER", plain, Glm(family="linear")))


@every_kind
def test_voters_are_told_what_each_rounds_sums_tell(name: str):
    manifest = manifest_of(compiled(KINDS_OF[name], SCHEMA))
    assert warnings(manifest) == [f"each round tells, of all rows together, {KINDS_OF[name].tells}"]
