"""The command `fedledger plan`: JSON for machines, codes in refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fl_node.commands.data import data
from fl_node.data.schema import Missing
from fl_node.plan.cli import app
from fl_node.plan.container import pack_plan, read_plan
from tests.unit.plan.samples import FILES, LAYOUT, PACKED, SCHEMA, manifest

runner = CliRunner()


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "test.flplan"
    path.write_bytes(PACKED)
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = runner.invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout


def test_inspect_tells_machines_what_a_proposal_needs(plan: Path):
    code, output = run("inspect", plan, "--json")
    found = json.loads(output)
    assert code == 0
    assert found["digest"] == read_plan(PACKED).digest
    assert found["layout_digest"] == LAYOUT.digest()
    assert found["initial_state"] == manifest().files["initial.state"]
    assert found["schema"] == SCHEMA.digest()
    assert found["slots"] == {"count": 1, "value": 7, "one": 1}
    assert found["manifest"] == json.loads(manifest().canonical())


def test_inspect_warns_voters_of_plans_that_could_spread_or_draw(tmp_path: Path):
    path = tmp_path / "odd.flplan"
    path.write_bytes(pack_plan(manifest(random_ops=("RandomUniform",)), FILES))
    warned = json.loads(run("inspect", path, "--json")[1])["warnings"]
    assert len(warned) == 2
    assert warned[0].startswith("the client's work draws at random (RandomUniform)")
    assert warned[1].startswith("7 value slots, but a state of 0 numbers")
    output = run("inspect", path)[1]
    assert output.count("warning") == 2


def test_inspect_tells_people_every_segment(plan: Path):
    code, output = run("inspect", plan)
    assert code == 0
    assert {"count", "value", "one", "wrapped"} <= set(output.split())


def test_a_damaged_plan_is_refused_with_its_code(plan: Path):
    plan.write_bytes(PACKED[:-1])
    code, output = run("inspect", plan, "--json")
    assert code == 1
    assert json.loads(output)["error"]["code"] == "FL3001"


def test_check_refuses_another_digest_before_anything_runs(plan: Path):
    code, output = run("check", plan, "--digest", "0" * 64, "--json")
    assert code == 1
    assert json.loads(output)["error"]["code"] == "FL3002"


def test_profile_counts_rows_and_labels_and_refuses_gaps_that_training_would_refuse(plan: Path, tmp_path: Path):
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,y\n1,2,no\n3,4,yes\n5,,yes\n")
    code, output = run("profile", plan, rows, "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "FL3105")
    dropping = SCHEMA.model_copy(update={"missing": Missing(rows="drop")})
    plan.write_bytes(pack_plan(manifest(schema=dropping, schema_digest=dropping.digest()), FILES))
    expected = {"rows": 3, "missing_ppm": 111_111, "labels": [1, 1], "schema": dropping.digest()}
    code, output = run("profile", plan, rows, "--json")
    assert code == 0
    assert json.loads(output) == expected


def test_shares_are_written_for_every_participant(tmp_path: Path):
    code, output = run("shares", "tumour", tmp_path, "hospital-a", "hospital-b", "hospital-c", "--json")
    paths = json.loads(output)
    assert code == 0
    assert list(paths) == ["hospital-a", "hospital-b", "hospital-c"]
    assert all(Path(path).exists() for path in paths.values())


def test_an_unknown_example_is_a_usage_error(tmp_path: Path):
    assert run("shares", "cats", tmp_path, "a")[0] == 2


def test_data_check_shows_what_each_column_finds_and_profile_what_is_applied_with(plan: Path, tmp_path: Path):
    rows = tmp_path / "rows"
    rows.mkdir()
    lines = [f"{at};{-at / 2};{'yes' if at % 3 else 'no'}" for at in range(60)]
    (rows / "rows.csv").write_text("\n".join(["Wert;b;y", *lines]))
    (rows / "data.yaml").write_text('separator: ";"\ncolumns: {Wert: a}')
    arguments = ["check", str(plan), str(rows)]
    found = json.loads(runner.invoke(data, [*arguments, "--json"]).stdout)
    assert (found["files"], found["described"], found["header"]) == (1, str(rows / "data.yaml"), ["Wert", "b", "y"])
    first, second, label = found["columns"]
    assert first == {"column": "a", "in_file": "Wert", "type": "float", "missing": 0, "smallest": 0, "largest": 59}
    assert (second["in_file"], second["smallest"]) == ("b", -29.5)
    assert label["counts"] == {"no": 20, "yes": 40}
    profiled = json.loads(runner.invoke(data, ["profile", str(plan), str(rows), "--json"]).stdout)
    assert (profiled["rows"], profiled["labels"]) == (60, [20, 40])
    assert found["rows"] == found["training"] + found["holdout"] == 60
    shown = runner.invoke(data, arguments).stdout
    assert "Wert" in shown
    assert "no 20, yes 40" in shown


def test_data_check_refuses_with_a_code_what_training_would_refuse(plan: Path, tmp_path: Path):
    (tmp_path / "rows.csv").write_text("a,b,y\n1,2,no\n1,x,no\n")
    for command in ("check", "profile"):
        result = runner.invoke(data, [command, str(plan), str(tmp_path / "rows.csv"), "--json"])
        assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (1, "FL3104")
