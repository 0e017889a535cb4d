"""`plan new`: from rows to a researcher's file, which reads those rows, tells nothing of one of them, and builds."""

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from fl_node.data.errors import DataError
from fl_node.data.profile import profile
from fl_node.data.read import read_table
from fl_node.data.schema import Schema
from fl_node.data.survey import survey
from fl_node.plan.author.draft import Asked, draft
from fl_node.plan.author.source import plan_name, write_source
from fl_node.plan.cli import app
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import BY_WORD, JAX, TFF, imported_by
from tests.unit.plan.author.rows import write_rows
from tests.unit.plan.conftest import ROOT, in_environment

runner = CliRunner()
ASKED = {
    "classes": ("--label", "outcome"),
    "number": ("--label", "cost"),
    "counts": ("--label", "claims", "--exposure", "years"),
    "nothing": (),
    "windows": ("--label", "cost", "--time", "id", "--series", "ward", "--horizon", "2"),
}


def written(folder: Path, data: Path, *arguments: str, name: str = "mine") -> Path:
    file = folder / f"{name}.py"
    result = runner.invoke(app, ["new", "--data", str(data), "-o", str(file), *arguments])
    assert result.exit_code == 0, result.output
    return file


def schema_in(file: Path) -> Schema:
    """The schema that a file gives, without the framework that the file imports."""
    body = ast.parse(file.read_text()).body
    kept = [each for each in body if isinstance(each, ast.ImportFrom) and each.module == "fl_node.data.schema"]
    kept += [each for each in body if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "SCHEMA"]
    names: dict[str, Any] = {}
    exec(compile(ast.Module(kept, []), str(file), "exec"), names)
    return names["SCHEMA"]


@pytest.mark.parametrize("framework", ["jax", "tff"])
@pytest.mark.parametrize("name", ASKED)
def test_the_schema_reads_every_row_that_it_was_drafted_from(name: str, framework: str, tmp_path: Path):
    data = write_rows(tmp_path)
    file = written(tmp_path, data, *ASKED[name], "--framework", framework)
    held = 0 if name == "windows" else 20  # three series are too few to hold one out
    assert f"holdout_percent={held}" in file.read_text()
    assert profile(data, schema_in(file), held).rows == 240
    assert imported_by(file) == BY_WORD[framework]


def test_types_ranges_categories_and_words_are_filled_in(tmp_path: Path):
    schema = schema_in(written(tmp_path, write_rows(tmp_path), "--label", "outcome"))
    columns = {column.name: column for column in schema.columns}
    assert columns.keys() == {"age", "bmi", "ward", "seen", "claims", "years", "cost"}
    assert (columns["age"].type, columns["age"].minimum, columns["age"].maximum) == ("integer", "0", "130")
    assert (columns["bmi"].type, columns["bmi"].fill) == ("float", "26")
    assert columns["ward"].values == ("a", "b", "c")
    assert (columns["seen"].type, columns["seen"].minimum, columns["seen"].maximum) == (
        "date",
        "2009-01-01",
        "2021-01-01",
    )
    assert schema.label
    assert schema.label.values == ("ill", "well")
    assert "?" in schema.missing.words


def test_what_is_left_out_is_named_with_its_reason(tmp_path: Path):
    text = written(tmp_path, write_rows(tmp_path), "--label", "outcome").read_text()
    assert '"id" is left out: it numbers the rows' in text
    assert '"same" is left out: it is the same in every row' in text
    assert '"note" is left out: it is free text: Column(type="text", length=19) reads its bytes' in text


def test_no_number_of_a_row_stands_in_the_file(tmp_path: Path):
    lines = [
        "weight,salary,group",
        *(f"{50.123 + at * 0.377:.3f},{31234 + 777 * at},{'xy'[at % 2]}" for at in range(90)),
    ]
    data = tmp_path / "rows.csv"
    data.write_text("\n".join(lines))
    text = written(tmp_path, data, "--label", "group").read_text()
    numbers = {value for line in lines[1:] for value in line.split(",")[:2]}
    assert not [number for number in numbers if number in text]


def test_a_word_is_a_value_where_the_column_would_hold_no_two_without_it(tmp_path: Path):
    data = tmp_path / "rows.csv"
    lines = [f"{at / 7},{['None', 'Mild', 'Severe'][at % 3]},{['NA', 'ZA'][at % 2]}" for at in range(60)]
    data.write_text("\n".join(["x,severity,country", *lines]))
    file = written(tmp_path, data, "--label", "country")
    schema = schema_in(file)
    assert schema.label
    assert schema.label.values == ("NA", "ZA")
    assert schema.columns[1].values == ("Mild", "None", "Severe")
    assert "'None' is a value here, not a gap: true?" in file.read_text()
    assert read_table(data, schema).missing == 0


def test_parquet_arrays_dates_and_booleans_become_columns(tmp_path: Path):
    draw = np.random.default_rng(1)
    table = pa.table(
        {
            "scan": pa.array(list(draw.integers(0, 17, (50, 6)).tolist())),
            "day": pa.array(np.arange(50).astype("datetime64[D]")),
            "flag": pa.array([at % 3 == 0 for at in range(50)]),
            "raw": pa.array([{"a": 1}] * 50),
            "grade": pa.array([float(at % 4) for at in range(50)]),
        }
    )
    parquet.write_table(table, tmp_path / "rows.parquet")
    schema = schema_in(written(tmp_path, tmp_path / "rows.parquet", "--label", "grade"))
    columns = {column.name: column for column in schema.columns}
    assert (columns["scan"].type, columns["scan"].shape) == ("array", (6,))
    assert [columns[name].type for name in ("day", "flag")] == ["date", "boolean"]
    assert "raw" not in columns
    assert schema.label
    assert schema.label.values == ("0", "1", "2", "3")
    assert read_table(tmp_path / "rows.parquet", schema).rows == 50


def test_a_header_of_one_column_is_refused_with_what_data_yaml_would_say(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("a;b\n1,5;2\n2,5;3\n")
    with pytest.raises(DataError, match=r'FL3103.*separator: ";"'):
        survey(tmp_path / "rows.csv")
    (tmp_path / "data.yaml").write_text('separator: ";"\ndecimal: ","\n')
    assert [column.high for column in survey(tmp_path / "rows.csv").columns] == [2.5, 3]


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (Asked("income"), "FL3103", "'income' is not there; the header is 'id', 'age'"),
        (Asked("note"), "FL3080", "classify does not fit"),
        (Asked("outcome", "number"), "FL3080", "of this one could be learned (--task): classify"),
        (Asked("cost", "count"), "FL3080", "(--task): classify, number"),
        (Asked(None, "count"), "FL3080", "count needs a label"),
        (Asked("cost", time="ward"), "FL3080", "a time is a date or a whole number"),
    ],
)
def test_what_cannot_be_learned_is_refused_with_what_can(asked: Asked, code: str, said: str, tmp_path: Path):
    found = survey(write_rows(tmp_path, 1200 if asked.label == "note" else 240))
    with pytest.raises((DataError, PlanError)) as refused:
        draft(found, asked)
    assert refused.value.code == code
    assert said in str(refused.value)


def test_ranges_are_asked_for_and_a_file_that_is_there_stays(tmp_path: Path):
    data = tmp_path / "rows.csv"
    data.write_text("a,y\n" + "".join(f"{at / 3},{at % 2}\n" for at in range(30)))
    file = tmp_path / "mine.py"
    arguments = ["new", "--data", str(data), "--label", "y", "-o", str(file)]
    result = runner.invoke(app, [*arguments, "--ask"], input="0\n50\n")
    assert result.exit_code == 0
    assert schema_in(file).columns[0].maximum == "50"
    assert runner.invoke(app, arguments).exit_code == 2
    found = json.loads(runner.invoke(app, [*arguments, "--force", "--json"]).stdout)
    assert (found["rows"], found["task"]) == (30, "classify")


def test_names_with_quotes_and_line_breaks_stay_names(tmp_path: Path):
    data = tmp_path / "rows.csv"
    rows = "".join(f"{at / 3},{quoted}\n" for at in range(15) for quoted in ('"it""s"', "line"))
    data.write_text('"a ""b"" \\c","x""""""; import os\ny"\n' + rows)
    schema = schema_in(written(tmp_path, data, "--label", 'x"""; import os\ny'))
    assert schema.columns[0].name == 'a "b" \\c'
    assert schema.label
    assert schema.label.values == ('it"s', "line")


@pytest.mark.jax
def test_each_kind_of_first_model_builds_on_jax(tmp_path: Path):
    data = write_rows(tmp_path)
    for name, arguments in ASKED.items():
        written(tmp_path, data, *arguments, name=name)
    done = in_environment(JAX, "tests.unit.plan.author.builds", tmp_path, *ASKED)
    assert json.loads(done) == dict.fromkeys(ASKED, "built")


@pytest.mark.tff
@pytest.mark.lengthy
def test_each_kind_of_first_model_builds_with_tff(tmp_path: Path):
    data = write_rows(tmp_path)
    for name, arguments in ASKED.items():
        written(tmp_path, data, *arguments, "--framework", "tff", name=name)
    done = in_environment(TFF, "tests.unit.plan.author.builds", tmp_path, *ASKED)
    assert json.loads(done) == dict.fromkeys(ASKED, "built")


def test_a_plans_name_is_made_of_any_text():
    assert [plan_name(text) for text in ("Wert in €", "", "a" * 60)] == ["wert-in", "plan", "a" * 40]


def test_a_draft_is_the_same_text_each_time(tmp_path: Path):
    data = write_rows(tmp_path)
    texts = {write_source(draft(survey(data), Asked("outcome")), "mine", "jax") for _ in range(2)}
    assert len(texts) == 1


def test_a_file_that_cannot_be_parsed_is_left_to_its_compiler(tmp_path: Path):
    (tmp_path / "broken.py").write_text("def plan(:")
    assert imported_by(tmp_path / "broken.py") == TFF
    assert imported_by(ROOT / "fl_node" / "examples" / "tumour_jax.py") == JAX
