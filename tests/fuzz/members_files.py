"""The decoders of a member's own files: rows, their description, and the arrays that they name."""

import datetime as dt
import io
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

from fl_node.data.array_files import read_array
from fl_node.data.description import described
from fl_node.data.errors import DataError
from fl_node.data.read import read_table
from fl_node.data.schema import Column, Label, Missing, Schema

SCRATCH = Path(tempfile.mkdtemp(prefix="fedledger-fuzz-data-"))
ROWS = Schema(
    columns=(
        Column(name="a"),
        Column(name="n", type="integer", minimum="0", maximum="9"),
        Column(name="b", type="boolean"),
        Column(name="c", type="category", values=("x", "y")),
    ),
    label=Label(name="y", values=("no", "yes")),
)
LATER = Schema(
    columns=(
        Column(name="d", type="date"),
        Column(name="t", type="text", length=3),
        Column(name="l", type="array", shape=(2, 2)),
    ),
    labels=(Label(name="a", type="float"), Label(name="n", type="count", exposure="e")),
)
DROPPING = ROWS.model_copy(update={"missing": Missing(rows="drop")})
SHAPE = (2, 3)

CSV = (b"a,n,b,c,y\n1.5,1,true,x,no\n2,2,false,y,yes\n", b'a,n,b,c,y\n"1,5",1,1,"x",no\n')
DESCRIPTIONS = (
    b'separator: ";"\ndecimal: ","\nencoding: latin-1\nquote: "\'"\nescape: "\\\\"\ncolumns:\n  Alter: a\n',
    b'comment: "#"\ncompression: gzip\nformat: csv\nparts: "part-*"\ndates: "%d.%m.%Y"\nencoding: utf-16\n',
)


def csv(raw: bytes) -> None:
    file = SCRATCH / "rows.csv"
    file.write_bytes(raw)
    read_table(file, ROWS)
    read_table(file, DROPPING)


def parquet(raw: bytes) -> None:
    file = SCRATCH / "rows.parquet"
    file.write_bytes(raw)
    try:
        read_table(file, ROWS)
    except DataError:
        read_table(file, LATER)


def description(raw: bytes) -> None:
    """Read a description, and rows by it, whatever it says of them."""
    folder = SCRATCH / "described"
    folder.mkdir(exist_ok=True)
    (folder / "data.yaml").write_bytes(raw)
    (folder / "rows.csv").write_bytes(b"Alter;n;b;c;y\n1,5;1;true;x;no\n")
    described(folder / "rows.csv")
    read_table(folder / "rows.csv", ROWS)


def npy(raw: bytes) -> None:
    _array("array.npy", raw)


def png(raw: bytes) -> None:
    _array("array.png", raw)


def _array(name: str, raw: bytes) -> None:
    file = SCRATCH / name
    file.write_bytes(raw)
    assert read_array(file, SHAPE).shape == (6,)


def parquet_files() -> tuple[bytes, ...]:
    plain = {"a": [1.5, 2.0], "n": [1, 2], "b": [True, False], "c": ["x", "y"], "y": ["no", "yes"]}
    later = {
        "d": pa.array([dt.date(2024, 2, 29), None]),
        "t": pa.array([b"ab", b"c"]),
        "l": pa.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]]),
        "a": [1.5, 2.0],
        "n": [1, 2],
        "e": [1.0, 2.0],
    }
    return _parquet(plain), _parquet(later)


def arrays(kind: str) -> tuple[bytes, ...]:
    streams = []
    for array in (np.zeros(SHAPE, np.uint8), np.full(SHAPE, 300, np.uint16)):
        stream = io.BytesIO()
        if kind == "npy":
            np.save(stream, array)
        else:
            Image.fromarray(array).save(stream, "PNG")
        streams.append(stream.getvalue())
    return tuple(streams)


def _parquet(columns: dict[str, object]) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()
