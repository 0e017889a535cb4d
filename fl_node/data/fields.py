"""One field of a row: a feature column or a label. Numbers are decimal text: canonical JSON holds no floats."""

import math
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from fl_node.data.dates import days

LEAST_EXPOSURE: Final = "0.000001"
"""The smallest exposure of a count, which its rate is divided by."""

MAX_WIDTH: Final = 1 << 24
"""The most features that one column becomes: a colour picture of 2,364 by 2,364 pixels."""


def _decimal(text: str) -> str:
    if not math.isfinite(float(text)):
        raise ValueError("a finite decimal number is needed")
    return text


def _is_decimal(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _bound(text: str) -> str:
    return text if days(text) is not None else _decimal(text)


Decimal = Annotated[str, Field(max_length=40), AfterValidator(_decimal)]
Bound = Annotated[str, Field(max_length=40), AfterValidator(_bound)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Side = Annotated[int, Field(ge=1, le=MAX_WIDTH)]


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


class Column(Model):
    """One feature column.

    Attributes:
        name: Its name in the file.
        type: What its values are:
            `float`, `integer`: numbers.
            `boolean`: 0 or 1.
            `category`: one of `values`; one 0/1 feature for each of them.
            `date`: a date or time; days since 1970-01-01 in UTC, a fraction for the time of day.
            `text`: its UTF-8 bytes, 0 to 255, one feature each; cut, or filled up with zeros, to `length`.
            `array`: numbers of one `shape`, row by row: a list in Parquet, or the name of a `.npy` or `.png` file.
        minimum: Smallest allowed value, decimal text, of a date ISO 8601 (numbers, dates, elements of arrays).
        maximum: Largest allowed value, likewise.
        values: The allowed values of a category, in the order of its features.
        mean: Subtracted before training, decimal text (numbers, days of a date, elements of arrays).
        deviation: Divided by after that, decimal text above zero.
        fill: What a missing value counts as, as it would stand in a file; of an array one number, that of every
            element. None: it stays missing.
        length: How many bytes of a text are read.
        shape: An array's shape; of a picture (height, width), or (height, width, channels).
    """

    LATER = frozenset({"fill", "length", "shape"})

    name: Name
    type: Literal["float", "integer", "boolean", "category", "date", "text", "array"] = "float"
    minimum: Bound | None = None
    maximum: Bound | None = None
    values: tuple[Name, ...] = Field(default=(), strict=False)
    mean: Decimal | None = None
    deviation: Decimal | None = None
    fill: Name | None = None
    length: Side | None = None
    shape: tuple[Side, ...] = Field(default=(), strict=False, max_length=4)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for fault in self._faults():
            raise ValueError(f"column {self.name}: {fault}")
        return self

    def _faults(self) -> list[str]:
        bounds = [text for text in (self.minimum, self.maximum) if text is not None]
        checks = {
            "values are for categories, and needed there": (self.type == "category") != bool(self.values),
            "a value stands twice": len(set(self.values)) != len(self.values),
            "length is for texts, and needed there": (self.type == "text") != (self.length is not None),
            "shape is for arrays, and needed there": (self.type == "array") != bool(self.shape),
            f"more than {MAX_WIDTH} numbers": self.width > MAX_WIDTH,
            "range and standardisation are for numbers": not self.ranged
            and any((self.minimum, self.maximum, self.mean, self.deviation)),
            "the range of dates is dates, any other is numbers": any(
                days(text) is None if self.type == "date" else not _is_decimal(text) for text in bounds
            ),
        }
        return [fault for fault, wrong in checks.items() if wrong] or self._faults_of_numbers()

    def _faults_of_numbers(self) -> list[str]:
        low, high = self.low, self.high
        checks = {
            "the range is empty": low is not None and high is not None and low > high,
            "standardise with a mean and a deviation above zero": (self.mean is None) != (self.deviation is None)
            or (self.deviation is not None and float(self.deviation) <= 0),
            f"{self.fill!r}, which fills gaps, is no value of it": self.fill is not None and not self._holds(self.fill),
        }
        return [fault for fault, wrong in checks.items() if wrong]

    def _holds(self, text: str) -> bool:
        if self.type == "category":
            return text in self.values
        if self.type in {"boolean", "text"}:
            return self.type == "text" or text in {"true", "false"}
        number = days(text) if self.type == "date" else float(text) if _is_decimal(text) else None
        if number is None or (self.type == "integer" and not number.is_integer()):
            return False
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    @property
    def numeric(self) -> bool:
        """Whether a value is one number that has a range."""
        return self.type in {"float", "integer", "date"}

    @property
    def ranged(self) -> bool:
        """Whether a value is a number, or numbers, that have a range."""
        return self.numeric or self.type == "array"

    @property
    def low(self) -> float | None:
        """The smallest allowed value as the model's number."""
        return self._number(self.minimum)

    @property
    def high(self) -> float | None:
        """The largest allowed value as the model's number."""
        return self._number(self.maximum)

    @property
    def width(self) -> int:
        """How many model features the column becomes."""
        return math.prod(self.shape) if self.shape else self.length or len(self.values) or 1

    def _number(self, text: str | None) -> float | None:
        if text is None:
            return None
        return days(text) if self.type == "date" else float(text)


class Label(Model):
    """A label column.

    Attributes:
        name: Its name in the file.
        type: `category`: the index of one of `values`. `ordinal`: the same, where their order means something. `float`:
            a number. `count`: a whole number from 0 on, of events in a time or a quantity that `exposure` gives.
        values: The allowed values of a category or ordinal label, in order.
        exposure: The column of a count's exposure, from 0.000001 on; the model reads both. None: all are alike.
    """

    LATER = frozenset({"exposure"})

    name: Name
    type: Literal["category", "float", "ordinal", "count"] = "category"
    values: tuple[Name, ...] = Field(default=(), strict=False)
    exposure: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.indexed != bool(self.values) or len(set(self.values)) != len(self.values):
            raise ValueError(f"label {self.name}: a category needs its values, each once; a number has none")
        if self.exposure is not None and self.type != "count":
            raise ValueError(f"label {self.name}: an exposure is of a count")
        return self

    @property
    def indexed(self) -> bool:
        """Whether it is an index into its values."""
        return self.type in {"category", "ordinal"}

    def as_columns(self) -> tuple[Column, ...]:
        """The label read as columns, each of which gives one number; its exposure after it."""
        if self.indexed:
            return (Column(name=self.name, type="category", values=self.values),)
        if self.type == "float":
            return (Column(name=self.name),)
        count = Column(name=self.name, type="integer", minimum="0")
        return (count, Column(name=self.exposure, minimum=LEAST_EXPOSURE)) if self.exposure else (count,)
