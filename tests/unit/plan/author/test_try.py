"""`plan try`: the rounds of a plan on shares of one's own rows; what learns nothing is refused with its reason."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fl_node.data.dealing import deal_rows
from fl_node.data.errors import DataError
from fl_node.data.read import read_table
from fl_node.data.schema import Column, Label, Schema, Window
from fl_node.plan.author import api
from fl_node.plan.author.curves import draw, sparks
from fl_node.plan.author.trial import Round, Trial
from fl_node.plan.cli import app
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import JAX
from fl_node.plan.kinds.glm import Glm
from fl_node.plan.runtime import DataSource, open_read
from fl_node.plan.summary import unscaled, warnings
from tests.unit.plan.author import trials
from tests.unit.plan.kinds.plans import compiled, manifest_of

HERE = Path(__file__).parent
runner = CliRunner()
SCHEMA = Schema(
    columns=(Column(name="x0", mean="10", deviation="2"), Column(name="x1", mean="100", deviation="20")),
    label=Label(name="y", values=("no", "yes")),
)
REGRESSION = compiled(Glm(family="logistic"), SCHEMA, holdout=20)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    draw_of, lines = np.random.default_rng(0), ["y,x1,x0"]
    for _ in range(400):
        x0, x1 = draw_of.normal(10, 2), draw_of.normal(100, 20)
        high = (x0 - 10) / 2 + (x1 - 100) / 20 + draw_of.normal(0, 0.5) > 0
        lines.append(f"{'yes' if high else 'no'},{x1:.4f},{x0:.4f}")
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines))
    return path


def test_every_row_is_dealt_once_as_it_stands_and_the_same_each_time(tmp_path: Path):
    (tmp_path / "rows.csv").write_text(
        "Wert;x1;y;z\n" + "".join(f"{at},5;{at};{'no' if at % 2 else 'yes'};\n" for at in range(31))
    )
    (tmp_path / "data.yaml").write_text('separator: ";"\ndecimal: ","\ncolumns: {Wert: x0}\n')
    shares = deal_rows(tmp_path / "rows.csv", SCHEMA, 3, tmp_path / "one")
    again = deal_rows(tmp_path / "rows.csv", SCHEMA, 3, tmp_path / "two")
    tables = [read_table(share, SCHEMA) for share in shares]
    assert [table.rows for table in tables] == [11, 10, 10]
    whole = read_table(tmp_path / "rows.csv", SCHEMA)
    dealt = sorted(tuple(row) for table in tables for row in table.features.tolist())
    assert dealt == sorted(tuple(row) for row in whole.features.tolist())
    written = [[(share / "rows.parquet").read_bytes() for share in some] for some in (shares, again)]
    assert written[0] == written[1]


def test_the_rows_of_a_series_stay_together(tmp_path: Path):
    schema = Schema(
        columns=(Column(name="sales"),),
        label=Label(name="sales", type="float"),
        window=Window(time="week", unit="integer", series="store", history=2, horizon=1),
    )
    lines = [f"{week},s{store},{week * store}" for week in range(6) for store in range(8)]
    (tmp_path / "rows.csv").write_text("\n".join(["week,store,sales", *lines]))
    shares = deal_rows(tmp_path / "rows.csv", schema, 4, tmp_path / "shares")
    assert [read_table(share, schema).features.shape for share in shares] == [(8, 2)] * 4
    with pytest.raises(DataError, match="FL3108: too few series for 9 shares"):
        deal_rows(tmp_path / "rows.csv", schema, 9, tmp_path / "nine")


def test_a_trial_is_what_rounds_of_the_runtime_give(rows: Path):
    trial = api.try_plan(REGRESSION, rows, split=3, rounds=6)
    assert len(trial.rows) == 3
    losses = trial.curve("train/loss")
    assert losses[-1] < losses[0]
    assert len(trial.curve("evaluation/loss")) == 7  # the last state is measured too
    with open_read(REGRESSION, data=rows) as runtime:
        alone = api.try_plan(REGRESSION, [rows, rows], rounds=6)
        work = runtime.work(runtime.initialize(), DataSource(rows))
    assert alone.rows == (work.examples, work.examples)
    assert sum(trial.rows) == work.examples


def test_the_command_prints_curves_for_people_and_all_for_machines(rows: Path, tmp_path: Path):
    source = tmp_path / "regression.py"
    source.write_text(
        "from fl_node.data.schema import Column, Label, Schema\n"
        "from fl_node.plan.kinds.source import Glm, KindPlan\n"
        f"SCHEMA = Schema.model_validate({SCHEMA.model_dump(mode='json')!r})\n"
        "def plan():\n    return KindPlan('mine', SCHEMA, Glm(family='logistic'), holdout_percent=20)\n"
    )
    arguments = ["try", str(source), "--data", str(rows), "--split", "2", "--rounds", "3"]
    found = json.loads(runner.invoke(app, [*arguments, "--json"]).stdout)
    assert [each["number"] for each in found["rounds"]] == [1, 2, 3]
    assert len(found["rows"]) == 2
    assert found["final"]["loss"] < math.log(2)
    shown = runner.invoke(app, [*arguments, "--plot", str(tmp_path / "curves.svg")])
    assert shown.exit_code == 0
    assert "training rows of each share" in shown.stdout
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(("shares", "said"), [(1, "1 shares, where 2 to 8"), (9, "9 shares, where 2 to 8")])
def test_a_trial_needs_a_cohort_that_the_plan_allows(shares: int, said: str, rows: Path):
    with pytest.raises(PlanError, match=f"FL3082: {said}"):
        api.try_plan(REGRESSION, rows, split=shares)


def test_a_refusal_names_the_row_of_the_file_that_was_given(rows: Path):
    rows.write_text(rows.read_text().replace("\nno,", "\nnein,", 1))
    with pytest.raises(DataError, match=rf"FL3107.*{rows}, row \d+, column y"):
        api.try_plan(REGRESSION, rows)


def test_too_few_rows_for_so_many_shares_name_the_share_and_the_mend(tmp_path: Path):
    draw_of = np.random.default_rng(1)
    lines = [f"{x:.3f},{x * 9:.3f},{'yes' if at % 2 else 'no'}" for at, x in enumerate(draw_of.normal(10, 2, 12))]
    (tmp_path / "few.csv").write_text("\n".join(["x0,x1,y", *lines]))
    with pytest.raises(DataError, match=r"FL3108.*share \d+, round 1.*fewer shares"):
        api.try_plan(REGRESSION, tmp_path / "few.csv", split=6)


@pytest.mark.jax
def test_an_update_that_is_zeroed_every_time_is_an_error_with_its_reason(rows: Path):
    assert JAX.environment
    JAX.environment.install()
    plan = api.build(f"{trials.__file__}:unscaled")
    assert any(warning.startswith("unscaled columns: x0, x1") for warning in api.inspect(plan)["warnings"])
    with pytest.raises(PlanError, match=r"FL3081.*zero_above \(20\).*share 1, share 2.*a mean and a deviation.*x1 \(1"):
        api.try_plan(plan, rows, split=2, rounds=2)


@pytest.mark.jax
@pytest.mark.lengthy
def test_a_scaled_plan_learns_and_is_not_warned_of(rows: Path):
    assert JAX.environment
    JAX.environment.install()
    plan = api.build(f"{trials.__file__}:scaled")
    assert not api.inspect(plan)["warnings"]
    trial = api.try_plan(plan, rows, split=2, rounds=3)
    curve = trial.curve("evaluation/accuracy")
    assert curve[-1] > 0.85
    assert not any(each.zeroed for each in trial.rounds)


def test_columns_are_scaled_by_constants_or_by_a_narrow_range():
    columns = (
        Column(name="a"),
        Column(name="b", mean="3", deviation="9"),
        Column(name="c", minimum="-1", maximum="16"),
        Column(name="d", minimum="0", maximum="100"),
        Column(name="e", type="category", values=("x", "y")),
        Column(name="f", type="array", shape=(2, 2)),
    )
    assert unscaled(Schema(columns=columns)) == ["a", "d", "f"]
    assert not any("unscaled" in warning for warning in warnings(manifest_of(REGRESSION)))


def test_curves_are_drawn_of_few_and_of_many_rounds(rows: Path, tmp_path: Path):
    assert sparks([1, 2, 3]) == "▁▅█"
    assert sparks([2, 2]) == "▁▁"
    assert sparks([]) == ""
    assert len(sparks(range(100))) == 24
    trial = api.try_plan(REGRESSION, rows, split=2, rounds=2)
    with pytest.raises(PlanError, match=r"FL3082.*Name a \.png"):
        draw(trial, tmp_path / "curves.txt")


def test_what_a_bare_tff_process_counts_is_no_curve(tmp_path: Path):
    metrics = {"loss": 1.0, "client_work/train/loss": 2.0, "aggregator/mean_value/clipped": 3.0, "finalizer/steps": 4.0}
    trial = Trial((8, 8), tuple(Round(at, metrics, (), (), True, 0.1) for at in (1, 2)), {}, b"")
    assert trial.names == ["loss", "client_work/train/loss"]
    draw(trial, tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_bytes()


def test_a_researchers_code_may_stand_in_several_files(tmp_path: Path):
    package = tmp_path / "study"
    package.mkdir()
    (package / "__init__.py").touch()
    text = (
        f"from fl_node.data.schema import Schema\nSCHEMA = Schema.model_validate({SCHEMA.model_dump(mode='json')!r})\n"
    )
    for folder, own in ((tmp_path, "rows_of_study"), (package, ".rows_of_study")):
        (folder / "rows_of_study.py").write_text(text)
        (folder / "statistics.py").write_text("raise RuntimeError('the standard library has a module of this name')")
        (folder / "mine.py").write_text(
            "from fl_node.plan.kinds.source import Glm, KindPlan\n"
            f"from {own} import SCHEMA\n"
            "def plan():\n    return KindPlan('mine', SCHEMA, Glm(family='logistic'))\n"
        )
        assert api.build(folder / "mine.py").manifest.name == "mine"


def test_an_error_in_a_researchers_code_names_its_line(tmp_path: Path):
    (tmp_path / "mine.py").write_text(
        "from fl_node.plan.kinds.source import KindPlan\nimport helper\ndef plan():\n    return helper.make()\n"
    )
    with pytest.raises(PlanError, match=r"FL3012: ModuleNotFoundError.*mine\.py, line 2"):
        api.build(tmp_path / "mine.py")
    (tmp_path / "helper.py").write_text("\ndef make():\n    return 1 / 0\n")
    with pytest.raises(PlanError, match=r"FL3012: ZeroDivisionError.*helper\.py, line 3\)\. That line"):
        api.build(tmp_path / "mine.py")
    (tmp_path / "helper.py").write_text("def make():\n    raise ValueError('in a call:\\n    ValueError: two of it')\n")
    with pytest.raises(PlanError, match=r"FL3012: ValueError: two of it \(.*line 2"):
        api.build(tmp_path / "mine.py")
    with pytest.raises(PlanError, match=r"FL3012: the file has no function other.*FILE\.py:NAME \(plan\)"):
        api.build(f"{tmp_path / 'mine.py'}:other")


def test_from_rows_to_a_trial_in_three_calls(rows: Path, tmp_path: Path):
    file = api.new(rows, tmp_path / "mine.py", api.Asked("y"))
    assert 'label=Label(name="y", values=("no", "yes"))' in file.read_text()
    found = api.inspect(REGRESSION)
    assert found["digest"] == REGRESSION.digest
    with pytest.raises(PlanError, match=r"FL3012: no framework 'tf'.*One of tff, jax"):
        api.build(file, framework="tf")
