"""What would be read of a member's files: for people, before anything is trained or leaves the organisation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.data.beside import beside
from fl_node.data.description import described
from fl_node.data.examples import check_parts, held_out, row_hashes
from fl_node.data.files import data_files, partitions
from fl_node.data.read import Table, read_batches, read_rows, reader
from fl_node.data.schema import Column, Schema


@dataclass(frozen=True)
class Look:
    """What a schema finds under a path.

    Attributes:
        files: How many files are read.
        described: Where the description stands; empty where there is none.
        header: The first file's column names.
        columns: For each column of the schema, the label's last: its name here and in the file, its type, how many
            values are missing, and the values: smallest and largest of numbers, how often each of the others occurs.
        rows: How many rows were read.
        training: How many of them, or of their windows, are trained on.
        holdout: How many only evaluation sees.
    """

    files: int
    described: str
    header: tuple[str, ...]
    columns: tuple[Mapping[str, Any], ...]
    rows: int
    training: int
    holdout: int


def look(path: Path, schema: Schema, holdout_percent: int = 0) -> Look:
    """Reads everything under a path as training would, and tells what it found.

    Raises:
        DataError: FL3101 … FL3110, as in training.
    """
    opened = reader(path).opened
    description = described(path)
    files = data_files(path, description)
    first = next((file for file in files if file.stat().st_size), files[0])
    header = tuple(opened(first, description).header) if first.stat().st_size else ()
    summaries = [_Summary(column) for column in (*schema.columns, *schema.label_columns)]
    rows = complete = held = 0
    for batch in read_rows(path, schema):
        rows += batch.rows
        for summary, gaps, values in zip(summaries, batch.gaps, _columns(batch, schema), strict=False):
            summary.add(int(gaps), values)
    for batch in read_batches(path, schema):
        complete += len(batch.features)
        held += int(np.count_nonzero(held_out(batch, row_hashes(batch), holdout_percent)))
    check_parts(complete, held, holdout_percent, path)
    own = {ours: theirs for theirs, ours in description.columns.items()} | dict.fromkeys(partitions(first, path), "")
    columns = tuple(summary.as_json(own) for summary in summaries)
    there = beside(path)
    return Look(len(files), str(there) if there.is_file() else "", header, columns, rows, complete - held, held)


class _Summary:
    """One column's values so far."""

    def __init__(self, column: Column) -> None:
        self._column = column
        self._counted = column.type in {"category", "boolean"}
        self._missing = 0
        self._low, self._high = np.inf, -np.inf
        self._counts = np.zeros(max(2, column.width), np.int64)

    def add(self, missing: int, values: NDArray[np.float64]) -> None:
        """Take a batch's complete rows: float64[rows, width], or the label's float64[rows, 1]."""
        self._missing += missing
        if not len(values):
            return
        if not self._counted:
            self._low, self._high = min(self._low, float(values.min())), max(self._high, float(values.max()))
            return
        index = values[:, 0] if values.shape[1] == 1 else values.argmax(axis=1)
        self._counts += np.bincount(index.astype(np.int64), minlength=len(self._counts))

    def as_json(self, own: Mapping[str, str]) -> dict[str, Any]:
        """Return the column for a table or for machines."""
        name, kind = self._column.name, self._column.type
        found = {"column": name, "in_file": own.get(name, name), "type": kind, "missing": self._missing}
        if not self._counted:
            return {**found, "smallest": self._low, "largest": self._high}
        words = self._column.values or ("false", "true")
        return {**found, "counts": dict(zip(words, map(int, self._counts), strict=False))}


def _columns(batch: Table, schema: Schema) -> list[NDArray[np.float64]]:
    ends = np.cumsum([column.width for column in schema.columns])[:-1]
    numbers = len(schema.label_columns)
    labels = [] if batch.labels is None else np.split(batch.labels.reshape(-1, numbers), numbers, axis=1)
    return [*np.split(batch.features, ends, axis=1), *labels]
