"""The rows of one file, a batch at a time: read as Arrow arrays, then encoded, filled or dropped. Imports pyarrow."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.columns import parse_column, refuse_too_large, series_keys
from fl_node.data.csv_file import CsvFile
from fl_node.data.description import Description
from fl_node.data.errors import data_error
from fl_node.data.files import format_of
from fl_node.data.header import locate
from fl_node.data.parquet import ParquetFile
from fl_node.data.raw import Raw
from fl_node.data.read import Table, wanted
from fl_node.data.schema import Column, Schema, Window

BATCH_ROWS: Final = 1 << 16
BATCH_VALUES: Final = 1 << 20
"""How much is encoded at once: at most so many rows and so many features (8 MiB), but one row at least."""


def file_batches(
    file: Path, fixed: Mapping[str, str], folder: Path | None, schema: Schema, description: Description
) -> Iterator[Table]:
    """Reads the rows of one file.

    Args:
        file: A CSV or Parquet file.
        fixed: Columns that the names of its folders add, and their value.
        folder: The folder whose files it may name; None where the file is all that was given.
        schema: What the rows must look like.
        description: How the file is written.

    Raises:
        DataError: FL3102 … FL3107, FL3110 with row and reason.
    """
    for raws in raws_of(file, fixed, folder, schema, description):
        yield _encoded(schema, raws)


def raws_of(
    file: Path, fixed: Mapping[str, str], folder: Path | None, schema: Schema, description: Description
) -> Iterator[dict[str, Raw]]:
    """Reads the columns of one file that the schema names, as they stand in it; see `file_batches`.

    Raises:
        DataError: FL3102, FL3103.
    """
    words, step = schema.missing.known, max(1, min(BATCH_ROWS, BATCH_VALUES // schema.width))
    own = (description.decimal, description.dates, folder)
    at = 1
    for arrays in arrays_of(file, fixed, schema, description, step):
        rows = len(arrays[schema.names[0]])
        for start in range(0, rows, step):
            yield {
                name: Raw(values.slice(start, step), str(file), at + start, words, *own)
                for name, values in arrays.items()
            }
        at += rows


def opened(file: Path, description: Description, rows: int = BATCH_ROWS) -> CsvFile | ParquetFile:
    """Opens a file: its header, and then its rows, at most so many at once where they are not counted in bytes.

    Raises:
        DataError: FL3102.
    """
    if format_of(file, description) == "csv":
        return CsvFile(file, description)
    return ParquetFile(file, rows)


def arrays_of(
    file: Path, fixed: Mapping[str, str], schema: Schema, description: Description, rows: int
) -> Iterator[dict[str, Any]]:
    """Yields a file's columns of the schema as they stand in it, those of its folders' names with them.

    Raises:
        DataError: FL3102, FL3103.
    """
    if file.stat().st_size == 0:  # Spark writes such a file where a part has no rows
        return
    source = opened(file, description, rows)
    due = {name: column for name, column in wanted(schema) if name not in fixed}
    places = locate(source.header, [*due], description, str(file))
    if not places and source.header:  # the folders' names give every column: any other tells how many rows there are
        places, due = {"": 0}, {"": Column(name="any")}
    for arrays in source.batches([*places.values()], [*due.values()]):
        found = dict(zip(places, arrays, strict=True))
        yield found | {name: pa.array([fixed[name]] * len(arrays[0])) for name in schema.names if name in fixed}


def _encoded(schema: Schema, raws: Mapping[str, Raw]) -> Table:
    blocks = [_parsed(column, raws) for column in schema.columns]
    labels = [_parsed(column, raws) for column in schema.label_columns]
    keys, ordering = _ordering(schema.window, raws)
    rest = [*labels, *ordering]
    gaps = [np.isnan(block[:, 0]) for block in (*blocks, *rest)]
    rows, missing = len(blocks[0]), np.array([np.count_nonzero(gap) for gap in gaps], np.int64)
    if missing.any():
        blocks = [_filled(*each) for each in zip(schema.columns, blocks, gaps, strict=False)]
        gaps = [np.isnan(block[:, 0]) for block in (*blocks, *rest)]
        if schema.missing.rows == "refuse":
            _refuse_gaps(schema, raws, gaps)
        complete = ~np.logical_or.reduce(gaps)
        blocks, labels, ordering = ([block[complete] for block in some] for some in (blocks, labels, ordering))
        keys = None if keys is None else keys[complete]
    features = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
    times = ordering[0][:, 0] if ordering else None
    return Table(features, _together([_number(label) for label in labels]), missing, rows, keys, times)


def _ordering(
    window: Window | None, raws: Mapping[str, Raw]
) -> tuple[NDArray[np.uint64] | None, list[NDArray[np.float64]]]:
    """Return the keys of rows' series, and what of a window's columns is NaN where it is missing: time, series."""
    if window is None:
        return None, []
    times = _parsed(window.column, raws)
    if window.series is None:
        return np.zeros(len(times), np.uint64), [times]
    keys, lacking = series_keys(raws[window.series])
    return keys, [times, np.where(lacking, np.nan, 0.0).reshape(-1, 1)]


def _parsed(column: Column, raws: Mapping[str, Raw]) -> NDArray[np.float64]:
    block = parse_column(column, raws[column.name])
    refuse_too_large(column, raws[column.name], block)
    return block


def _number(label: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a label's number: the index of its value, or itself."""
    return label.argmax(axis=1).astype(np.float64) if label.shape[1] > 1 else label[:, 0]


def _together(labels: list[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    if not labels:
        return None
    return labels[0] if len(labels) == 1 else np.column_stack(labels)


def _filled(column: Column, block: NDArray[np.float64], gap: NDArray[np.bool_]) -> NDArray[np.float64]:
    if column.fill is None or not gap.any():
        return block
    if column.type == "array":
        return np.where(gap[:, np.newaxis], float(column.fill), block)
    value = parse_column(column, Raw(pa.array([column.fill]), "the schema", missing=frozenset()))
    return np.where(gap[:, np.newaxis], value, block)


def _refuse_gaps(schema: Schema, raws: Mapping[str, Raw], gaps: list[NDArray[np.bool_]]) -> None:
    """Refuse the first row that lacks a value; in it, the first column."""
    first = [(int(gap.argmax()), at) for at, gap in enumerate(gaps) if gap.any()]
    if first:
        row, at = min(first)
        name = schema.names[at]
        place = f"{raws[name].file}, row {row + raws[name].first_row}, column {name}"
        raise data_error(codes.VALUE_MISSING, "a value is missing", place)
