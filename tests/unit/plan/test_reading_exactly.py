"""What the first reader read, this one reads: the same numbers, the same split, whatever the file looks like."""

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from fl_node.data import batches, csv_file
from fl_node.data.errors import DataError
from fl_node.data.examples import load_examples
from fl_node.data.profile import profile
from fl_node.data.read import read_table
from fl_node.data.schema import Column, Label, Schema
from fl_node.examples.shares import write_shares
from tests.unit.plan import plain_reader
from tests.unit.plan.rows import HEADER, SCHEMA

TUMOUR = Schema(
    columns=(Column(name="mean radius", mean="14.1", deviation="3.5"), Column(name="mean texture")),
    label=Label(name="diagnosis", values=("malignant", "benign")),
)

spaces = st.sampled_from(["", " ", "\t", "\u00a0", "\u2003", "\x1f", "\x85"])
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.from_regex(r"[+-]?([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
odd = st.sampled_from(["", "NA", "nan", "inf", "x", "1_0", "+-1", "1,5", '"', "0x1p3", "٣", "\0", "1e400", "1e-400"])
good = st.tuples(
    st.integers(0, 120).map(str) | st.just("7e0"),
    numbers,
    st.sampled_from(["true", "False", "1", "0", "TRUE"]),
    st.sampled_from(["left", "right"]),
    st.sampled_from(["benign", "malignant"]),
    st.text(st.characters(codec="utf-8"), max_size=6),
)


@st.composite
def csv_texts(draw: st.DrawFn) -> str:
    """Draw files that are mostly good: spaces, quotes, line ends and a few wrong values differ."""
    out = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer = csv.writer(out, quoting=quoting, lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])))
    writer.writerow(HEADER.split(","))
    wrong = draw(st.booleans())
    for row in draw(st.lists(good, min_size=1, max_size=12)):
        cells = [draw(spaces) + cell + draw(spaces) for cell in row[:-1]] + [row[-1]]
        if wrong and draw(st.integers(0, 3)) == 0:
            cells[draw(st.integers(0, 4))] = draw(odd)
        writer.writerow(cells)
    return out.getvalue()


@given(csv_texts())
@example(HEADER + '\n1,1,0,left,benign,"a\n""b"\n\n\n')
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_csv_that_the_first_reader_read_gives_the_same_numbers_and_split(tmp_path: Path, text: str):
    file = tmp_path / "rows.csv"
    file.write_bytes(text.encode())
    try:
        features, labels = plain_reader.read(file, SCHEMA)
    except plain_reader.Refused:
        return
    found = read_table(file, SCHEMA)
    assert found.features.tobytes() == features.tobytes()
    assert labels is not None
    assert found.labels is not None
    assert found.labels.tobytes() == labels.tobytes()
    assert split(file, SCHEMA, 0) == plain_reader.split_digest(file, SCHEMA, 0)


@given(csv_texts())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_the_profile_accepts_training_accepts_and_what_it_refuses_training_refuses_alike(
    tmp_path: Path, text: str
):
    file = tmp_path / "rows.csv"
    file.write_bytes(text.encode())
    said = []
    for reading in (profile, load_examples):
        try:
            reading(file, SCHEMA, 20)
            said.append("")
        except DataError as error:
            said.append(str(error))
    assert said[0] == said[1]


kinds = [pa.int8(), pa.uint64(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(25, 3), pa.string()]


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_parquet_that_the_first_reader_read_gives_the_same_numbers(tmp_path: Path, data: st.DataObject):
    rows = data.draw(st.integers(1, 8))
    values = data.draw(st.lists(st.integers(0, 100), min_size=rows, max_size=rows))
    kind = data.draw(st.sampled_from(kinds))
    made = pa.array([str(v) for v in values] if pa.types.is_string(kind) else values).cast(kind)
    if pa.types.is_floating(kind):
        real = data.draw(
            st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=rows, max_size=rows)
        )
        made = pa.array(real, kind)
    column = data.draw(st.sampled_from([Column(name="x"), Column(name="x", type="integer"), CODED]))
    side = pa.array(data.draw(st.lists(st.sampled_from(["left", " right"]), min_size=rows, max_size=rows)))
    smoker = pa.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    if data.draw(st.booleans()):
        side = side.dictionary_encode()
    file = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"x": made, "side": side, "smoker": smoker}), file)
    schema = Schema(columns=(column, SCHEMA.columns[2], SCHEMA.columns[3]))
    try:
        features, _ = plain_reader.read(file, schema)
    except plain_reader.Refused:
        return
    assert read_table(file, schema).features.tobytes() == features.tobytes()


CODED = Column(name="x", type="category", values=tuple(map(str, range(101))))


def split(file: Path, schema: Schema, percent: int) -> str:
    found = hashlib.sha256()
    for part in load_examples(file, schema, percent):
        found.update(part.features.tobytes())
        found.update(b"" if part.labels is None else part.labels.tobytes())
    return found.hexdigest()


KEPT = {
    "a.csv": "90eee80dc26e29d6f37bcd9312d2130160af65fc0c00fd1c3893c2348f818550",
    "b": "041e4a16b64ea4d92df6807025e29e62e1a9f7fc4eef132c70d93eb3df901599",
}
"""What the first reader gave: SHA-256 of both parts' features and labels."""


@pytest.mark.parametrize("name", KEPT)
def test_the_split_of_the_examples_shares_is_what_it_was(name: str, tmp_path: Path):
    write_shares("tumour", tmp_path, ["a", "b"])
    assert split(tmp_path / name, TUMOUR, 20) == KEPT[name]


def test_rows_are_the_same_however_small_the_pieces_are_in_which_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    draw = np.random.default_rng(3)
    lines = [
        f"{at % 121},{draw.normal()},{at % 2},{'left' if at % 3 else 'right'},benign,{'x' * (at % 700)}"
        for at in range(900)
    ]
    file = tmp_path / "rows.csv"
    file.write_text("\n".join([HEADER, *lines]))
    whole = split(file, SCHEMA, 20)
    assert whole == plain_reader.split_digest(file, SCHEMA, 20)
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", 600)  # shorter than some rows: those are read with larger blocks
    monkeypatch.setattr(batches, "BATCH_ROWS", 7)
    assert split(file, SCHEMA, 20) == whole
    file.write_text("\n".join([HEADER, *lines, "5,x,0,left,benign,"]))
    with pytest.raises(DataError, match=r"FL3104: 'x' where a float is due .*row 901, column size"):
        read_table(file, SCHEMA)
