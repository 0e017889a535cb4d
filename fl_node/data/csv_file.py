"""Rows of a CSV file, streamed by pyarrow's reader. Only `read` loads this module, where rows are read."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv

from fl_node import codes
from fl_node.data.description import COMPRESSED, Description
from fl_node.data.errors import DataError, data_error
from fl_node.data.files import plain_suffix
from fl_node.data.schema import Column

BLOCK_BYTES: Final = 1 << 20
"""How much text is parsed at once. A row that does not fit is read with larger blocks."""

MAX_BLOCK_BYTES: Final = 1 << 28
"""Longer rows are refused."""

_STRADDLES: Final = "straddling object"
"""What pyarrow says of a row that is longer than a block."""

_WRONG_FIELDS: Final = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)
"""What it says of a row of another length. Its handler for such rows fails at texts that are no UTF-8."""


class CsvFile:
    """A CSV file: its header, and its rows as arrays of texts.

    Args:
        path: The file.
        description: How it is written.

    Raises:
        DataError: FL3102 where the header cannot be read.
    """

    def __init__(self, path: Path, description: Description) -> None:
        self._path = path
        self._description = description
        self._separator = description.separator or ("\t" if plain_suffix(path) == ".tsv" else ",")
        self.header: list[str] = []
        self.kinds: list[Any] = []
        """A CSV file does not say what its columns are."""
        self._skip = 1
        """How many lines end before the first row."""
        self._empty = True
        with self._refusing(), _texts(path, description) as stream:
            self._read_header(stream)

    def batches(self, places: Sequence[int], _columns: Sequence[Column]) -> Iterator[list[Any]]:
        """Read columns by their places in the header, whatever they are: lists of texts, as many rows as fit a block.

        Raises:
            DataError: FL3102 for what is no CSV, with the row where one is to blame.
        """
        if self._empty:
            return
        done, block = 0, BLOCK_BYTES
        while True:
            try:
                for batch in self._blocks(places, block, skip=done):
                    done += len(batch[0])
                    yield batch
            except _LongRowError:
                if block >= MAX_BLOCK_BYTES:
                    text = f"a row has more than {MAX_BLOCK_BYTES >> 20} MB"
                    raise data_error(codes.DATA_UNREADABLE, text, f"{self._path}, row {done + 1} or later") from None
                block *= 16
            else:
                return

    def _read_header(self, stream: Any) -> None:
        rows = csv.reader(
            # What is no UTF-8 may stand in a column that is not read; in the others pyarrow's reader refuses it.
            io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline=""),
            delimiter=self._separator,
            quotechar=self._description.quote,
            escapechar=self._description.escape,
            strict=True,
        )
        for row in rows:
            if row:
                self.header = row
                break
            self._skip += 1  # a blank line before the header
        try:
            self._empty = not any(rows)
        except csv.Error:  # a longer field than Python's module takes; pyarrow's takes it
            self._empty = False

    def _blocks(self, places: Sequence[int], block: int, skip: int) -> Iterator[list[Any]]:
        with self._refusing(), _texts(self._path, self._description) as stream:
            for batch in pyarrow.csv.open_csv(stream, *self._options(places, block)):
                passed = min(skip, len(batch))
                skip -= passed
                if passed < len(batch):
                    yield list(batch.slice(passed).columns)

    def _options(self, places: Sequence[int], block: int) -> tuple[Any, Any, Any]:
        names = [str(at) for at in range(len(self.header))]
        wanted = [str(at) for at in places]
        return (
            # One thread: rows then have numbers, and parsing is a small part of the time.
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=block, column_names=names, skip_rows_after_names=self._skip
            ),
            pyarrow.csv.ParseOptions(
                delimiter=self._separator,
                quote_char=self._description.quote,
                escape_char=self._description.escape or False,
                newlines_in_values=True,
            ),
            pyarrow.csv.ConvertOptions(
                include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
            ),
        )

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, UnicodeError, csv.Error, OSError, EOFError) as error:
            if _STRADDLES in str(error):
                raise _LongRowError from error
            if found := _WRONG_FIELDS.search(str(error)):
                raise self._wrong_fields(*found.groups()) from error
            raise data_error(codes.DATA_UNREADABLE, f"no readable CSV: {error}", str(self._path)) from error

    def _wrong_fields(self, row: str, due: str, found: str, text: str) -> DataError:
        said = f"{found} fields, {due} in the header"
        if '\\"' in text and not self._description.escape:
            said += '; if a backslash stands before quotes, say `escape: "\\\\"` in data.yaml'
        return data_error(codes.DATA_UNREADABLE, said, f"{self._path}, row {int(row) - self._skip}")


class _LongRowError(Exception):
    """A row is longer than a block."""


@contextmanager
def _texts(path: Path, description: Description) -> Iterator[Any]:
    """Open a file as a stream of UTF-8: decompressed, decoded, without comments."""
    compression = description.compression or COMPRESSED.get(path.suffix, "none")
    with pa.input_stream(str(path), compression=None if compression == "none" else compression) as stream:
        if description.encoding == "utf-8" and description.comment is None:
            yield stream
            return
        # Arrow's streams say that they can be read, but not in the way that Python's text layer asks.
        texts = io.TextIOWrapper(io.BufferedReader(_Chunks(_chunks(stream))), description.encoding, newline="")
        lines = _without_comments(texts, description) if description.comment else iter(lambda: texts.read(1 << 16), "")
        yield io.BufferedReader(_Chunks(line.encode() for line in lines))


def _chunks(stream: Any) -> Iterator[bytes]:
    while chunk := stream.read(1 << 16):
        yield chunk


def _without_comments(lines: Any, description: Description) -> Iterator[str]:
    """Leave out the lines that begin with the comment's mark, unless they stand within a quoted field."""
    quoted = False
    for line in lines:
        if quoted or not line.startswith(description.comment):
            quoted ^= line.count(description.quote) % 2 == 1
            yield line


class _Chunks(io.RawIOBase):
    """A stream of the bytes that an iterator gives."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the next chunk goes."""
        self._rest = self._rest or next((chunk for chunk in self._chunks if chunk), b"")
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
