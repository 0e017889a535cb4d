"""What a check of the doctor found, and how a check says it: by returning, by a caution, by an error."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Literal

from fl_node.errors import NodeError
from network.errors import FedledgerError

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """What one check found; `code` and `mend` are empty where all is well."""

    check: str
    status: Status
    message: str
    code: str = ""
    mend: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the finding for machines."""
        return asdict(self)


class CautionError(NodeError):
    """Something works today and will stop working unless somebody corrects it."""


def checked(name: str, check: Callable[[], str]) -> Finding:
    """Return what a check found."""
    try:
        return Finding(name, "ok", check())
    except FedledgerError as error:
        return failed(name, error)


async def awaited(name: str, check: Awaitable[str]) -> Finding:
    """Return what a check that asks others found."""
    try:
        return Finding(name, "ok", await check)
    except FedledgerError as error:
        return failed(name, error)


def failed(name: str, error: FedledgerError) -> Finding:
    """Return an error as a finding."""
    where = f" ({error.where})" if error.where else ""
    status: Status = "warning" if isinstance(error, CautionError) else "error"
    return Finding(name, status, error.message + where, error.code, error.hint)
