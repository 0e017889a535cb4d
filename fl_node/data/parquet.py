"""Columns of a Parquet file. Imports pyarrow: only `read` loads this module, and only where Parquet is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from fl_node import codes
from fl_node.data.columns import MISSING, Raw
from fl_node.data.errors import data_error

MAX_VALUES: Final = 1 << 28
"""The most values of one file, 2 GiB as the numbers that a model reads."""

_TYPES: Final = pa.types
READ: Final = (
    _TYPES.is_string,
    _TYPES.is_large_string,
    _TYPES.is_boolean,
    _TYPES.is_decimal,
    _TYPES.is_integer,
    _TYPES.is_floating,
)
"""The types of columns that are read, as themselves or as a dictionary's values."""


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """Opens a Parquet file.

    Raises:
        DataError: FL3102 where it is none, or breaks off.
    """
    try:
        with pyarrow.parquet.ParquetFile(file) as source:
            yield source
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a text that is no UTF-8
        raise data_error(codes.DATA_UNREADABLE, f"no readable Parquet: {error}", str(file)) from error


def columns(source: Any, wanted: list[str], file: str) -> dict[str, Raw]:
    """Reads columns by name.

    Raises:
        DataError: FL3104 for a column of a type that has no numbers, booleans or texts, FL3102 where the file announces
            more values than are read: repetition takes no place in a file, and a few kilobytes can hold billions.
    """
    for name in wanted:  # before anything is read: a group without fields has no column at all
        _check_type(source.schema_arrow.field(name).type, name, file)
    if source.metadata.num_rows * len(wanted) > MAX_VALUES:
        text = f"{source.metadata.num_rows} rows of {len(wanted)} columns: at most {MAX_VALUES} values are read"
        raise data_error(codes.DATA_UNREADABLE, text, file)
    table = source.read(columns=wanted)
    return {name: _raw(table.column(name), file) for name in wanted}


def _check_type(kind: Any, name: str, file: str) -> None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not any(fits(kind) for fits in READ):
        raise data_error(codes.WRONG_TYPE, f"columns of type {kind} are not read", f"{file}, column {name}")


def _raw(column: Any, file: str) -> Raw:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    missing = column.is_null(nan_is_null=True).to_numpy()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        texts = [value.strip() if isinstance(value, str) else value for value in column.to_pylist()]
        blank = [isinstance(text, str) and text.lower() in MISSING for text in texts]
        return Raw(np.array([*texts, None], dtype=np.object_)[:-1], missing | np.array(blank, dtype=np.bool_), file)
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    return Raw(column.fill_null(0).to_numpy(), missing, file)
