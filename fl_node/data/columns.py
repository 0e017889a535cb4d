"""One column of a file, from text or Arrow values to numbers for the model, or a refusal that names the row."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.errors import DataError, data_error
from fl_node.data.schema import Column

MISSING: Final = frozenset({"", "na", "nan", "null", "none"})
"""Texts that stand for a missing value, in any case."""

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_BOOLEANS: Final = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


@dataclass(frozen=True)
class Raw:
    """A column as it stands in one file: text objects, or numbers and booleans as numpy holds them.

    Attributes:
        values: One per row; anything where `missing` is set.
        missing: Which rows have no value.
        file: Where it was read, for errors.
        first_row: Number of the first row in the file, 1 for the first one under a header.
    """

    values: NDArray[Any]
    missing: NDArray[np.bool_]
    file: str
    first_row: int = 1

    def refuse(self, code: str, message: str, row: int, column: str) -> DataError:
        """Builds the refusal of one value."""
        return data_error(code, message, f"{self.file}, row {row + self.first_row}, column {column}")


def from_texts(texts: list[str], file: str) -> Raw:
    """Takes a column of a text file; white space around a value does not count."""
    values = np.array([*(text.strip() for text in texts), None], dtype=np.object_)[:-1]
    return Raw(values, np.array([text.lower() in MISSING for text in values], dtype=np.bool_), file)


def parse_column(column: Column, raw: Raw) -> NDArray[np.float64]:
    """Turns a column into features.

    Returns:
        float64[rows, column.width]; missing values are NaN.

    Raises:
        DataError: FL3104 (type), FL3106 (range) or FL3107 (value outside the category) with file, row and column.
    """
    if column.type == "category":
        return _categories(column, raw)
    numbers = _parse(raw, column, _boolean if column.type == "boolean" else _number)
    if column.type == "integer":
        _refuse_first(raw, column, numbers != np.floor(numbers), codes.WRONG_TYPE, "no whole number")
    if column.minimum is not None:
        _refuse_first(raw, column, numbers < float(column.minimum), codes.VALUE_OUT_OF_RANGE, f"below {column.minimum}")
    if column.maximum is not None:
        _refuse_first(raw, column, numbers > float(column.maximum), codes.VALUE_OUT_OF_RANGE, f"above {column.maximum}")
    return numbers.reshape(-1, 1)


def _parse(raw: Raw, column: Column, convert: Callable[[Any], float | None]) -> NDArray[np.float64]:
    present = ~raw.missing
    numbers = np.full(len(raw.values), np.nan)
    if raw.values.dtype.kind in "iuf" and column.numeric:
        numbers[present] = raw.values[present].astype(np.float64)
        _refuse_first(raw, column, np.isinf(numbers), codes.WRONG_TYPE, "an infinite number")
        return numbers
    for row in np.flatnonzero(present):
        number = convert(raw.values[row])
        if number is None:
            raise raw.refuse(
                codes.WRONG_TYPE, f"{_short(raw.values[row])} where a {column.type} is due", int(row), column.name
            )
        numbers[row] = number
    return numbers


def _number(value: Any) -> float | None:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    number = float(value)
    return number if np.isfinite(number) else None


def _boolean(value: Any) -> float | None:
    return _BOOLEANS.get(_text(value).lower())


def _categories(column: Column, raw: Raw) -> NDArray[np.float64]:
    index = {value: position for position, value in enumerate(column.values)}
    encoded = np.zeros((len(raw.values), column.width))
    for row, (value, missing) in enumerate(zip(raw.values, raw.missing, strict=True)):
        if missing:
            encoded[row] = np.nan
            continue
        position = index.get(_text(value))
        if position is None:
            known = ", ".join(column.values[:10])
            raise raw.refuse(codes.UNKNOWN_LABEL, f"{_short(value)} is none of {known}", row, column.name)
        encoded[row, position] = 1.0
    return encoded


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "1" if value else "0"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _refuse_first(raw: Raw, column: Column, wrong: NDArray[np.bool_], code: str, reason: str) -> None:
    rows = np.flatnonzero(wrong & ~raw.missing)
    if rows.size:
        raise raw.refuse(code, f"{_short(raw.values[rows[0]])} is {reason}", int(rows[0]), column.name)


def _short(value: Any) -> str:
    return repr(str(value)[:40])
