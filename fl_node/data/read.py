"""Reading a participant's rows: CSV or Parquet, one file or a folder of part files as Apache Spark writes it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.columns import Raw, from_texts, parse_column
from fl_node.data.errors import data_error
from fl_node.data.schema import Schema

SUFFIXES: Final = (".csv", ".parquet")
_NO_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Table:
    """Complete rows as numbers, before standardisation.

    Attributes:
        features: float64[rows, schema.width].
        labels: float64[rows]: class index or value; None without a label.
        missing: How many values were missing (zero unless counting was asked for).
        rows: How many rows the files hold, incomplete ones included.
    """

    features: NDArray[np.float64]
    labels: NDArray[np.float64] | None
    missing: int
    rows: int


def read_table(path: Path, schema: Schema, *, count_missing: bool = False) -> Table:
    """Reads every row under a path.

    Args:
        path: A CSV or Parquet file, or a folder of them; `name=value` folders add a column, names that begin with
            `.` or `_` are skipped.
        schema: What the rows must look like; other columns are not read.
        count_missing: Leave incomplete rows out and count their missing values, instead of refusing the data.

    Raises:
        DataError: FL3101 … FL3108 with file, row and reason.
    """
    parts = [_part(file, path, schema) for file in _files(path)]
    if not any(len(encoded) for encoded, _, _ in parts):
        raise data_error(codes.TOO_FEW_ROWS, "there is no row", str(path))
    if not count_missing:
        for encoded, names, file in parts:
            _refuse_missing(encoded, names, file)
    encoded = np.concatenate([encoded for encoded, _, _ in parts])
    names = parts[0][1]
    gaps = np.isnan(encoded)
    missing = sum(int(gaps[:, names.index(name)].sum()) for name in schema.names)
    complete = encoded[~gaps.any(axis=1)]
    features = complete[:, : schema.width]
    return Table(features, _labels(schema, complete[:, schema.width :]), missing, len(encoded))


def _labels(schema: Schema, encoded: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if schema.label is None:
        return None
    return encoded.argmax(axis=1).astype(np.float64) if schema.label.type == "category" else encoded[:, 0]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        files = [path]
    elif path.is_dir():
        visible = (file for file in path.rglob("*") if not _hidden(file.relative_to(path)))
        files = sorted(file for file in visible if file.is_file())
    else:
        raise data_error(codes.NO_DATA, "there is no such file or folder", str(path))
    for file in files:
        if file.suffix not in SUFFIXES:
            raise data_error(codes.DATA_UNREADABLE, f"neither {' nor '.join(SUFFIXES)}", str(file))
    if not files:
        raise data_error(codes.NO_DATA, "the folder holds no part file", str(path))
    return files


def _hidden(relative: Path) -> bool:
    return any(part.startswith((".", "_")) for part in relative.parts)


def _part(file: Path, root: Path, schema: Schema) -> tuple[NDArray[np.float64], list[str], str]:
    partitions = dict(_partitions(file, root))
    wanted = [name for name in schema.names if name not in partitions]
    raws = _read_csv(file, wanted) if file.suffix == ".csv" else _read_parquet(file, wanted)
    rows = len(next(iter(raws.values())).values) if raws else 0
    for name in set(schema.names) & set(partitions):
        text = "" if partitions[name] == _NO_PARTITION else partitions[name]
        raws[name] = from_texts([text] * rows, str(file))
    columns = [*schema.columns, *([schema.label.as_column()] if schema.label else [])]
    blocks = [parse_column(column, raws[column.name]) for column in columns]
    names = [column.name for column, block in zip(columns, blocks, strict=True) for _ in range(block.shape[1])]
    return np.concatenate(blocks, axis=1), names, str(file)


def _partitions(file: Path, root: Path) -> Iterator[tuple[str, str]]:
    if root.is_dir():
        for part in file.relative_to(root).parts[:-1]:
            name, equals, value = part.partition("=")
            if equals:
                yield unquote(name), unquote(value)


def _read_parquet(file: Path, wanted: list[str]) -> dict[str, Raw]:
    from fl_node.data import parquet  # noqa: PLC0415 - pyarrow takes 60 MB that a reader of CSV does not need

    with parquet.opened(file) as source:
        check_header(source.schema_arrow.names, wanted, file)
        return parquet.columns(source, wanted, str(file))


def _read_csv(file: Path, wanted: list[str]) -> dict[str, Raw]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = [*csv.reader(stream, strict=True)] or [[]]
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise data_error(codes.DATA_UNREADABLE, f"no readable CSV: {error}", str(file)) from error
    while rows and not rows[-1]:
        rows.pop()
    check_header(header, wanted, file)
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise data_error(
                codes.DATA_UNREADABLE, f"{len(row)} fields, {len(header)} in the header", f"{file}, row {number}"
            )
    return {name: from_texts([row[at] for row in rows], str(file)) for at, name in enumerate(header) if name in wanted}


def check_header(header: list[str], wanted: list[str], file: Path) -> None:
    """Refuses a file whose columns do not fit.

    Raises:
        DataError: FL3103.
    """
    absent = [name for name in wanted if name not in header]
    if absent:
        raise data_error(codes.WRONG_COLUMNS, f"column {absent[0]!r} is not there ({len(absent)} in all)", str(file))
    doubled = [name for name in wanted if header.count(name) > 1]
    if doubled:
        raise data_error(codes.WRONG_COLUMNS, f"column {doubled[0]!r} stands twice", str(file))


def _refuse_missing(encoded: NDArray[np.float64], names: list[str], file: str) -> None:
    gaps = np.argwhere(np.isnan(encoded))
    if gaps.size:
        row, at = gaps[0]
        raise data_error(codes.VALUE_MISSING, "a value is missing", f"{file}, row {row + 1}, column {names[at]}")
