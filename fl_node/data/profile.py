"""The data profile that a participant applies with: what vetting may know about rows that nobody else sees."""

from pathlib import Path

import numpy as np

from fl_node.data.examples import check_parts, held_out, row_hashes
from fl_node.data.read import read_batches
from fl_node.data.schema import Model, Schema


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


def profile(path: Path, schema: Schema, holdout_percent: int = 0) -> Profile:
    """Profiles the data under a path. Memory does not grow with it; what is accepted here, training accepts.

    Args:
        path: The data, as `read_batches` takes it.
        schema: The plan's.
        holdout_percent: The plan's share of rows that only evaluation sees.

    Raises:
        DataError: FL3101 … FL3110, as in training: missing values are counted where the schema fills or drops them.
    """
    rows = missing = complete = held = 0
    values = schema.label.values if schema.label else ()
    counts = np.zeros(len(values), np.int64)
    for batch in read_batches(path, schema):
        rows += batch.rows
        missing += batch.missing
        complete += len(batch.features)
        if values and batch.labels is not None:
            counts += np.bincount(batch.labels.astype(np.int64), minlength=len(values))
        if holdout_percent:
            held += int(np.count_nonzero(held_out(batch, row_hashes(batch), holdout_percent)))
    check_parts(complete, held, holdout_percent, path)
    return Profile(
        rows=rows,
        missing_ppm=missing * 1_000_000 // (rows * len(schema.names)),
        labels=tuple(map(int, counts)),
        schema_digest=schema.digest(),
    )
