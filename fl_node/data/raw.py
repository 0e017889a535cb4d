"""Values of a column as they stand in a file, and the refusal of one. Imports pyarrow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fl_node.data.errors import DataError, data_error
from fl_node.data.schema import MISSING, Column


@dataclass(frozen=True)
class Raw:
    """Some successive values of a column as they stand in one file.

    Attributes:
        values: An Arrow array of texts, numbers or booleans; null where a value is missing.
        file: Where it was read, for errors.
        first_row: Number of the first value's row in the file, 1 for the first one under a header.
        missing: Texts that stand for a missing value, in small letters.
        decimal: The decimal mark of texts.
        dates: How texts write a date, in the letters of `strptime`; ISO 8601 if None.
        folder: The folder whose files texts may name; None where the data is one file.
    """

    values: Any
    file: str
    first_row: int = 1
    missing: frozenset[str] = frozenset(MISSING)
    decimal: str = "."
    dates: str | None = None
    folder: Path | None = None

    def refuse(self, code: str, reason: str, row: int, column: str) -> DataError:
        """Builds the refusal of one value."""
        place = f"{self.file}, row {row + self.first_row}, column {column}"
        return data_error(code, f"{_short(self.values[row].as_py())} {reason}", place)


def refuse_first(raw: Raw, column: Column, wrong: NDArray[np.bool_], code: str, reason: str) -> None:
    """Refuses the first of the values that are wrong, if there is one.

    Raises:
        DataError: With the code and reason, and the value's row.
    """
    rows = np.flatnonzero(wrong)
    if rows.size:
        raise raw.refuse(code, reason, int(rows[0]), column.name)


def is_text(kind: Any) -> bool:
    """Tell whether an Arrow type holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def as_numpy(values: Any) -> NDArray[Any]:
    """Return an Arrow array as numpy holds it; null is NaN among numbers, None among objects."""
    found: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return found


def _short(value: Any) -> str:
    return repr(str(value)[:40])
