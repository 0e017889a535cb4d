"""What every kind of change is: a value that turns one Config into another; no input or output."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from network import codes
from network.errors import NetworkError


class Base(BaseModel):
    """A change as its file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def apply(self, config: Any) -> Any:
        """Return a copy of a Config with the change; FL1154 where it cannot be made, FL1153 where it is there."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """Return whom or what it is about, for the name of a file."""
        raise NotImplementedError


def unfit(message: str, hint: str = "") -> NetworkError:
    """Return the error of a change that this channel cannot take."""
    return NetworkError(codes.UPDATE_UNFIT, message, hint=hint)


def in_force(message: str) -> NetworkError:
    """Return the error of a change that is there."""
    return NetworkError(codes.UPDATE_IN_FORCE, f"{message} already", hint="There is nothing to do.")
