"""Rows written once as Parquet, here and on Apache Spark: the same profile and the same training, to the last bit."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from fl_node.commands.application import application
from fl_node.data.errors import DataError
from fl_node.data.examples import load_examples
from fl_node.data.prepare import prepare
from fl_node.data.profile import profile
from fl_node.data.schema import Schema
from fl_node.data.spark import spread_on
from fl_node.plan.container import pack_plan
from fl_node.plan.kinds.glm import Glm
from tests.unit.plan.kinds.plans import compiled
from tests.unit.plan.preparing import SCHEMA, SERIES, people, sales

needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
    reason="needs `pip install pyspark` and a Java runtime, 17 or later",
)
left_by_py4j = pytest.mark.filterwarnings(  # it leaves its sockets to the garbage collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
CASES = [pytest.param(SCHEMA, people, id="rows"), pytest.param(SERIES, sales, id="series")]
MASTER = "local[2]"
HELD = 20


def same(found: Path, expected: Path, schema: Schema) -> None:
    """What a node would train on and hold out is the same, bit for bit."""
    pairs = zip(load_examples(found, schema, HELD), load_examples(expected, schema, HELD), strict=True)
    for one, other in pairs:
        assert np.array_equal(one.features, other.features)
        assert one.labels is not None
        assert other.labels is not None
        assert np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize(("schema", "written"), CASES)
def test_prepared_rows_have_the_profile_and_give_the_training_of_those_they_were_made_of(
    schema: Schema, written: Callable[[Path], Path], tmp_path: Path
):
    data, target = written(tmp_path / "data"), tmp_path / "prepared"
    expected = profile(data, schema, HELD)
    assert prepare(data, schema, target, HELD) == expected == profile(target, schema, HELD)
    assert len(list(target.iterdir())) == 3
    same(target, data, schema)


def test_prepared_files_hold_the_schema_s_columns_as_numbers_times_and_lists(tmp_path: Path):
    prepare(people(tmp_path / "data", files=1), SCHEMA, tmp_path / "prepared")
    kinds = {field.name: field.type for field in parquet.read_schema(tmp_path / "prepared" / "part-00000.parquet")}
    assert list(kinds) == ["size", "age", "smoker", "side", "born", "note", "scan", "kind", "claims", "years"]
    assert (kinds["size"], kinds["smoker"], kinds["born"]) == (pa.float64(), pa.bool_(), pa.timestamp("us"))
    assert pa.types.is_list(kinds["scan"])


def test_rows_that_are_refused_are_not_written(tmp_path: Path):
    data = people(tmp_path / "data")
    file = data / "rows-1.csv"
    file.write_text(file.read_text("latin-1").replace(";yes;", ";maybe;", 1), "latin-1")
    with pytest.raises(DataError, match=r"FL3107.*rows-1\.csv, row \d+, column kind"):
        prepare(data, SCHEMA, tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()
    with pytest.raises(DataError, match="FL3114"):
        prepare(data, SCHEMA, data)


def test_without_spark_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pyspark", None)
    with pytest.raises(DataError, match=r"FL3113: pyspark is not installed.*fedledger\[spark\]"), spread_on(MASTER):
        pass


@pytest.mark.spark
@needs_spark
@left_by_py4j
def test_spark_gives_the_same_profile_and_the_same_parts_to_the_last_digit(tmp_path: Path):
    rows, weeks = people(tmp_path / "people"), sales(tmp_path / "sales")
    with spread_on(MASTER) as spread:
        assert spread.width == 2
        for data, schema in ((rows, SCHEMA), (weeks, SERIES)):
            assert profile(data, schema, HELD, spread) == profile(data, schema, HELD)
            target, alone = tmp_path / f"{data.name}-spark", tmp_path / f"{data.name}-alone"
            prepare(data, schema, target, HELD, spread)
            prepare(data, schema, alone, HELD)
            parts = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (target, alone)]
            assert parts[0] == parts[1]
            same(target, data, schema)
        broken = rows / "rows-2.csv"
        broken.write_text(broken.read_text("latin-1").replace(";yes;", ";maybe;", 1), "latin-1")
        for where in (None, spread):
            with pytest.raises(DataError, match=r"FL3107.*rows-2\.csv, row \d+, column kind"):
                profile(rows, SCHEMA, HELD, *([where] if where else []))


@pytest.mark.spark
@needs_spark
@left_by_py4j
def test_the_commands_take_a_master(tmp_path: Path):
    schema = Schema.model_validate(
        {"columns": [{"name": "x"}], "label": {"name": "y", "type": "float", "values": []}, "missing": {}}
    )
    plan = tmp_path / "plan.flplan"
    made = compiled(Glm(family="linear"), schema, holdout=20)
    plan.write_bytes(pack_plan(made.manifest, {"initial.state": made.initial_state}))
    (tmp_path / "data").mkdir()
    for part in range(2):
        lines = [f"{at / 7},{at * part}" for at in range(40)]
        (tmp_path / "data" / f"part-{part}.csv").write_text("\n".join(["x,y", *lines]))
    arguments = [str(plan), str(tmp_path / "data")]
    here = CliRunner().invoke(application(["data"]), ["data", "profile", *arguments, "--json"])
    there = CliRunner().invoke(application(["data"]), ["data", "profile", *arguments, "--spark", MASTER, "--json"])
    assert json.loads(here.stdout) == json.loads(there.stdout)
    target = tmp_path / "out"
    done = CliRunner().invoke(
        application(["data"]), ["data", "prepare", *arguments, str(target), "--spark", MASTER, "--json"]
    )
    assert json.loads(done.stdout) == {"folder": str(target), **json.loads(here.stdout)}
