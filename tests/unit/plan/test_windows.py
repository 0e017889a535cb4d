"""Windows of time series: which rows they are made of, what a model reads of them, how they are held out."""

import datetime as dt
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from pydantic import ValidationError

from fl_node.canonical import canonical_json, decode_strict
from fl_node.data.errors import DataError
from fl_node.data.examples import load_examples
from fl_node.data.look import look
from fl_node.data.profile import profile
from fl_node.data.read import read_table
from fl_node.data.schema import Column, Label, Missing, Schema, Window
from fl_node.data.synthetic import synthetic_examples

SALES = Label(name="sales", type="count")
WINDOW = Window(time="week", unit="integer", series="store", history=2, horizon=2, step="1")


def demand(window: Window = WINDOW, **of: Any) -> Schema:
    return Schema(columns=(Column(name="price"), Column(name="sales")), label=SALES, window=window, **of)


def write(folder: Path, rows: list[tuple[Any, ...]], header: str = "store,week,price,sales") -> Path:
    file = folder / "rows.csv"
    file.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]))
    return file


def weeks(store: str, *of: int) -> list[tuple[Any, ...]]:
    """Rows whose price and sales tell their week."""
    return [(store, week, week / 2, week * 10) for week in of]


def test_a_window_is_successive_steps_of_one_series_oldest_first_and_the_steps_after_them(tmp_path: Path):
    rows = [*weeks("a", 1, 2, 3, 4, 5), *weeks("b", 7, 8, 9, 10)]
    random.Random(1).shuffle(rows)
    table = read_table(write(tmp_path, rows), demand())
    assert table.labels is not None
    found = sorted(zip(table.features.tolist(), table.labels.tolist(), strict=True))
    assert found == [
        ([0.5, 10, 1, 20], [30, 40]),
        ([1, 20, 1.5, 30], [40, 50]),
        ([3.5, 70, 4, 80], [90, 100]),
    ]
    assert (table.rows, table.missing) == (9, 0)


def test_a_step_that_is_absent_or_dropped_ends_a_run_of_windows(tmp_path: Path):
    rows = [*weeks("a", 1, 2, 3, 5, 6, 7, 8), ("a", 9, "", 90), *weeks("a", 10, 11, 12)]
    dropping = Missing(rows="drop")
    table = read_table(write(tmp_path, rows), demand(missing=dropping))
    assert table.features.tolist() == [[2.5, 50, 3, 60]]
    assert (table.rows, table.missing) == (11, 1)
    free = WINDOW.model_copy(update={"step": None})
    assert len(read_table(tmp_path / "rows.csv", demand(free, missing=dropping)).features) == 7
    with pytest.raises(DataError, match=r"FL3105.*row 8, column price"):
        read_table(tmp_path / "rows.csv", demand())


def test_one_step_ahead_is_a_label_of_one_number_and_dates_are_days(tmp_path: Path):
    window = Window(time="day", history=3, horizon=1, step="7")
    schema = Schema(columns=(Column(name="sales"),), label=SALES, window=window)
    days = [dt.date(2024, 2, 1) + dt.timedelta(weeks=at) for at in range(5)]
    file = write(tmp_path, [(day, at) for at, day in enumerate(days)], "day,sales")
    table = read_table(file, schema)
    assert table.labels is not None
    assert (table.features.tolist(), table.labels.tolist()) == ([[0, 1, 2], [1, 2, 3]], [3, 4])
    columns = {"day": pa.array(days), "sales": pa.array(range(5))}
    parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet", schema).features.tolist() == table.features.tolist()


steps = st.integers(1, 3)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), unique=True, min_size=1), steps, steps)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_are_those_that_a_plain_search_finds(
    tmp_path: Path, rows: list[tuple[int, int]], history: int, horizon: int
):
    window = WINDOW.model_copy(update={"history": history, "horizon": horizon})
    file = write(tmp_path, [(store, week, store * 100 + week, week) for store, week in rows])
    due = sorted(
        [store * 100 + week + step for step in range(history)]
        for store, week in rows
        if all((store, week + step) in rows for step in range(history + horizon))
    )
    table = read_table(file, demand(window))
    assert sorted(table.features[:, ::2].tolist()) == due
    assert table.features.shape[1] == 2 * history


def test_all_windows_of_a_series_are_on_one_side_whatever_the_files_format(tmp_path: Path):
    stores = [f"{at}" for at in range(40)]
    rows = [(store, week, store, week) for store in stores for week in range(8)]
    file, schema = write(tmp_path, rows), demand()
    train, holdout = load_examples(file, schema, 30)
    assert train.features.dtype == np.float32
    assert (train.rows + holdout.rows, train.rows % 5, holdout.rows % 5) == (200, 0, 0)
    sides = [{row[0] for row in part.features.tolist()} for part in (train, holdout)]
    assert sides[0] & sides[1] == set()
    assert len(sides[0]) + len(sides[1]) == 40
    columns = {
        name: pa.array([int(row[at]) for row in rows]) for at, name in enumerate(("store", "week", "price", "sales"))
    }
    parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    again, _ = load_examples(tmp_path / "rows.parquet", schema, 30)
    assert again.features.tobytes() == train.features.tobytes()
    assert again.labels is not None
    assert train.labels is not None
    assert again.labels.tobytes() == train.labels.tobytes()
    profiled = profile(file, schema, 30)
    assert (profiled.rows, profiled.labels) == (320, ())
    seen = look(file, schema, 30)
    assert (seen.rows, seen.training, seen.holdout) == (320, train.rows, holdout.rows)


def test_a_series_with_two_rows_of_one_time_and_rows_too_few_for_a_window_are_refused(tmp_path: Path):
    for reading in (profile, load_examples):
        with pytest.raises(DataError, match="FL3111: two rows of a series have the same week"):
            reading(write(tmp_path, weeks("a", 1, 2, 2, 3)), demand(), 0)
        with pytest.raises(DataError, match="FL3108"):
            reading(write(tmp_path, weeks("a", 1, 2, 3)), demand(), 0)
        with pytest.raises(DataError, match=r"FL3105.*row 2, column store"):
            reading(write(tmp_path, [*weeks("a", 1), *weeks("", 2)]), demand(), 0)
    daily = Schema(columns=(Column(name="price"),), label=SALES, window=Window(time="week", history=1, horizon=1))
    with pytest.raises(DataError, match=r"have the same week \(2024-02-29\)"):
        read_table(write(tmp_path, [("a", "2024-02-29", 1, 1)] * 2), daily)


def test_a_windows_constants_and_made_up_rows_have_its_shape(tmp_path: Path):
    standard = Column(name="price", mean="1", deviation="2")
    schema = Schema(columns=(standard, Column(name="sales")), label=SALES, window=WINDOW)
    train, _ = load_examples(write(tmp_path, weeks("a", 1, 2, 3, 4)), schema, 0)
    assert train.features.tolist() == [[-0.25, 10, 0, 20]]
    assert (schema.width, schema.label_shape) == (4, (2,))
    made = synthetic_examples(schema, 3)
    assert made.labels is not None
    assert (made.features.shape, made.labels.shape, made.labels.dtype) == ((3, 4), (3, 2), np.float32)


def test_a_schema_with_windows_survives_canonical_json_with_a_digest_of_its_own():
    schema = demand()
    assert Schema.model_validate(decode_strict(canonical_json(schema.model_dump(mode="json")))) == schema
    others = [demand(WINDOW.model_copy(update=change)) for change in ({"step": None}, {"history": 3}, {"series": None})]
    assert len({schema.digest(), *(other.digest() for other in others)}) == 4


@pytest.mark.parametrize(
    "fields",
    [
        {"window": WINDOW},
        {"window": WINDOW, "label": Label(name="y", values=("a", "b"))},
        {"window": WINDOW, "label": Label(name="y", type="count", exposure="e")},
        {"label": Label(name="x", type="float")},
    ],
)
def test_a_window_without_one_number_to_foretell_is_refused(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        Schema(columns=(Column(name="x"),), **fields)
