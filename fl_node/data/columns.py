"""One column of a file, from Arrow values to numbers for the model, or a refusal that names the row.

Texts, as a CSV file holds them, and typed values, as Parquet does, are read by the same rules: what a value means does
not depend on the file that it stands in. Only `read` loads this module, where rows are read.
"""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.arrays import array_block
from fl_node.data.dates import MICROSECONDS_A_DAY, days
from fl_node.data.raw import Raw, as_numpy, is_text, refuse_first
from fl_node.data.schema import Column

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE: Final = re.compile(r"(-?(?:0|[1-9]\d*))\.0+", re.ASCII)
"""A whole number as programs write it that hold it as a float."""
_BOOLEANS: Final = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}
_LARGEST: Final = float(np.finfo(np.float32).max)
_REFUSED: Final = np.inf
"""Stands for a value that is refused, between its reading and the refusal of the first one."""


def parse_column(column: Column, raw: Raw) -> NDArray[np.float64]:
    """Turns a column into features.

    Returns:
        float64[rows, column.width]; missing values are NaN.

    Raises:
        DataError: FL3104 (type), FL3106 (range), FL3107 (value outside the category) or FL3110 (an array's file) with
            file, row and column.
    """
    if column.type == "category":
        return _one_hot(_categories(column, raw), column.width)
    if column.type == "boolean":
        return _booleans(column, raw).reshape(-1, 1)
    if column.type == "text":
        return _bytes(column, raw)
    if column.type == "array":
        block = array_block(column, raw)
    else:
        numbers = _dates(column, raw) if column.type == "date" else _numbers(column, raw)
        if column.type == "integer":
            broken = (numbers != np.floor(numbers)) & ~np.isnan(numbers)  # a gap is no broken number
            refuse_first(raw, column, broken, codes.WRONG_TYPE, "is no whole number")
        block = numbers.reshape(-1, 1)
    _refuse_beyond(column, raw, block)
    return block


def _refuse_beyond(column: Column, raw: Raw, block: NDArray[np.float64]) -> None:
    held = "" if column.numeric else "holds a number that "
    for bound, text, wrong, side in (
        (column.low, column.minimum, np.less, "below"),
        (column.high, column.maximum, np.greater, "above"),
    ):
        if bound is not None:
            refuse_first(
                raw, column, wrong(block, bound).any(axis=1), codes.VALUE_OUT_OF_RANGE, f"{held}is {side} {text}"
            )


def refuse_too_large(column: Column, raw: Raw, block: NDArray[np.float64]) -> None:
    """Refuses numbers that become infinite where a model reads them, as standardised 32-bit floats.

    Raises:
        DataError: FL3106.
    """
    if column.ranged:
        with np.errstate(over="ignore"):
            standard = (block - float(column.mean or 0)) / float(column.deviation or 1)
        wrong = (np.abs(standard) > _LARGEST).any(axis=1)
        refuse_first(raw, column, wrong, codes.VALUE_OUT_OF_RANGE, "is too large for a model's numbers")


def _numbers(column: Column, raw: Raw) -> NDArray[np.float64]:
    kind = raw.values.type
    if is_text(kind):
        return _from_texts(column, raw)
    if pa.types.is_boolean(kind):
        wrong = as_numpy(raw.values.is_valid())
        refuse_first(raw, column, wrong, codes.WRONG_TYPE, f"where a {column.type} is due")
    numbers = as_numpy(raw.values.cast(pa.float64(), safe=False))
    refuse_first(raw, column, np.isinf(numbers), codes.WRONG_TYPE, "is an infinite number")
    return numbers


def _from_texts(column: Column, raw: Raw) -> NDArray[np.float64]:
    """Read texts as numbers: at once where all of them are, in steps where some are missing, have spaces or are wrong.

    Both ways read the same number, the nearest one, from the same text.
    """
    if raw.decimal == "." and not any(_NUMBER.fullmatch(word) for word in raw.missing):
        try:
            numbers = as_numpy(raw.values.cast(pa.float64()))
        except pa.ArrowInvalid:
            pass
        else:
            if np.isfinite(numbers).all():
                return numbers
    texts = pc.utf8_trim_whitespace(raw.values)
    missing = pc.is_in(pc.utf8_lower(texts), pa.array(sorted(raw.missing), texts.type))
    texts = pc.if_else(missing, pa.scalar(None, texts.type), texts)
    if raw.decimal != ".":  # a point is then no decimal mark, and nothing else
        texts = pc.replace_substring(pc.replace_substring(texts, ".", "\0"), raw.decimal, ".")
    gaps = as_numpy(texts.is_null())
    try:
        numbers = as_numpy(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        numbers = np.array([np.nan if text is None else _number(text) for text in texts.to_pylist()])
    wrong = ~np.isfinite(numbers) & ~gaps
    refuse_first(raw, column, wrong, codes.WRONG_TYPE, f"where a {column.type} is due")
    return numbers


def _number(text: str) -> float:
    return float(text) if _NUMBER.fullmatch(text) else _REFUSED


def _dates(column: Column, raw: Raw) -> NDArray[np.float64]:
    kind = raw.values.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        return as_numpy(raw.values.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())) / MICROSECONDS_A_DAY

    def meaning(value: Any) -> float:
        text = text_of(value)
        if text.lower() in raw.missing:
            return np.nan
        found = days(text, raw.dates) if isinstance(value, str) else None
        return _REFUSED if found is None else found

    found = _by_value(raw.values, meaning)
    written = raw.dates or "2024-02-29 or 2024-02-29T12:30"
    refuse_first(raw, column, found == _REFUSED, codes.WRONG_TYPE, f"where a date is due, written as {written}")
    return found


def _bytes(column: Column, raw: Raw) -> NDArray[np.float64]:
    length = column.width
    rows = [_bytes_of(value, raw.missing) for value in raw.values.to_pylist()]
    packed = b"".join(b"" if row is None else row[:length].ljust(length, b"\0") for row in rows)
    missing = np.array([row is None for row in rows], np.bool_)
    block = np.full((len(rows), length), np.nan)
    block[~missing] = np.frombuffer(packed, np.uint8).reshape(-1, length)
    return block


def _bytes_of(value: Any, missing: frozenset[str]) -> bytes | None:
    if isinstance(value, bytes):
        return value
    text = "" if value is None or value != value else text_of(value)  # noqa: PLR0124 - NaN
    return None if text.lower() in missing else text.encode()


def series_keys(raw: Raw) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Returns uint64[rows], the first eight bytes of the SHA-256 of each row's series, and where it is missing."""
    encoded = raw.values.dictionary_encode()
    texts = ["" if value != value else _whole(text_of(value)) for value in as_numpy(encoded.dictionary)]  # noqa: PLR0124
    digests = [hashlib.sha256(text.encode()).digest()[:8] for text in (*texts, "")]
    keys = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    lacking = np.array([*(text.lower() in raw.missing for text in texts), True])
    index = as_numpy(encoded.indices.fill_null(len(texts)))
    return keys[index], lacking[index]


def _booleans(column: Column, raw: Raw) -> NDArray[np.float64]:
    def meaning(value: Any) -> float:
        text = text_of(value)
        known = _BOOLEANS.get(_whole(text).lower())
        return known if known is not None else np.nan if text.lower() in raw.missing else _REFUSED

    found = _by_value(raw.values, meaning)
    refuse_first(raw, column, found == _REFUSED, codes.WRONG_TYPE, "where a boolean is due")
    return found


def _categories(column: Column, raw: Raw) -> NDArray[np.float64]:
    """Return the index of every value in the category's."""
    index = {value: float(position) for position, value in enumerate(column.values)}
    wholes: dict[str, list[float]] = {}
    for value, position in index.items():
        wholes.setdefault(_whole(value), []).append(position)

    def meaning(value: Any) -> float:
        text = text_of(value, index)
        if text in index:  # before the words for a missing value: the consortium may list one of them
            return index[text]
        if text.lower() in raw.missing:
            return np.nan
        equal = wholes.get(_whole(text), [])
        return equal[0] if len(equal) == 1 else _REFUSED

    found = _by_value(raw.values, meaning)
    known = ", ".join(column.values[:10])
    refuse_first(raw, column, found == _REFUSED, codes.UNKNOWN_LABEL, f"is none of {known}")
    return found


def _by_value(values: Any, meaning: Callable[[Any], float]) -> NDArray[np.float64]:
    """Apply a function to every value, once where values are equal; NaN for null and for NaN."""
    encoded = values.dictionary_encode()
    different = as_numpy(encoded.dictionary)
    table = np.array([*(np.nan if value != value else meaning(value) for value in different), np.nan])  # noqa: PLR0124
    found: NDArray[np.float64] = table[as_numpy(encoded.indices.fill_null(len(different)))]
    return found


def _one_hot(index: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    encoded = np.zeros((len(index), width))
    present = np.flatnonzero(~np.isnan(index))
    encoded[present, index[present].astype(np.intp)] = 1.0
    encoded[np.isnan(index)] = np.nan
    return encoded


def text_of(value: Any, listed: Any = ()) -> str:
    """Return a value as it would stand in a CSV file; of booleans as they are listed, if they are."""
    if isinstance(value, bool | np.bool_):
        word = "true" if value else "false"
        return next((text for text in (word, word.title()) if text in listed), "1" if value else "0")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _whole(text: str) -> str:
    """Return `2` for `2.0`, any other text as it is."""
    found = _WHOLE.fullmatch(text)
    return found[1] if found else text
