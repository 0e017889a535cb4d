"""One's own rows written once as the node reads them quickest: Parquet, a part for each file, the schema's columns.

Names are the schema's, numbers are 64-bit floats, dates are times in UTC, pictures and arrays are lists; a missing
value is null, whatever word stood for it. What is filled or dropped is so when the parts are read, as before: profile,
split and training are the same, to the last digit.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from fl_node import codes
from fl_node.data.batches import raws_of
from fl_node.data.columns import parse_column
from fl_node.data.dates import MICROSECONDS_A_DAY
from fl_node.data.description import described
from fl_node.data.errors import data_error
from fl_node.data.files import data_files, partitions
from fl_node.data.profile import Profile, profile
from fl_node.data.raw import Raw, is_text
from fl_node.data.read import wanted
from fl_node.data.schema import Column, Schema
from fl_node.data.spreading import HERE, Spread


def prepare(path: Path, schema: Schema, target: Path, holdout_percent: int = 0, spread: Spread = HERE) -> Profile:
    """Checks rows, then writes them as Parquet.

    Args:
        path: The data, as `read_batches` takes it.
        schema: The plan's.
        target: A folder for the parts; on a cluster one that every executor sees.
        holdout_percent: The plan's share of rows that only evaluation sees.
        spread: Where the files are read.

    Returns:
        The profile, which is that of the parts too.

    Raises:
        DataError: As `profile`; FL3114 where the folder is not empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise data_error(codes.TARGET_HELD, "something is there already", str(target))
    found = profile(path, schema, holdout_percent, spread)
    target.mkdir(parents=True, exist_ok=True)
    numbered = list(enumerate(data_files(path, described(path))))
    list(spread.over(partial(_write, path, schema, target), numbered))
    return found


def _write(root: Path, schema: Schema, target: Path, numbered: tuple[int, Path]) -> None:
    """Writes the part of one file; nothing where it has no row."""
    at, file = numbered
    folder = file.parent if root.is_dir() else None
    part, writer = target / f"part-{at:05}.parquet", None
    for raws in raws_of(file, partitions(file, root), folder, schema, described(root)):
        table = _typed(schema, raws)
        writer = writer or parquet.ParquetWriter(part, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def _typed(schema: Schema, raws: Mapping[str, Raw]) -> Any:
    series = schema.window.series if schema.window else None
    as_they_stand = {column.name for column in schema.columns if column.type == "text"} | {series}
    return pa.table(
        {
            name: _texts(raws[name]) if name in as_they_stand else _values(column, raws[name])
            for name, column in wanted(schema)
        }
    )


def _values(column: Column, raw: Raw) -> Any:
    block = parse_column(column, raw)
    gaps = np.isnan(block[:, 0])
    if column.type == "category":
        values = np.array(column.values, object)[block.argmax(axis=1)]
        return pa.array(values, pa.string(), mask=gaps)
    if column.type == "boolean":
        return pa.array(block[:, 0] == 1.0, pa.bool_(), mask=gaps)
    if column.type == "date":
        times = np.rint(np.where(gaps, 0.0, block[:, 0]) * MICROSECONDS_A_DAY).astype(np.int64)
        return pa.array(times, pa.timestamp("us"), mask=gaps)
    if column.type == "array":
        return _lists(block, column.shape, gaps)
    return pa.array(block[:, 0], pa.float64(), mask=gaps)


def _texts(raw: Raw) -> Any:
    """Texts and bytes as they stand, but null where a word says that one is missing."""
    if not is_text(raw.values.type):
        return raw.values
    texts = [None if text is None or text.strip().lower() in raw.missing else text for text in raw.values.to_pylist()]
    return pa.array(texts, pa.string())


def _lists(block: NDArray[np.float64], shape: tuple[int, ...], gaps: NDArray[np.bool_]) -> Any:
    """Rows of numbers as lists of lists of the shape; a gap is a null of no length."""
    values: Any = pa.array(block[~gaps].reshape(-1), pa.float64())
    for size in reversed(shape[1:]):
        values = pa.ListArray.from_arrays(pa.array(np.arange(0, len(values) + 1, size), pa.int32()), values)
    ends = np.concatenate([[0], np.cumsum(np.where(gaps, 0, shape[0]))])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values, mask=pa.array(gaps))
