"""The schema of a participant's rows: names, types, ranges, labels. Part of the plan, and of its digest."""

import hashlib
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fl_node.canonical import canonical_json
from fl_node.data.fields import Column, Decimal, Label, Model, Name

__all__ = ["MISSING", "Column", "Decimal", "Label", "Missing", "Model", "Name", "Schema"]

MISSING: Final = ("", "na", "nan", "none", "null")
"""Texts that stand for a missing value, in any case, where a schema lists none of its own."""


class Missing(Model):
    """What becomes of missing values.

    Attributes:
        words: Texts that stand for a missing value, in any case; an empty field always does.
        rows: Whether a row with a missing value that its column does not fill is refused with all the data, or dropped.
    """

    words: tuple[Annotated[str, Field(max_length=100)], ...] = Field(default=MISSING, strict=False)
    rows: Literal["refuse", "drop"] = "refuse"

    @property
    def known(self) -> frozenset[str]:
        """The words in small letters, the empty one with them."""
        return frozenset({"", *(word.strip().lower() for word in self.words)})


class Schema(Model):
    """All columns of a row. Its digest is the SHA-256 of its canonical JSON.

    Attributes:
        columns: The features, in the order of the model's input.
        label: What is learned; None for models that need none, or learn several.
        missing: What becomes of missing values.
        labels: What is learned, where that is more than one label.
    """

    LATER = frozenset({"missing", "labels"})

    columns: tuple[Column, ...] = Field(min_length=1, max_length=100_000, strict=False)
    label: Label | None = None
    missing: Missing = Missing()
    labels: tuple[Label, ...] = Field(default=(), strict=False, max_length=1000)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError("a column's name stands twice")
        if self.labels and (self.label or len(self.labels) == 1):
            raise ValueError("one label is `label`; several are `labels`")
        return self

    @property
    def label_columns(self) -> tuple[Column, ...]:
        """What the labels are read as, each column one number."""
        labels = (self.label,) if self.label else self.labels
        return tuple(column for label in labels for column in label.as_columns())

    @property
    def names(self) -> tuple[str, ...]:
        """Every column's name, the labels' last."""
        return tuple(column.name for column in (*self.columns, *self.label_columns))

    @property
    def width(self) -> int:
        """How many features a row has for the model."""
        return sum(column.width for column in self.columns)

    @property
    def label_shape(self) -> tuple[int, ...]:
        """The shape of a row's label for the model: () for one number, (n,) for several, (0,) without a label."""
        numbers = len(self.label_columns)
        return () if numbers == 1 else (numbers,)

    @property
    def label_dtype(self) -> np.dtype[np.int32] | np.dtype[np.float32] | None:
        """The label's dtype for the model: int32 for one index, float32 for any other, None without a label."""
        if not self.label_columns:
            return None
        return np.dtype(np.int32) if self.label and self.label.indexed else np.dtype(np.float32)

    def digest(self) -> str:
        """The schema's digest, 64 hex digits.

        Standardisation constants are left out: they do not change what data fits.
        """
        fits = self.model_dump(mode="json", exclude={"columns": {"__all__": {"mean", "deviation"}}})
        return hashlib.sha256(canonical_json(fits)).hexdigest()
