"""Reading a participant's rows: CSV or Parquet, one file or a folder of part files as Apache Spark writes it.

Rows stream: a batch is read, checked and encoded at a time. Profile, checks and training all read by this one function,
so that what one accepts the others do.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.description import described
from fl_node.data.errors import data_error
from fl_node.data.files import data_files, partitions
from fl_node.data.schema import Column, Schema


@dataclass(frozen=True)
class Table:
    """Complete rows as numbers, before standardisation.

    Attributes:
        features: float64[rows, schema.width].
        labels: float64[rows, *schema.label_shape]: class indices or values; None without a label.
        gaps: int64[schema.names]: how many values of each column were missing.
        rows: How many rows were read, those that were dropped included.
        keys: uint64[rows]: which series each is of; None without windows.
        times: float64[rows]: when each was; None without windows, and of windows.
    """

    features: NDArray[np.float64]
    labels: NDArray[np.float64] | None
    gaps: NDArray[np.int64]
    rows: int
    keys: NDArray[np.uint64] | None = None
    times: NDArray[np.float64] | None = None

    @property
    def missing(self) -> int:
        """How many values were missing."""
        return int(self.gaps.sum())


def read_table(path: Path, schema: Schema) -> Table:
    """Reads every row under a path at once; see `read_batches`."""
    batches = list(read_batches(path, schema))
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return Table(
        np.concatenate([batch.features for batch in batches]),
        np.concatenate(labels) if labels else None,
        np.sum([batch.gaps for batch in batches], axis=0),
        sum(batch.rows for batch in batches),
    )


def read_batches(path: Path, schema: Schema) -> Iterator[Table]:
    """Reads what a model reads of the rows under a path, some at a time: the rows, or the windows of their series.

    Raises:
        DataError: As `read_rows`, and FL3111 where a series has two rows of one time.
    """
    if schema.window is None:
        return read_rows(path, schema)
    from fl_node.data.windows import windows  # noqa: PLC0415 - it knows this module

    return windows(read_rows(path, schema), schema.window, path)


def wanted(schema: Schema) -> Iterator[tuple[str, Column]]:
    """Yields what is read of a file, by name, as what it is read, in the schema's order; each name once."""
    window = schema.window
    series = [Column(name=window.series)] if window and window.series is not None else []
    ordering = [window.column, *series] if window else []
    seen: set[str] = set()
    for column in (*schema.columns, *schema.label_columns, *ordering):
        if column.name not in seen:
            seen.add(column.name)
            yield column.name, column


def read_rows(path: Path, schema: Schema) -> Iterator[Table]:
    """Reads every row under a path, some at a time; memory does not grow with the files.

    Args:
        path: A CSV or Parquet file, or a folder of them; `name=value` folders add a column, names that begin with
            `.` or `_` are skipped. A `data.yaml` beside the file, or in the folder, says how they are written.
        schema: What the rows must look like; other columns are not read.

    Raises:
        DataError: FL3101 … FL3110 with file, row and reason; FL3112 without pyarrow.
    """
    found = False
    for file in data_files(path, described(path)):
        for batch in read_file(path, schema, file):
            found = True
            yield batch
    if not found:
        raise data_error(codes.TOO_FEW_ROWS, "there is no row", str(path))


def read_file(path: Path, schema: Schema, file: Path) -> Iterator[Table]:
    """Reads the rows of one of the files under a path; see `read_rows`."""
    folder = file.parent if path.is_dir() else None
    batches: Iterator[Table] = reader(path).file_batches(file, partitions(file, path), folder, schema, described(path))
    return batches


def reader(path: Path) -> ModuleType:
    """Return the module `batches`, imported when rows are read: pyarrow takes 60 MB that a node need not hold.

    Raises:
        DataError: FL3112, pyarrow is not installed.
    """
    try:
        return importlib.import_module("fl_node.data.batches")
    except ModuleNotFoundError as error:
        raise data_error(codes.NO_READER, f"reading rows needs the package {error.name}", str(path)) from None
