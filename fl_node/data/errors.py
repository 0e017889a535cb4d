"""The stable codes of data errors (FL31xx), each with the mend that fits it."""

from typing import Final

from fl_node.codes import CATALOGUE
from network.errors import FedledgerError


class DataError(FedledgerError):
    """A participant's rows are refused; the place names file and row."""


CODES: Final = "FL31"
"""How the codes of data errors begin."""


def data_error(code: str, message: str, where: str = "") -> DataError:
    """Builds a data error with its catalogued mend."""
    return DataError(code, message, where=where, hint=CATALOGUE[code].hint)
