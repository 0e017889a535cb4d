"""Rows of a Parquet file, streamed. Only `read` loads this module, where rows are read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet

from fl_node import codes
from fl_node.data.arrays import holds_numbers
from fl_node.data.errors import data_error
from fl_node.data.raw import is_text
from fl_node.data.schema import Column

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
"""The types that columns of any kind are read from, as themselves or as a dictionary's values."""

_ALSO: Final[Mapping[str, Sequence[Callable[[Any], bool]]]] = {
    "date": (_TYPES.is_date, _TYPES.is_timestamp),
    "text": (_TYPES.is_binary, _TYPES.is_large_binary),
}
"""The types that one kind of column is read from."""


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
            self.kinds: list[Any] = list(source.schema_arrow.types)
            """The Arrow type of each column."""

    def batches(self, places: Sequence[int], columns: Sequence[Column]) -> Iterator[list[Any]]:
        """Read columns by their places in the header: lists of arrays, none of them a dictionary's.

        Args:
            places: Where the columns stand.
            columns: What they are read as.

        Raises:
            DataError: FL3104 for a column of a type that has no numbers, booleans or texts, FL3102 for a damaged file,
                or one that announces more values than are read: repetition takes no place in a file, and a few
                kilobytes can hold billions.
        """
        with self._opened() as source:
            for at, column in zip(places, columns, strict=True):  # before reading: a group may have no column at all
                self._check_type(source.schema_arrow.field(at), column)
            names = [self.header[at] for at in places]
            arrays = [name for name, column in zip(names, columns, strict=True) if column.type == "array"]
            self._check_size(source.metadata, names, arrays)
            for batch in source.iter_batches(batch_size=self._rows, columns=names, use_threads=False):
                yield [_plain(batch.column(batch.schema.get_field_index(name))) for name in names]

    def _check_type(self, field: Any, column: Column) -> None:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if column.type == "array":
            fitting = holds_numbers(kind, len(column.shape)) or is_text(kind) or pa.types.is_null(kind)
        else:
            fitting = any(fits(kind) for fits in (*READ, *_ALSO.get(column.type, ())))
        if not fitting:
            raise data_error(
                codes.WRONG_TYPE, f"columns of type {kind} are not read", f"{self._path}, column {field.name}"
            )

    def _check_size(self, metadata: Any, names: Sequence[str], arrays: Sequence[str]) -> None:
        listed = sum(
            metadata.row_group(group).column(at).num_values
            for at in range(metadata.num_columns if arrays else 0)
            if metadata.schema.column(at).path.startswith(tuple(f"{name}." for name in arrays))
            for group in range(metadata.num_row_groups)
        )
        if max(metadata.num_rows * len(names), listed) > MAX_VALUES:
            lists = f" with {listed} numbers in lists" if listed else ""
            text = f"{metadata.num_rows} rows of {len(names)} columns{lists}: at most {MAX_VALUES} values are read"
            raise data_error(codes.DATA_UNREADABLE, text, str(self._path))

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with pyarrow.parquet.ParquetFile(self._path, buffer_size=BUFFER_BYTES, pre_buffer=False) as source:
                yield source
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a name that is no UTF-8
            raise data_error(codes.DATA_UNREADABLE, f"no readable Parquet: {error}", str(self._path)) from error


def _plain(column: Any) -> Any:
    """Return an array of a few types: decimals become floats, times microseconds; texts are UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    column.validate(full=True)
    if pa.types.is_decimal(column.type):
        return column.cast(pa.float64())
    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column
