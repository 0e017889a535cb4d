"""Every kind of column and label: what a model reads of it, from CSV and from Parquet, and what is refused."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet
from pydantic import ValidationError

from fl_node.canonical import canonical_json, decode_strict
from fl_node.data.dates import days
from fl_node.data.errors import DataError
from fl_node.data.examples import load_examples
from fl_node.data.look import look
from fl_node.data.profile import profile
from fl_node.data.read import read_table
from fl_node.data.schema import Column, Label, Missing, Schema
from fl_node.data.synthetic import synthetic_examples

DATE = Column(name="d", type="date", minimum="2000-01-01", maximum="2030-12-31")
TEXT = Column(name="t", type="text", length=4)
ARRAY = Column(name="a", type="array", shape=(2, 3), minimum="0", maximum="255", mean="0", deviation="255")
GRID = [[0, 1, 2], [3, 4, 255]]


def csv_of(folder: Path, name: str, *values: str) -> Path:
    file = folder / "rows.csv"
    file.write_text("\n".join([name, *values]) + "\n")
    return file


def parquet_of(folder: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), folder / "rows.parquet")
    return folder / "rows.parquet"


def features(path: Path, *columns: Column) -> list[list[float]]:
    found: list[list[float]] = read_table(path, Schema(columns=columns)).features.tolist()
    return found


def test_a_date_is_days_since_1970_with_the_time_of_day_as_a_fraction(tmp_path: Path):
    texts = [
        "2024-02-29",
        "2024-02-29T12:00",
        "2024-02-29 12:00:00.5",
        "2024-02-29T13:00:00+01:00",
        "2024-02-29T06:00Z",
    ]
    leap = 19_782
    expected = [[leap], [leap + 0.5], [leap + 0.5 + 0.5 / 86_400], [leap + 0.5], [leap + 0.25]]
    assert features(csv_of(tmp_path, "d", *texts), DATE) == expected
    assert (dt.date(2024, 2, 29) - dt.date(1970, 1, 1)).days == leap


def test_dates_are_written_as_the_description_says(tmp_path: Path):
    (tmp_path / "data.yaml").write_text('dates: "%d.%m.%Y"')
    assert features(csv_of(tmp_path, "d", "29.02.2024", "01.03.2024"), DATE) == [[19_782], [19_783]]
    with pytest.raises(DataError, match=r"FL3104: '2024-02-29' where a date is due, written as %d\.%m\.%Y .*row 1"):
        features(csv_of(tmp_path, "d", "2024-02-29"), DATE)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@given(st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2030, 12, 31)))  # noqa: DTZ001 - naive on purpose
def test_parquet_times_are_the_same_numbers_as_texts(tmp_path_factory: Any, unit: str, when: dt.datetime):
    folder = tmp_path_factory.mktemp("dates")
    when = when.replace(microsecond=0)
    naive, zoned = pa.array([when], pa.timestamp(unit)), pa.array([when], pa.timestamp(unit, "UTC"))
    expected = features(csv_of(folder, "d", when.isoformat()), DATE)
    assert features(parquet_of(folder, d=naive), DATE) == features(parquet_of(folder, d=zoned), DATE) == expected


def test_parquet_dates_are_read_and_gaps_are_missing(tmp_path: Path):
    column = pa.array([dt.date(2024, 2, 29), None])
    with pytest.raises(DataError, match=r"FL3105.*row 2, column d"):
        features(parquet_of(tmp_path, d=column), DATE)
    filled = DATE.model_copy(update={"fill": "2000-01-02"})
    assert features(parquet_of(tmp_path, d=column), filled) == [[19_782], [10_958]]
    assert features(csv_of(tmp_path, "d", "2024-02-29", "NA"), filled) == [[19_782], [10_958]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1999-12-31", "FL3106: '1999-12-31' is below 2000-01-01"),
        ("2031-01-01T00:00", "FL3106: .* is above 2030-12-31"),
        ("2023-02-29", "FL3104: '2023-02-29' where a date is due, written as 2024-02-29 or"),
        ("29.02.2024", "FL3104"),
        ("45000", "FL3104"),
    ],
)
def test_what_is_no_date_of_the_schema_is_refused(text: str, said: str, tmp_path: Path):
    with pytest.raises(DataError, match=said):
        features(csv_of(tmp_path, "d", text), DATE)


@given(st.text(max_size=30) | st.datetimes().map(str))
def test_any_text_is_days_or_none(text: str):
    found = days(text)
    assert found is None or -719_163 <= found < 2_932_897


def test_a_text_is_its_bytes_cut_or_filled_up_with_zeros(tmp_path: Path):
    expected = [[97, 98, 0, 0], [99, 195, 164, 100], [97, 98, 99, 100]]
    texts = ["ab", "cäd", "abcdefg"]
    assert features(csv_of(tmp_path, "t", *texts), TEXT) == expected
    assert features(parquet_of(tmp_path, t=pa.array(texts)), TEXT) == expected
    assert features(parquet_of(tmp_path, t=pa.array([text.encode() for text in texts])), TEXT) == expected
    filled = TEXT.model_copy(update={"fill": "-"})
    assert features(csv_of(tmp_path, "t,x", ",1", "ab,1"), filled) == [[45, 0, 0, 0], [97, 98, 0, 0]]


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.list_(pa.uint8(), 6), pa.large_list(pa.int64()), pa.list_(pa.list_(pa.float64()))],
)
def test_a_parquet_list_is_an_array(kind: pa.DataType, tmp_path: Path):
    nested = pa.types.is_list(kind) and pa.types.is_list(kind.value_type)
    rows = [GRID if nested else [*GRID[0], *GRID[1]] for _ in range(3)]
    assert features(parquet_of(tmp_path, a=pa.array(rows, kind)), ARRAY) == [[0, 1, 2, 3, 4, 255]] * 3


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1, 2, 3, 4, 5, 6], [1, 2, 3]], r"FL3104: .* is no array of 2x3 .*row 2, column a"),
        ([[[1, 2], [3, 4], [5, 6]]], r"FL3104: .* is no array of 2x3 .*row 1"),
        ([[1, 2, 3, 4, 5, None]], "FL3104: .* holds what is no finite number"),
        ([[1.0, 2, 3, 4, 5, float("inf")]], "FL3104: .* holds what is no finite number"),
        ([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 256]], r"FL3106: .* holds a number that is above 255 .*row 2"),
        ([None], "FL3105"),
        ([["a"]], "FL3104: columns of type list<.*string> are not read"),
        ([[[[1]]]], "FL3104: columns of type list<.*> are not read"),
        ([7], r"FL3104"),
    ],
)
def test_a_list_that_is_no_such_array_is_refused(rows: list[Any], said: str, tmp_path: Path):
    with pytest.raises(DataError, match=said):
        features(parquet_of(tmp_path, a=pa.array(rows)), ARRAY)


def test_a_small_file_of_many_repeated_numbers_is_refused_before_it_is_read(tmp_path: Path):
    part = pa.table({"a": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(1 << 22, np.int8)), 1 << 16)})
    with parquet.ParquetWriter(tmp_path / "bomb.parquet", part.schema) as writer:
        for _ in range(65):
            writer.write_table(part)
    assert (tmp_path / "bomb.parquet").stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"FL3102: 4160 rows of 1 columns with 272629760 numbers in lists"):
        features(tmp_path / "bomb.parquet", Column(name="a", type="array", shape=(1 << 16,)))


def save(folder: Path, name: str, array: Any) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)
    return name


def test_rows_name_files_of_numbers_and_pictures_beside_them(tmp_path: Path):
    names = [
        save(tmp_path, "p/a.npy", np.array(GRID, np.int16)),
        save(tmp_path, "p/b.npy", np.asfortranarray(np.array(GRID, ">f4"))),
        save(tmp_path, "p/c.png", np.array(GRID, np.uint8)),
    ]
    csv_of(tmp_path, "a", *names)
    assert features(tmp_path, ARRAY) == [[0, 1, 2, 3, 4, 255]] * 3
    examples, _ = load_examples(tmp_path, Schema(columns=(ARRAY,)), 0)
    assert examples.features.max() == 1
    (tmp_path / "rows.csv").unlink()
    parquet_of(tmp_path, a=pa.array(names))
    assert features(tmp_path, ARRAY) == [[0, 1, 2, 3, 4, 255]] * 3


def test_a_picture_of_colours_or_of_16_bits_is_read_by_its_shape(tmp_path: Path):
    colours = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    csv_of(tmp_path, "a", save(tmp_path, "a.png", colours))
    assert features(tmp_path, Column(name="a", type="array", shape=(2, 3, 3))) == [list(range(18))]
    csv_of(tmp_path, "a", save(tmp_path, "a.png", np.array(GRID, np.uint16) * 200))
    assert features(tmp_path, Column(name="a", type="array", shape=(2, 3)))[0][-1] == 51_000


def damaged(folder: Path) -> dict[str, str]:
    """Write files that are no arrays; return what is said of each."""
    whole = save(folder, "whole.npy", np.array(GRID))
    raw = (folder / whole).read_bytes()
    (folder / "cut.npy").write_bytes(raw[:-1])
    (folder / "none.npy").write_bytes(b"text")
    (folder / "future.npy").write_bytes(raw[:6] + b"\x03" + raw[7:])
    (folder / "huge.npy").write_bytes(raw.replace(b"(2, 3)", b"(9999999999, 3)"))
    np.save(folder / "object.npy", np.array([[{}] * 3] * 2, object), allow_pickle=True)
    save(folder, "other.npy", np.zeros((3, 2)))
    save(folder, "nan.npy", np.full((2, 3), np.nan))
    save(folder, "other.png", np.zeros((3, 2), np.uint8))
    save(folder, "colour.png", np.zeros((2, 3, 3), np.uint8))
    picture = (folder / save(folder, "whole.png", np.zeros((2, 3), np.uint8))).read_bytes()
    (folder / "cut.png").write_bytes(picture[:40])
    (folder / "jpeg.png").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "large.png").write_bytes(picture + bytes(2 << 20))
    return {
        "cut.npy": "FL3110: 'cut.npy' is damaged",
        "none.npy": "FL3110: 'none.npy' is",
        "future.npy": "FL3110: 'future.npy' is no .npy file of version 1 or 2",
        "huge.npy": "FL3110: 'huge.npy' is|FL3110: 'huge.npy' holds int64 of 9999999999x3",
        "object.npy": "FL3110: 'object.npy' holds object of 2x3",
        "other.npy": "FL3110: 'other.npy' holds float64 of 3x2, not numbers of 2x3",
        "nan.npy": "FL3104: 'nan.npy' holds what is no finite number",
        "other.png": "FL3110: 'other.png' is a picture of 3x2x1",
        "colour.png": "FL3110: 'colour.png' is a picture of 2x3x3",
        "cut.png": "FL3110: 'cut.png' is",
        "jpeg.png": "FL3110: 'jpeg.png' is",
        "large.png": "FL3110: 'large.png' is larger than a picture of 2x3",
        "absent.png": "FL3110: 'absent.png' is no file beside the rows",
        "../whole.npy": "FL3110: '../whole.npy' leads out",
        "/etc/x.npy": "FL3110: '/etc/x.npy' leads out",
        "rows.csv": "FL3110: 'rows.csv' is neither .npy nor .png",
    }


def test_a_file_that_is_not_the_array_is_refused_with_row_and_reason(tmp_path: Path):
    for name, said in damaged(tmp_path).items():
        csv_of(tmp_path, "a", "whole.npy", name)
        with pytest.raises(DataError, match=said) as refused:
            features(tmp_path, ARRAY)
        assert "row 2, column a" in refused.value.where


def test_files_that_rows_name_need_their_folder_as_the_data(tmp_path: Path):
    file = csv_of(tmp_path, "a", save(tmp_path, "a.npy", np.array(GRID)))
    for reading in (profile, load_examples):
        with pytest.raises(DataError, match=r"FL3110: 'a\.npy' names a file: give the folder"):
            reading(file, Schema(columns=(ARRAY,)), 0)


def test_more_than_ten_thousand_features_are_read(tmp_path: Path):
    wide = tuple(Column(name=f"g{at}") for at in range(12_000))
    draw = np.random.default_rng(2).normal(size=(5, len(wide))).round(3)
    csv_of(tmp_path, ",".join(column.name for column in wide), *(",".join(map(repr, row)) for row in draw.tolist()))
    assert features(tmp_path / "rows.csv", *wide) == draw.tolist()


X = (Column(name="x"),)
ROWS = [f"{at},{at % 3},{at % 5},{1 + at % 4},{at / 2}" for at in range(40)]
GRADES = ("0", "1", "2")
COUNT = Label(name="n", type="count", exposure="e")


def labelled(folder: Path, **of: Any) -> Any:
    file = csv_of(folder, "x,g,n,e,v", *ROWS)
    schema = Schema(columns=X, **of)
    train, holdout = load_examples(file, schema, 20)
    seen = look(file, schema, 20)
    assert train.labels is not None
    assert (seen.training, seen.holdout) == (train.rows, holdout.rows)
    assert train.labels.dtype == schema.label_dtype
    assert train.labels.shape[1:] == schema.label_shape == synthetic_examples(schema, 3).labels.shape[1:]
    return dict(zip(train.features[:, 0].tolist(), train.labels.tolist(), strict=True)), profile(
        file, schema, 20
    ).labels


def test_an_ordinal_label_is_its_place_among_its_values(tmp_path: Path):
    found, counted = labelled(tmp_path, label=Label(name="g", type="ordinal", values=GRADES))
    assert all(label == x % 3 for x, label in found.items())
    assert counted == (14, 13, 13)


def test_a_count_comes_with_its_exposure(tmp_path: Path):
    found, counted = labelled(tmp_path, label=COUNT)
    assert all(label == [x % 5, 1 + x % 4] for x, label in found.items())
    assert counted == ()
    alone, _ = labelled(tmp_path, label=Label(name="n", type="count"))
    assert all(label == x % 5 for x, label in alone.items())
    for row, said in {
        "1,0,-1,1,0": "FL3106",
        "1,0,1.5,1,0": "FL3104",
        "1,0,1,0,0": "FL3106",
        "1,0,1,,0": "FL3105",
    }.items():
        with pytest.raises(DataError, match=rf"{said}.*row 1"):
            read_table(csv_of(tmp_path, "x,g,n,e,v", row), Schema(columns=X, label=COUNT))


def test_several_labels_are_read_in_their_order(tmp_path: Path):
    labels = (Label(name="v", type="float"), Label(name="g", values=GRADES), COUNT)
    found, counted = labelled(tmp_path, labels=labels)
    assert all(label == [x / 2, x % 3, x % 5, 1 + x % 4] for x, label in found.items())
    assert counted == ()


def test_a_plan_without_a_label_reads_features_alone(tmp_path: Path):
    train, holdout = load_examples(csv_of(tmp_path, "x,g,n,e,v", *ROWS), Schema(columns=X), 20)
    assert (train.labels, holdout.labels) == (None, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "text"},
        {"type": "array"},
        {"type": "float", "length": 3},
        {"type": "date", "minimum": "5"},
        {"type": "float", "minimum": "2024-01-01"},
        {"type": "date", "minimum": "2024-01-02", "maximum": "2024-01-01"},
        {"type": "array", "shape": (1 << 13, 1 << 13)},
        {"type": "array", "shape": (2,), "fill": "x"},
        {"type": "date", "fill": "soon"},
        {"type": "text", "length": 3, "mean": "1", "deviation": "1"},
    ],
)
def test_an_inconsistent_column_of_a_later_kind_is_refused(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        Column.model_validate({"name": "x", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"label": {"name": "y", "type": "ordinal"}},
        {"label": {"name": "y", "type": "float", "exposure": "e"}},
        {"label": {"name": "y", "type": "count", "exposure": "x"}},
        {"labels": ({"name": "y", "type": "float"},)},
        {
            "label": {"name": "y", "type": "float"},
            "labels": ({"name": "z", "type": "float"}, {"name": "w", "type": "float"}),
        },
    ],
)
def test_inconsistent_labels_are_refused(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        Schema.model_validate({"columns": ({"name": "x"},), **fields})


def test_a_schema_of_every_kind_survives_canonical_json_with_its_digest():
    labels = (Label(name="v", type="float"), Label(name="o", type="ordinal", values=GRADES), COUNT)
    schema = Schema(columns=(DATE, TEXT, ARRAY), labels=labels, missing=Missing(words=("?",), rows="drop"))
    found = Schema.model_validate(decode_strict(canonical_json(schema.model_dump(mode="json"))))
    assert found == schema
    assert found.digest() == schema.digest()
    assert synthetic_examples(schema, 5).features.shape == (5, 1 + 4 + 6)
    others = [schema.model_copy(update={"labels": labels[:2]}), schema.model_copy(update={"columns": (DATE, TEXT)})]
    assert len({schema.digest(), *(other.digest() for other in others)}) == 3


def test_an_eight_digit_bound_of_a_number_is_a_number_still():
    assert Column(name="x", minimum="20240101").low == 20_240_101
    assert Column(name="x", type="date", minimum="20240101").low == days("2024-01-01")
