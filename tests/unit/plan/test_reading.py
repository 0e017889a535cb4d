"""Reading a participant's rows: what is read, and what is refused with file and row."""

import csv
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from fl_node.data.columns import Raw, parse_column
from fl_node.data.errors import DataError
from fl_node.data.read import read_table
from fl_node.data.schema import MISSING, Column, Schema
from tests.unit.plan.rows import GOOD, HEADER, SCHEMA, write


def from_texts(texts: list[str]) -> Raw:
    return Raw(pa.array(texts, pa.string()), "rows.csv")


def test_a_csv_becomes_features_and_labels(tmp_path: Path):
    table = read_table(write(tmp_path, *GOOD), SCHEMA)
    assert table.features.tolist() == [[63, 1.5, 1, 1, 0], [40, 2, 0, 0, 1]]
    assert table.labels is not None
    assert table.labels.tolist() == [0, 1]


def test_parquet_gives_the_same_table_as_csv(tmp_path: Path):
    columns = {
        "age": pa.array([63, 40], pa.int16()),
        "size": pa.array([1.5, 2.0]),
        "smoker": pa.array([True, False]),
        "side": pa.array(["left", "right"]).dictionary_encode(),
        "kind": pa.array(["benign", "malignant"]),
    }
    parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    assert_same(read_table(tmp_path / "rows.parquet", SCHEMA), read_table(write(tmp_path, *GOOD), SCHEMA))


def assert_same(first: Any, second: Any) -> None:
    assert first.features.tolist() == second.features.tolist()
    assert first.labels.tolist() == second.labels.tolist()


def test_a_partitioned_folder_as_spark_writes_it_is_read_whole(tmp_path: Path):
    folder = tmp_path / "spark"
    header = "age,size,smoker,kind"
    write(folder, "63,1.5,true,benign", header=header, name="side=left/part-00000-a.csv")
    write(folder, "40,2e0,0,malignant", header=header, name="side=right/part-00001-b.csv")
    (folder / "_SUCCESS").touch()
    (folder / "side=left" / ".part-00000-a.csv.crc").write_bytes(b"\0")
    assert_same(read_table(folder, SCHEMA), read_table(write(tmp_path, *GOOD), SCHEMA))


@pytest.mark.parametrize(
    ("row", "refusal"),
    [
        ("x,1,0,left,benign,", r"FL3104: 'x' where a integer is due \(.*rows\.csv, row 2, column age\)"),
        ("1.5,1,0,left,benign,", r"FL3104: '1.5' is no whole number .*row 2, column age"),
        ("1,inf,0,left,benign,", r"FL3104: 'inf' .*row 2, column size"),
        ("1,1e999,0,left,benign,", r"FL3104: '1e999' .*row 2, column size"),
        ("1,1_0,0,left,benign,", r"FL3104: '1_0' .*row 2, column size"),
        ("1,1,maybe,left,benign,", r"FL3104: 'maybe' where a boolean is due .*row 2, column smoker"),
        ("121,1,0,left,benign,", r"FL3106: '121' is above 120 .*row 2, column age"),
        ("-1,1,0,left,benign,", r"FL3106: '-1' is below 0 .*row 2, column age"),
        ("1,1,0,up,benign,", r"FL3107: 'up' is none of left, right .*row 2, column side"),
        ("1,1,0,left,unknown,", r"FL3107: 'unknown' is none of benign, malignant .*row 2, column kind"),
        ("1,,0,left,benign,", r"FL3105: a value is missing .*row 2, column size"),
        ("1,NaN,0,left,benign,", r"FL3105: a value is missing .*row 2, column size"),
        ("1,1,0,left,,", r"FL3105: a value is missing .*row 2, column kind"),
        ("1,1,0", r"FL3102: 3 fields, 6 in the header .*row 2"),
    ],
)
def test_a_bad_value_is_refused_with_file_row_and_reason(row: str, refusal: str, tmp_path: Path):
    with pytest.raises(DataError, match=refusal):
        read_table(write(tmp_path, GOOD[0], row, GOOD[1]), SCHEMA)


@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        ("age,size,smoker,side,note,other", r"FL3103: column 'kind' is not there"),
        ("age,size,smoker,side,kind,age", r"FL3103: column 'age' stands twice"),
        ("", r"FL3103: column 'age' is not there"),
    ],
)
def test_columns_that_do_not_fit_are_refused(header: str, refusal: str, tmp_path: Path):
    with pytest.raises(DataError, match=refusal):
        read_table(write(tmp_path, *GOOD, header=header), SCHEMA)


def test_nothing_to_read_is_refused(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for path, refusal in {
        tmp_path / "absent.csv": "FL3101: there is no such file",
        tmp_path / "empty": "FL3101: the folder holds no part file",
        write(tmp_path): "FL3108: there is no row",
        write(tmp_path, name="rows.xlsx"): "FL3102: neither",
    }.items():
        with pytest.raises(DataError, match=refusal):
            read_table(path, SCHEMA)


def test_damaged_files_are_refused(tmp_path: Path):
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "bytes.csv").write_bytes(HEADER.encode() + b"\n63,1.5,true,\xff,benign,x\n")
    for name in ("rows.parquet", "bytes.csv"):
        with pytest.raises(DataError, match="FL3102"):
            read_table(tmp_path / name, SCHEMA)


@pytest.mark.parametrize(
    ("column", "refusal"),
    [
        (pa.array([1.0, None]), r"FL3105.*row 2, column size"),
        (pa.array([1.0, float("nan")]), r"FL3105.*row 2, column size"),
        (pa.array([1.0, float("inf")]), r"FL3104.*row 2, column size"),
        (pa.array([b"a", b"b"]), r"FL3104: columns of type binary are not read"),
    ],
)
def test_bad_parquet_columns_are_refused(column: Any, refusal: str, tmp_path: Path):
    schema = Schema(columns=(Column(name="size"),))
    parquet.write_table(pa.table({"size": column}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=refusal):
        read_table(tmp_path / "rows.parquet", schema)


@given(st.text(max_size=12) | st.text("0123456789eE+-. ", max_size=12))
@example("0E000")
@example("-1e-999")
@example("1e400")
def test_any_text_is_a_number_missing_or_refused(text: str):
    raw = from_texts([text])
    number = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text.strip())
    if text.strip().lower() in MISSING:
        assert np.isnan(parse_column(Column(name="x"), raw)[0, 0])
    elif number and math.isfinite(float(number[0])):
        assert parse_column(Column(name="x"), raw)[0, 0] == float(number[0])
    else:
        with pytest.raises(DataError, match="FL3104"):
            parse_column(Column(name="x"), raw)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_survive_text_exactly(numbers: list[float]):
    parsed = parse_column(Column(name="x"), from_texts([repr(number) for number in numbers]))
    assert parsed[:, 0].tolist() == numbers


def test_a_csv_written_by_a_spreadsheet_is_read(tmp_path: Path):
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerows([HEADER.split(","), *(row.split(",") for row in GOOD)])
    assert read_table(path, SCHEMA).features.tolist() == [[63, 1.5, 1, 1, 0], [40, 2, 0, 0, 1]]


def test_a_parquet_group_without_fields_is_refused_as_a_column(tmp_path: Path):
    """It has a name in the header and no column to read; no writer makes it, so that the fuzzer's file is kept."""
    file = tmp_path / "rows.parquet"
    file.write_bytes((Path(__file__).parents[2] / "fuzz/cases/parquet-a-group-without-fields").read_bytes())
    schema = Schema(columns=(Column(name="n", type="integer"),), label=None)
    with pytest.raises(DataError, match=r"FL3104: columns of type struct<> are not read .*column n"):
        read_table(file, schema)


def test_a_small_file_of_too_many_rows_is_refused_before_it_is_read(tmp_path: Path):
    file, rows = tmp_path / "bomb.parquet", 1 << 20
    part = pa.table({"a": pa.array(np.zeros(rows)), "b": pa.array(np.zeros(rows, np.int8))})
    with parquet.ParquetWriter(file, part.schema) as writer:
        for _ in range(130):
            writer.write_table(part)
    assert file.stat().st_size < 1 << 20
    schema = Schema(columns=(Column(name="a"), Column(name="b")))
    with pytest.raises(DataError, match="FL3102: 136314880 rows of 2 columns"):
        read_table(file, schema)


def test_a_parquet_text_that_is_no_utf8_is_refused(tmp_path: Path):
    file = tmp_path / "texts.parquet"
    bad = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\x85"]).buffers())
    parquet.write_table(pa.table({"c": bad}), file)
    schema = Schema(columns=(Column(name="c", type="category", values=("x", "y")),))
    with pytest.raises(DataError, match="FL3102: no readable Parquet"):
        read_table(file, schema)
