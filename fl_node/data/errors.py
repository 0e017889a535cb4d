"""The stable codes of data errors (FL31xx), each with the mend that fits it."""

from typing import Final

from network.errors import FedledgerError


class DataError(FedledgerError):
    """A participant's rows are refused; the place names file and row."""


CODES: Final = "FL31"
"""How the codes of data errors begin."""

CATALOGUE: Final[dict[str, tuple[str, str]]] = {
    "FL3101": ("data not found", "Give a CSV or Parquet file, or a folder of part files."),
    "FL3102": ("file unreadable", "Write the data as UTF-8 CSV with a header, or as Parquet."),
    "FL3103": ("columns do not fit", "Columns must have the schema's names; none missing, none twice."),
    "FL3104": ("wrong type", "Correct the value, or leave the row out."),
    "FL3105": ("missing value", "Fill or drop the row: training takes complete rows only."),
    "FL3106": ("out of range", "Correct the value or its unit; the schema gives the range."),
    "FL3107": ("unknown label", "Only the schema's labels may occur."),
    "FL3108": ("no rows", "Give a file with rows, enough for a training and a hold-out part."),
    "FL3110": ("schema invalid", "Correct the schema in the plan's source."),
}
"""Code → (name, mend)."""


def data_error(code: str, message: str, where: str = "") -> DataError:
    """Builds a data error with its catalogued mend."""
    return DataError(code, message, where=where, hint=CATALOGUE[code][1])
