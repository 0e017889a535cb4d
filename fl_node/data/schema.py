"""The schema of a participant's rows: names, types, ranges, label. Part of the plan, and of its digest.

Numbers are decimal text, because the manifest is canonical JSON and holds no floats.
"""

import hashlib
import math
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from fl_node.canonical import canonical_json


def _decimal(text: str) -> str:
    if not math.isfinite(float(text)):
        raise ValueError("a finite decimal number is needed")
    return text


Decimal = Annotated[str, Field(max_length=40), AfterValidator(_decimal)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


MISSING: Final = ("", "na", "nan", "none", "null")
"""Texts that stand for a missing value, in any case, where a schema lists none of its own."""


class Model(BaseModel):
    """Base of everything that stands in a manifest: strict, frozen, nothing extra.

    Attributes:
        LATER: Fields that plans of the first kind do not have. They are written only where they say something, so that
            a plan and its digest stay what they were.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    LATER: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        silent = {name for name in self.LATER if getattr(self, name) == fields[name].default}
        return {name: value for name, value in written.items() if name not in silent}


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


class Column(Model):
    """One feature column.

    Attributes:
        name: Its name in the file.
        type: `float`, `integer`, `boolean` or `category`. A category becomes one 0/1 feature per value.
        minimum: Smallest allowed value, decimal text (numbers only).
        maximum: Largest allowed value, decimal text (numbers only).
        values: The allowed values of a category, in the order of its features.
        mean: Subtracted before training, decimal text (numbers only).
        deviation: Divided by after that, decimal text above zero (numbers only).
        fill: What a missing value counts as, as it would stand in a file; None: it stays missing.
    """

    LATER = frozenset({"fill"})

    name: Name
    type: Literal["float", "integer", "boolean", "category"] = "float"
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    values: tuple[Name, ...] = Field(default=(), strict=False)
    mean: Decimal | None = None
    deviation: Decimal | None = None
    fill: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.type == "category") != bool(self.values):
            raise ValueError(f"column {self.name}: values are for categories, and needed there")
        if len(set(self.values)) != len(self.values):
            raise ValueError(f"column {self.name}: a value stands twice")
        if not self.numeric and any((self.minimum, self.maximum, self.mean, self.deviation)):
            raise ValueError(f"column {self.name}: range and standardisation are for numbers")
        if self.minimum and self.maximum and float(self.minimum) > float(self.maximum):
            raise ValueError(f"column {self.name}: the range is empty")
        if (self.mean is None) != (self.deviation is None) or (self.deviation and float(self.deviation) <= 0):
            raise ValueError(f"column {self.name}: standardise with a mean and a deviation above zero")
        if self.fill is not None and not self._holds(self.fill):
            raise ValueError(f"column {self.name}: {self.fill!r}, which fills gaps, is no value of it")
        return self

    def _holds(self, text: str) -> bool:
        if self.type == "category":
            return text in self.values
        if self.type == "boolean":
            return text in {"true", "false"}
        try:
            number = float(_decimal(text))
        except ValueError:
            return False
        low, high = float(self.minimum or "-inf"), float(self.maximum or "inf")
        return low <= number <= high and (self.type == "float" or number.is_integer())

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers that have a range."""
        return self.type in {"float", "integer"}

    @property
    def width(self) -> int:
        """How many model features the column becomes."""
        return len(self.values) or 1


class Label(Model):
    """The label column: a category (class index, int32) or a float (regression, float32)."""

    name: Name
    type: Literal["category", "float"] = "category"
    values: tuple[Name, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.type == "category") != bool(self.values) or len(set(self.values)) != len(self.values):
            raise ValueError(f"label {self.name}: a category needs its values, each once; a float has none")
        return self

    def as_column(self) -> Column:
        """The label read as a column of one feature."""
        return Column(name=self.name, type=self.type, values=self.values)


class Schema(Model):
    """All columns of a row. Its digest is the SHA-256 of its canonical JSON.

    Attributes:
        columns: The features, in the order of the model's input.
        label: What is learned; None for models that need none.
        missing: What becomes of missing values.
    """

    LATER = frozenset({"missing"})

    columns: tuple[Column, ...] = Field(min_length=1, max_length=10_000, strict=False)
    label: Label | None = None
    missing: Missing = Missing()

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError("a column's name stands twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Every column's name, the label's last."""
        label = (self.label.name,) if self.label else ()
        return tuple(column.name for column in self.columns) + label

    @property
    def width(self) -> int:
        """How many features a row has for the model."""
        return sum(column.width for column in self.columns)

    @property
    def label_dtype(self) -> np.dtype[np.int32] | np.dtype[np.float32] | None:
        """The label's dtype for the model, None without a label."""
        if self.label is None:
            return None
        return np.dtype(np.int32) if self.label.type == "category" else np.dtype(np.float32)

    def digest(self) -> str:
        """The schema's digest, 64 hex digits.

        Standardisation constants are left out: they do not change what data fits.
        """
        fits = self.model_dump(mode="json", exclude={"columns": {"__all__": {"mean", "deviation"}}})
        return hashlib.sha256(canonical_json(fits)).hexdigest()
