"""A participant's rows as a kind reads them: 64-bit numbers as they stand in the file, not standardised."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.data.examples import check_parts, held_out, row_hashes
from fl_node.data.read import read_batches, read_rows
from fl_node.data.schema import Schema

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Some rows.

    Attributes:
        features: float64[rows, width].
        labels: float64[rows], or float64[rows, n] for several labels or a count and its exposure; None without label.
    """

    features: Doubles
    labels: Doubles | None

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.features)

    def take(self, which: Any) -> "Rows":
        """Picks rows."""
        return Rows(self.features[which], None if self.labels is None else self.labels[which])


def row_width(schema: Schema) -> int:
    """How many features one row has, a row of a window's series too."""
    return sum(column.width for column in schema.columns)


def load_rows(path: Path, schema: Schema, holdout_percent: int, *, steps: bool = False) -> tuple[Rows, Rows]:
    """Reads the training rows and those held out, as `examples.load_examples` splits them.

    Args:
        path: The data.
        schema: The plan's.
        holdout_percent: Share of rows that are held out.
        steps: Of time series the rows as they are, and no windows of them.

    Raises:
        DataError: FL3101 … FL3112.
    """
    read, held = [], []
    for batch in read_rows(path, schema) if steps else read_batches(path, schema):
        read.append(Rows(batch.features, batch.labels))
        held.append(held_out(batch, row_hashes(batch), holdout_percent))
    out = np.concatenate(held)
    check_parts(len(out), int(np.count_nonzero(out)), holdout_percent, path)
    labels = [rows.labels for rows in read if rows.labels is not None]
    whole = Rows(np.concatenate([rows.features for rows in read]), np.concatenate(labels) if labels else None)
    return whole.take(~out), whole.take(out)
