"""From rows to what a plan's `work` reads: a stable split, standardised features, one fixed order."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.errors import data_error
from fl_node.data.read import Table, read_table
from fl_node.data.schema import Schema

_PARTS: Final = 10_000


@dataclass(frozen=True)
class Examples:
    """Rows ready for the model.

    Attributes:
        features: float32[rows, schema.width], standardised.
        labels: int32[rows] or float32[rows]; None without a label.
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
    is both trained on and evaluated on.

    Raises:
        DataError: FL3101 … FL3107 from reading, FL3108 where a part would be empty.
    """
    table = read_table(path, schema)
    places = _places(table)
    order = np.argsort(places, kind="stable")
    held = places[order] % _PARTS < holdout_percent * (_PARTS // 100)
    training, holdout = order[~held], order[held]
    if not training.size or (holdout_percent and not holdout.size):
        raise data_error(
            codes.TOO_FEW_ROWS, f"{len(places)} rows leave the training or the hold-out part empty", str(path)
        )
    return _examples(table, schema, training), _examples(table, schema, holdout)


def _places(table: Table) -> NDArray[np.uint64]:
    labels = np.zeros(len(table.features)) if table.labels is None else table.labels
    rows = np.ascontiguousarray(np.column_stack([table.features, labels]).astype("<f8") + 0.0)
    digests = b"".join(hashlib.sha256(row.tobytes()).digest()[:8] for row in rows)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def _examples(table: Table, schema: Schema, rows: NDArray[np.intp]) -> Examples:
    means, deviations = _constants(schema)
    features = ((table.features[rows] - means) / deviations).astype(np.float32)
    labels = None if table.labels is None else table.labels[rows].astype(schema.label_dtype)
    return Examples(features, labels)


def _constants(schema: Schema) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = [float(column.mean or 0) for column in schema.columns for _ in range(column.width)]
    deviations = [float(column.deviation or 1) for column in schema.columns for _ in range(column.width)]
    return np.array(means), np.array(deviations)
