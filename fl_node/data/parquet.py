"""Rows of a Parquet file, streamed. Only `read` loads this module, where rows are read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet

from fl_node import codes
from fl_node.data.errors import data_error

MAX_VALUES: Final = 1 << 28
"""The most values of one file, 2 GiB as the numbers that a model reads."""

BUFFER_BYTES: Final = 1 << 18
"""How much of each column is held while its pages are decoded."""

_TYPES: Final = pa.types
READ: Final = (
    _TYPES.is_string,
    _TYPES.is_large_string,
    _TYPES.is_boolean,
    _TYPES.is_decimal,
    _TYPES.is_integer,
    _TYPES.is_floating,
    _TYPES.is_null,
)
"""The types of columns that are read, as themselves or as a dictionary's values."""


class ParquetFile:
    """A Parquet file: its header, and its rows as arrays.

    Args:
        path: The file.
        rows: At most so many rows are read at once.

    Raises:
        DataError: FL3102 where it is none.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self._path = path
        self._rows = rows
        with self._opened() as source:
            self.header: list[str] = list(source.schema_arrow.names)

    def batches(self, places: Sequence[int]) -> Iterator[list[Any]]:
        """Read columns by their places in the header: lists of arrays, none of them a dictionary's.

        Raises:
            DataError: FL3104 for a column of a type that has no numbers, booleans or texts, FL3102 for a damaged file,
                or one that announces more values than are read: repetition takes no place in a file, and a few
                kilobytes can hold billions.
        """
        with self._opened() as source:
            for at in places:  # before anything is read: a group without fields has no column at all
                self._check_type(source.schema_arrow.field(at))
            if source.metadata.num_rows * len(places) > MAX_VALUES:
                text = f"{source.metadata.num_rows} rows of {len(places)} columns: at most {MAX_VALUES} values are read"
                raise data_error(codes.DATA_UNREADABLE, text, str(self._path))
            names = [self.header[at] for at in places]
            for batch in source.iter_batches(batch_size=self._rows, columns=names, use_threads=False):
                yield [_plain(batch.column(batch.schema.get_field_index(name))) for name in names]

    def _check_type(self, field: Any) -> None:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not any(fits(kind) for fits in READ):
            raise data_error(
                codes.WRONG_TYPE, f"columns of type {kind} are not read", f"{self._path}, column {field.name}"
            )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with pyarrow.parquet.ParquetFile(self._path, buffer_size=BUFFER_BYTES, pre_buffer=False) as source:
                yield source
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a name that is no UTF-8
            raise data_error(codes.DATA_UNREADABLE, f"no readable Parquet: {error}", str(self._path)) from error


def _plain(column: Any) -> Any:
    """Return an array of booleans, integers, floats or texts that are UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    column.validate(full=True)
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column
