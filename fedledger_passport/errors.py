"""What a passport is refused with."""

from typing import NamedTuple


class Entry(NamedTuple):
    """What the catalogue says of a code."""

    text: str
    """What it means, a sentence."""
    hint: str
    """What to do; empty where that depends on the case."""


class PassportError(Exception):
    """Says why a passport is refused, and where, under a stable code (codes.json)."""

    def __init__(self, code: str, message: str, *, where: str = "") -> None:
        self.code = code
        self.message = message
        self.where = where
        super().__init__(code, message, where)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.code}: {self.message}{place}"
