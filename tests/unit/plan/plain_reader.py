"""The first reader of this project, in plain Python, without streaming: what it reads, every later one reads the same.

An oracle for tests. It knows CSV and Parquet, complete rows, and the columns of plans before `Schema.missing`.
"""

import csv
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from fl_node.data.schema import MISSING, Column, Schema

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The first reader did not read this."""


def read(file: Path, schema: Schema) -> tuple[np.ndarray, np.ndarray | None]:
    """Read features, float64[rows, width], and labels, float64[rows]."""
    values = _parquet(file, schema) if file.suffix == ".parquet" else _csv(file, schema)
    columns = [*schema.columns, *schema.label_columns]
    blocks = [_encoded(column, values[column.name]) for column in columns]
    if not len(blocks[0]):
        raise Refused("no row")
    features = np.concatenate(blocks[: len(schema.columns)], axis=1)
    if schema.label is None:
        return features, None
    label = blocks[-1]
    return features, label.argmax(axis=1).astype(np.float64) if schema.label.type == "category" else label[:, 0]


def split_digest(file: Path, schema: Schema, holdout_percent: int) -> str:
    """Hash what a model would read: both parts in their order, features and labels."""
    features, labels = read(file, schema)
    rows = np.ascontiguousarray(
        np.column_stack([features, np.zeros(len(features)) if labels is None else labels]).astype("<f8") + 0.0
    )
    digests = b"".join(hashlib.sha256(row.tobytes()).digest()[:8] for row in rows)
    places = np.frombuffer(digests, dtype=">u8").astype(np.uint64)
    order = np.argsort(places, kind="stable")
    held = places[order] % 10_000 < holdout_percent * 100
    found = hashlib.sha256()
    for part in (order[~held], order[held]):
        found.update(_standard(features[part], schema).tobytes())
        found.update(b"" if labels is None else labels[part].astype(schema.label_dtype).tobytes())
    return found.hexdigest()


def _standard(features: np.ndarray, schema: Schema) -> np.ndarray:
    means = np.array([float(column.mean or 0) for column in schema.columns for _ in range(column.width)])
    deviations = np.array([float(column.deviation or 1) for column in schema.columns for _ in range(column.width)])
    return ((features - means) / deviations).astype(np.float32)


def _csv(file: Path, schema: Schema) -> dict[str, list[Any]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = [*csv.reader(stream, strict=True)] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused from error
    while rows and not rows[-1]:
        rows.pop()
    if any(header.count(name) != 1 for name in schema.names) or any(len(row) != len(header) for row in rows):
        raise Refused("columns")
    return {name: [row[header.index(name)].strip() for row in rows] for name in schema.names}


def _parquet(file: Path, schema: Schema) -> dict[str, list[Any]]:
    table = parquet.read_table(file, columns=list(schema.names))
    return {
        name: [v.strip() if isinstance(v, str) else v for v in table.column(name).to_pylist()] for name in schema.names
    }


def _encoded(column: Column, values: list[Any]) -> np.ndarray:
    if any(value is None or str(value).lower() in MISSING for value in values):
        raise Refused("missing")
    if column.type == "category":
        index = {value: position for position, value in enumerate(column.values)}
        places = _each(values, lambda value: index.get(_text(value)))
        return np.eye(column.width)[places.astype(int)]
    if column.type == "boolean":
        return _each(values, lambda value: BOOLEANS.get(_text(value).lower())).reshape(-1, 1)
    numbers = _each(values, _number)
    low, high = float(column.minimum or "-inf"), float(column.maximum or "inf")
    if column.type == "integer" and (numbers != np.floor(numbers)).any():
        raise Refused("no whole number")
    if ((numbers < low) | (numbers > high)).any():
        raise Refused("range")
    if (np.abs(numbers) > 1e38).any():
        raise Refused("read at first, but as infinite")
    return numbers.reshape(-1, 1)


def _each(values: list[Any], meaning: Callable[[Any], float | None]) -> np.ndarray:
    found = [meaning(value) for value in values]
    if None in found:
        raise Refused("a value")
    return np.array(found, np.float64)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or (isinstance(value, str) and not NUMBER.fullmatch(value)):
        return None
    number = float(value)
    return number if np.isfinite(number) else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
