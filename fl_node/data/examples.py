"""From rows to what a plan's `work` reads: a stable split, standardised features, one fixed order."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.errors import data_error
from fl_node.data.read import Table, read_batches
from fl_node.data.schema import Schema

_PARTS: Final = 10_000


@dataclass(frozen=True)
class Examples:
    """Rows ready for the model.

    Attributes:
        features: float32[rows, schema.width], standardised.
        labels: int32[rows] for one index; float32[rows] for one number, float32[rows, n] for n of them: several labels,
            or a count and its exposure. None without a label.
    """

    features: NDArray[np.float32]
    labels: NDArray[Any] | None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.features)


def load_examples(path: Path, schema: Schema, holdout_percent: int) -> tuple[Examples, Examples]:
    """Reads the data and splits it into a training and a hold-out part.

    A row's part and place follow from the SHA-256 of its values alone. They do not change with the file's format or
    order, with rows that come or go, or from round to round; equal rows always land in the same part, so that no row
    is both trained on and evaluated on. Of time series it is the series' name that gives the part of all its windows.
    Held in memory are the model's numbers, 4 bytes each, twice for a moment.

    Raises:
        DataError: FL3101 … FL3110 from reading, FL3108 where a part would be empty.
    """
    read: list[Examples] = []
    hashes: list[NDArray[np.uint64]] = []
    outs: list[NDArray[np.bool_]] = []
    means, deviations = _constants(schema)
    for batch in read_batches(path, schema):
        hashes.append(row_hashes(batch))
        outs.append(held_out(batch, hashes[-1], holdout_percent))
        read.append(_examples(batch, schema, means, deviations))
    places, held = np.concatenate(hashes), np.concatenate(outs)
    out = int(np.count_nonzero(held))
    check_parts(len(held), out, holdout_percent, path)
    target = np.empty(len(held), np.intp)
    target[np.lexsort((places, held))] = np.arange(len(held))  # stable; training rows first, each part by its hashes
    whole, border = _ordered(read, target), len(held) - out
    return _part(whole, slice(None, border)), _part(whole, slice(border, None))


def row_hashes(table: Table) -> NDArray[np.uint64]:
    """Returns uint64[rows]: the first eight bytes, big-endian, of the SHA-256 of each row's values as float64."""
    labels = np.zeros(len(table.features)) if table.labels is None else table.labels
    rows = np.ascontiguousarray(np.column_stack([table.features, labels]).astype("<f8", copy=False) + 0.0)
    if not rows.size:
        return np.empty(0, np.uint64)
    width, raw, sha256 = rows.strides[0], memoryview(rows.data).cast("B"), hashlib.sha256
    digests = b"".join([sha256(raw[at : at + width]).digest()[:8] for at in range(0, len(raw), width)])
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def held_out(table: Table, hashes: NDArray[np.uint64], holdout_percent: int) -> NDArray[np.bool_]:
    """Returns which rows only evaluation sees: those with a small remainder.

    Windows of one series share many rows, so that it is the series' key that decides.
    """
    deciding = hashes if table.keys is None else table.keys
    return np.asarray(deciding % _PARTS < holdout_percent * (_PARTS // 100))


def check_parts(rows: int, held: int, holdout_percent: int, path: Path) -> None:
    """Refuses complete rows, some of them held out, that leave the training or the hold-out part empty.

    Raises:
        DataError: FL3108.
    """
    if held == rows or (holdout_percent and not held):
        empty = "training" if held == rows else f"hold-out ({holdout_percent} %)"
        text = f"{rows} complete rows leave the {empty} part empty; equal rows count as one, since they share a part"
        raise data_error(codes.TOO_FEW_ROWS, text, str(path))


def _examples(batch: Table, schema: Schema, means: NDArray[np.float64], deviations: NDArray[np.float64]) -> Examples:
    features = ((batch.features - means) / deviations).astype(np.float32)
    return Examples(features, None if batch.labels is None else batch.labels.astype(schema.label_dtype))


def _ordered(read: list[Examples], target: NDArray[np.intp]) -> Examples:
    """Put rows in their places; each batch is let go of as soon as its rows stand there."""
    features = np.empty((len(target), read[0].features.shape[1]), np.float32)
    first = read[0].labels
    labels = None if first is None else np.empty((len(target), *first.shape[1:]), first.dtype)
    at = 0
    while read:
        batch = read.pop(0)
        places = target[at : at + batch.rows]
        features[places] = batch.features
        if labels is not None and batch.labels is not None:
            labels[places] = batch.labels
        at += batch.rows
    return Examples(features, labels)


def _part(whole: Examples, rows: slice) -> Examples:
    return Examples(whole.features[rows], None if whole.labels is None else whole.labels[rows])


def _constants(schema: Schema) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what is subtracted from every feature, and what it is then divided by."""
    steps = schema.window.history if schema.window else 1
    widths = [column.width for column in schema.columns]
    means = [float(column.mean or 0) for column in schema.columns]
    deviations = [float(column.deviation or 1) for column in schema.columns]
    return np.tile(np.repeat(means, widths), steps), np.tile(np.repeat(deviations, widths), steps)
