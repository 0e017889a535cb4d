"""The data profile that a participant applies with: what vetting may know about rows that nobody else sees."""

from pathlib import Path

import numpy as np

from fl_node.data.read import read_table
from fl_node.data.schema import Model, Schema


class Profile(Model):
    """What `Apply` carries.

    Attributes:
        rows: Rows in all files, incomplete ones included.
        missing_ppm: Missing values in a million.
        labels: Complete rows per label, in the schema's order; empty for regression or without a label.
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


def profile(path: Path, schema: Schema) -> Profile:
    """Profiles the data under a path.

    Raises:
        DataError: FL3101 … FL3108; missing values are counted, not refused.
    """
    table = read_table(path, schema, count_missing=True)
    counts: tuple[int, ...] = ()
    if schema.label and schema.label.values and table.labels is not None:
        found = np.bincount(table.labels.astype(np.int64), minlength=len(schema.label.values))
        counts = tuple(int(count) for count in found)
    cells = table.rows * len(schema.names)
    return Profile(
        rows=table.rows, missing_ppm=table.missing * 1_000_000 // cells, labels=counts, schema_digest=schema.digest()
    )
