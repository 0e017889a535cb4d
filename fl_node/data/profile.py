"""The data profile that a participant applies with: what vetting may know about rows that nobody else sees."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.description import described
from fl_node.data.errors import data_error
from fl_node.data.examples import check_parts, held_out, row_hashes
from fl_node.data.files import data_files
from fl_node.data.read import Table, read_file, read_rows
from fl_node.data.schema import Model, Schema
from fl_node.data.spreading import HERE, Spread
from fl_node.data.windows import windows

Reading = Callable[[Path, Schema, Any], Iterator[Table]]
"""Reads a part of what lies under a path."""


class Profile(Model):
    """What `Apply` carries.

    Attributes:
        rows: Rows in all files, incomplete ones included.
        missing_ppm: Missing values in a million.
        labels: Complete rows per value of the label, in the schema's order; empty where it has no values.
        schema_digest: The digest of the schema that the rows fit, `schema` in JSON.
    """

    rows: int
    missing_ppm: int
    labels: tuple[int, ...]
    schema_digest: str

    def as_json(self) -> dict[str, int | list[int] | str]:
        """The profile as the transaction takes it."""
        return {
            "rows": self.rows,
            "missing_ppm": self.missing_ppm,
            "labels": list(self.labels),
            "schema": self.schema_digest,
        }


@dataclass(frozen=True)
class Counts:
    """What is counted of some rows; additive.

    Attributes:
        rows: All rows.
        missing: Missing values.
        complete: Rows that training reads; windows, of time series.
        held: Those of them that only evaluation sees.
        labels: int64[values]: complete rows by the label's value.
    """

    rows: int
    missing: int
    complete: int
    held: int
    labels: NDArray[np.int64]


def profile(path: Path, schema: Schema, holdout_percent: int = 0, spread: Spread = HERE) -> Profile:
    """Profiles the data under a path. Memory does not grow with it; what is accepted here, training accepts.

    Args:
        path: The data, as `read_batches` takes it.
        schema: The plan's.
        holdout_percent: The plan's share of rows that only evaluation sees.
        spread: Where the files are read.

    Raises:
        DataError: FL3101 … FL3110, as in training: missing values are counted where the schema fills or drops them.
            FL3113 where Spark fails.
    """
    counted = partial(_counted, path, schema, holdout_percent)
    if schema.window is None:
        parts = list(spread.over(partial(counted, _rows_of), data_files(path, described(path))))
    else:  # a series may stand in several files: each task reads all of them, and keeps some series
        pieces = [(at, spread.width) for at in range(spread.width)]
        parts = list(spread.over(partial(counted, _windows_of), pieces))
    rows, missing, complete, held = (
        sum(getattr(part, name) for part in parts) for name in ("rows", "missing", "complete", "held")
    )
    if not rows:
        raise data_error(codes.TOO_FEW_ROWS, "there is no row", str(path))
    check_parts(complete, held, holdout_percent, path)
    return Profile(
        rows=rows,
        missing_ppm=missing * 1_000_000 // (rows * len(schema.names)),
        labels=tuple(map(int, np.sum([part.labels for part in parts], axis=0))),
        schema_digest=schema.digest(),
    )


def _counted(path: Path, schema: Schema, holdout_percent: int, read: Reading, part: Any) -> Counts:
    rows = missing = complete = held = 0
    values = schema.label.values if schema.label else ()
    labels = np.zeros(len(values), np.int64)
    for batch in read(path, schema, part):
        rows += batch.rows
        missing += batch.missing
        complete += len(batch.features)
        if values and batch.labels is not None:
            labels += np.bincount(batch.labels.astype(np.int64), minlength=len(values))
        if holdout_percent:
            held += int(np.count_nonzero(held_out(batch, row_hashes(batch), holdout_percent)))
    return Counts(rows, missing, complete, held, labels)


def _rows_of(path: Path, schema: Schema, file: Path) -> Iterator[Table]:
    return read_file(path, schema, file)


def _windows_of(path: Path, schema: Schema, piece: tuple[int, int]) -> Iterator[Table]:
    """Reads the windows of one of so many shares of the series, by their keys; the first share has all rows' count."""
    assert schema.window, "only time series are read so"
    at, of = piece
    return windows(_some_series(read_rows(path, schema), at, of), schema.window, path)


def _some_series(tables: Iterable[Table], at: int, of: int) -> Iterator[Table]:
    span = -(-(1 << 64) // of)
    for table in tables:
        assert table.keys is not None
        assert table.times is not None
        assert table.labels is not None
        mine = table.keys // np.uint64(span) == at if of > 1 else np.ones(len(table.keys), np.bool_)
        gaps, rows = (table.gaps, table.rows) if at == 0 else (np.zeros_like(table.gaps), 0)
        yield Table(table.features[mine], table.labels[mine], gaps, rows, table.keys[mine], table.times[mine])
