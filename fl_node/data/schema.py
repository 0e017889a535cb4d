"""The schema of a participant's rows: names, types, ranges, labels. Part of the plan, and of its digest."""

import hashlib
from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fl_node.canonical import canonical_json
from fl_node.data.fields import Column, Decimal, Label, Model, Name

__all__ = ["MISSING", "Column", "Decimal", "Label", "Missing", "Model", "Name", "Schema", "Window"]

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


class Window(Model):
    """How rows are steps of time series, and what of them a model reads.

    Attributes:
        time: The column of a row's time; it is a feature only where it is among the columns too.
        unit: Whether the time is a date, in days, or a whole number, of a week say.
        series: The column that names the series a row belongs to; None: all rows are one.
        history: How many successive steps a model reads.
        horizon: How many steps after them it foretells: the label of each is one number of the window's label.
        step: The time from one step to the next, decimal text; None: the next row is the next step.
    """

    LATER = frozenset({"series", "step"})

    time: Name
    unit: Literal["date", "integer"] = "date"
    series: Name | None = None
    history: int = Field(ge=1, le=10_000)
    horizon: int = Field(ge=1, le=1000)
    step: Decimal | None = None

    @property
    def column(self) -> Column:
        """The time as a column."""
        return Column(name=self.time, type=self.unit)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that put rows in order."""
        return (self.time, self.series) if self.series is not None else (self.time,)

    def shown(self, time: float) -> str:
        """Return a time for people."""
        return str(np.datetime64(0, "D") + np.timedelta64(int(time), "D")) if self.unit == "date" else f"{time:g}"


class Schema(Model):
    """All columns of a row. Its digest is the SHA-256 of its canonical JSON.

    Attributes:
        columns: The features, in the order of the model's input.
        label: What is learned; None for models that need none, or learn several.
        missing: What becomes of missing values.
        labels: What is learned, where that is more than one label.
        window: How rows are steps of time series; None: each row stands for itself. The label, one number, may then be
            a column as well: a model foretells it from its past.
    """

    LATER = frozenset({"missing", "labels", "window"})

    columns: tuple[Column, ...] = Field(min_length=1, max_length=100_000, strict=False)
    label: Label | None = None
    missing: Missing = Missing()
    labels: tuple[Label, ...] = Field(default=(), strict=False, max_length=1000)
    window: Window | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        features, labels = ([column.name for column in some] for some in (self.columns, self.label_columns))
        alone = features if self.window else [*features, *labels]
        if len(set(alone)) != len(alone) or len(set(labels)) != len(labels):
            raise ValueError("a column's name stands twice")
        if self.window and (len(labels) != 1 or (self.label and self.label.indexed)):
            raise ValueError("a window foretells one number: a label that is a float, or a count without exposure")
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
        """Every column's name: the features', the labels', then those that put rows in order."""
        columns = tuple(column.name for column in (*self.columns, *self.label_columns))
        return columns + (self.window.names if self.window else ())

    @property
    def width(self) -> int:
        """How many features the model reads at once, of a row or of a window's history."""
        return sum(column.width for column in self.columns) * (self.window.history if self.window else 1)

    @property
    def label_shape(self) -> tuple[int, ...]:
        """The shape of the label for the model: () for one number, (n,) for several or for n steps, (0,) for none."""
        numbers = self.window.horizon if self.window else len(self.label_columns)
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
