"""What a file's columns hold, without a schema: for a researcher who is to write one. Nothing leaves the machine."""

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fl_node import codes
from fl_node.data.batches import opened
from fl_node.data.columns import text_of
from fl_node.data.dates import MICROSECONDS_A_DAY, days
from fl_node.data.description import Description, described
from fl_node.data.errors import data_error
from fl_node.data.files import data_files, partitions
from fl_node.data.header import mend
from fl_node.data.parquet import READ
from fl_node.data.raw import as_numpy, is_text
from fl_node.data.schema import MISSING, Column

WORDS: Final = (*MISSING, "?", "-", "--", ".", "n/a", "#n/a", "unknown", "missing", "\\n")
"""Texts that mean missing in a column that otherwise holds numbers, dates or booleans."""

DISTINCT: Final = 1000
"""How many different values of a column are told apart; a column with more is no category."""

_BOOLEANS: Final = frozenset({"true", "false"})


@dataclass
class Found:
    """What one column holds.

    Attributes:
        name: Its name in the file.
        kind: `number`, `date`, `boolean`, `text` or `array`.
        values: How often each value occurs, as a text; of more than `DISTINCT` only the first ones.
        many: Whether there are more.
        missing: How often each word that means missing occurs; `` for an empty field.
        count: How many values are there.
        low: The smallest number, or date in days.
        high: The largest.
        whole: Whether all numbers are whole.
        longest: The longest text's bytes.
        shape: An array's shape.
    """

    name: str
    kind: str = "number"
    values: Counter[str] = field(default_factory=Counter)
    many: bool = False
    missing: Counter[str] = field(default_factory=Counter)
    count: int = 0
    low: float = math.inf
    high: float = -math.inf
    whole: bool = True
    longest: int = 0
    shape: tuple[int, ...] = ()
    _total: float = 0.0
    _squares: float = 0.0

    @property
    def mean(self) -> float:
        """The mean of its numbers."""
        return self._total / self.count if self.count else 0.0

    @property
    def deviation(self) -> float:
        """Their standard deviation."""
        spread = self._squares / self.count - self.mean**2 if self.count else 0.0
        return math.sqrt(max(spread, 0.0))

    def add_numbers(self, numbers: Any) -> None:
        """Take numbers, float64[n]."""
        if not numbers.size:
            return
        self.count += numbers.shape[0]
        self.low, self.high = min(self.low, float(numbers.min())), max(self.high, float(numbers.max()))
        self.whole = self.whole and bool((numbers == np.floor(numbers)).all())
        elements = numbers.size / numbers.shape[0]
        self._total += float(numbers.sum()) / elements
        self._squares += float(np.square(numbers).sum()) / elements

    def settle(self) -> None:
        """Take words for values where a column of texts would hold no two of them otherwise: NA may be Namibia."""
        if self.kind == "text" and len(self.values) == 1:
            words = Counter({word: count for word, count in self.missing.items() if word})
            self.values += words
            self.missing -= words
            self.count += words.total()

    def add_values(self, counted: Counter[str]) -> None:
        """Take values as texts."""
        if not self.many:
            self.values.update(counted)
            self.many = len(self.values) > DISTINCT


@dataclass(frozen=True)
class Survey:
    """What a file holds.

    Attributes:
        rows: How many rows were read.
        columns: In the file's order.
    """

    rows: int
    columns: tuple[Found, ...]

    def column(self, name: str) -> Found:
        """Return a column by its name.

        Raises:
            DataError: FL3103, showing the names that there are.
        """
        for found in self.columns:
            if found.name == name:
                return found
        names = ", ".join(repr(found.name) for found in self.columns[:50])
        raise data_error(codes.WRONG_COLUMNS, f"column {name!r} is not there; the header is {names}")


def survey(path: Path) -> Survey:
    """Reads a CSV or Parquet file, or a folder of part files, twice: what each column is, then what it holds.

    Raises:
        DataError: FL3101, FL3102, FL3103 where the header is one column, FL3108 where there is no row.
    """
    description = described(path)
    files = [file for file in data_files(path, description) if file.stat().st_size]
    if not files:
        raise data_error(codes.TOO_FEW_ROWS, "there are no rows", str(path))
    kinds: dict[str, str] = {}
    for name, values in _columns(files, path, description):
        kinds[name] = _kind_with(kinds.get(name), _kind_of(values, description))
    found = {name: Found(name, kind or "number") for name, kind in kinds.items()}
    for name, values in _columns(files, path, description):
        _fill(found[name], values, description)
    for each in found.values():
        each.settle()
    rows = max((each.count + each.missing.total() for each in found.values()), default=0)
    if not rows:
        raise data_error(codes.TOO_FEW_ROWS, "there are no rows", str(path))
    return Survey(rows, tuple(found.values()))


def _columns(files: list[Path], root: Path, description: Description) -> Any:
    """Yield every column of every batch, by the schema's name where the description has one."""
    for file in files:
        source = opened(file, description)
        if said := mend(source.header):
            raise data_error(codes.WRONG_COLUMNS, f"the header is one column{said}", str(file))
        names = [description.columns.get(name.strip(), name.strip()) for name in source.header]
        read = {at: _as_read(source.kinds[at] if source.kinds else None) for at, name in enumerate(names) if name}
        asked = {at: Column(name=names[at], **how) for at, how in read.items() if how is not None}
        for arrays in source.batches([*asked], [*asked.values()]):
            yield from zip((column.name for column in asked.values()), map(_plain, arrays), strict=True)
            fixed = partitions(file, root)
            yield from ((name, pa.array([value] * len(arrays[0]))) for name, value in fixed.items())


def _as_read(kind: Any) -> dict[str, Any] | None:
    """Return how a column of a Parquet file has to be asked for, None for one of a type that no schema has."""
    if kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind is None or any(fits(kind) for fits in READ):
        return {}
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return {"type": "date"}
    shape: tuple[int, ...] = (1,)
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return {"type": "array", "shape": shape}
        shape = (*shape, 1)
    return None


def _plain(values: Any) -> Any:
    return values.cast(pa.string()) if pa.types.is_large_string(values.type) else values


def _kind_of(values: Any, description: Description) -> str:
    """Return what a batch of a column is; "" where it holds nothing."""
    kind = values.type
    if values.null_count == len(values):
        return ""
    for held, name in (
        (pa.types.is_nested, "array"),
        (pa.types.is_temporal, "date"),
        (pa.types.is_boolean, "boolean"),
    ):
        if held(kind):
            return name
    return _kind_of_texts(values, description) if is_text(kind) else "number"


def _kind_of_texts(values: Any, description: Description) -> str:
    texts = _present(values, frozenset(WORDS))
    if not len(texts):
        return ""
    if _numbers(texts, description) is not None:
        return "number"
    different = [text.as_py() for text in pc.unique(texts)]
    if {text.lower() for text in different} <= _BOOLEANS:
        return "boolean"
    return "date" if all(days(text, description.dates) is not None for text in different) else "text"


def _kind_with(before: str | None, now: str) -> str:
    """Return what a column is of which one part is one thing, another another."""
    if not before or not now or before == now:
        return before or now
    return "text"


def _fill(found: Found, values: Any, description: Description) -> None:
    """Take a batch of a column whose kind is known."""
    if found.kind == "array":
        _fill_arrays(found, values)
        return
    texts = pc.utf8_trim_whitespace(values) if is_text(values.type) else values
    if is_text(values.type):
        words = frozenset(MISSING) - {"none"} if found.kind == "text" else frozenset(WORDS)
        lowered = pc.utf8_lower(texts.fill_null(""))
        gaps = pc.is_in(lowered, pa.array(sorted(words)))
        found.missing.update(texts.fill_null("").filter(gaps).to_pylist())
        texts = texts.filter(pc.invert(gaps))
    else:
        gone = int(values.null_count)
        found.missing.update({"": gone} if gone else {})
        texts = texts.drop_null()
    _take(found, texts, description)


def _take(found: Found, present: Any, description: Description) -> None:
    counts = pc.value_counts(present)
    if found.kind == "date":
        numbers = _days(counts.field("values"), description)
        found.add_numbers(np.repeat(numbers, as_numpy(counts.field("counts"))))
        return
    if not found.many:
        pairs = ((text_of(pair["values"].as_py()), pair["counts"].as_py()) for pair in counts[: DISTINCT + 1])
        found.add_values(Counter(dict(pairs)))
        found.many = found.many or len(counts) > DISTINCT
    if found.kind == "number":
        numbers = _numbers(present, description) if is_text(present.type) else as_numpy(present.cast(pa.float64()))
        numbers = numbers if numbers is not None else np.empty(0)
        found.missing.update({"nan": int(np.isnan(numbers).sum())} if np.isnan(numbers).any() else {})
        found.add_numbers(numbers[np.isfinite(numbers)])
        return
    found.count += len(present)
    if found.kind == "text" and len(present):
        found.longest = max(found.longest, int(pc.max(pc.binary_length(present.cast(pa.string()))).as_py()))


def _fill_arrays(found: Found, values: Any) -> None:
    found.missing.update({"": int(values.null_count)} if values.null_count else {})
    present = values.drop_null()
    if not len(present):
        return
    arrays = present.to_pylist()
    shape = np.shape(arrays[0])
    if any(np.shape(array) != shape for array in arrays) or found.shape not in {(), shape}:
        found.kind, found.shape = "text", ()
        return
    found.shape = shape
    found.add_numbers(np.asarray(arrays, np.float64))


def _present(values: Any, words: frozenset[str]) -> Any:
    texts = pc.utf8_trim_whitespace(values.drop_null())
    return texts.filter(pc.invert(pc.is_in(pc.utf8_lower(texts), pa.array(sorted(words)))))


def _numbers(texts: Any, description: Description) -> Any:
    """Return texts as numbers, None where one is none."""
    if description.decimal != ".":
        texts = pc.replace_substring(pc.replace_substring(texts, ".", "\0"), description.decimal, ".")
    try:
        numbers = as_numpy(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _days(values: Any, description: Description) -> Any:
    if is_text(values.type):
        return np.array([days(text, description.dates) for text in values.to_pylist()], np.float64)
    zone = values.type.tz if pa.types.is_timestamp(values.type) else None
    return as_numpy(values.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())) / MICROSECONDS_A_DAY
