"""The one error type that people and machines see from every part of fedledger but the gateway client."""

from typing import NamedTuple


class Entry(NamedTuple):
    """What a catalogue says of a code."""

    text: str
    """What it means, a sentence."""
    hint: str
    """What to do; empty where that depends on the case."""


class FedledgerError(Exception):
    """Says what was wrong, where, and what to do, under a stable code.

    Codes: FL0xxx chaincode, FL1xxx network, FL3xxx plan and data, FL4xxx node, FL5xxx audit.
    """

    def __init__(self, code: str, message: str, *, where: str = "", hint: str = "") -> None:
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint
        super().__init__(code, message, where, hint)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        advice = f" {self.hint}" if self.hint else ""
        return f"{self.code}: {self.message}{place}.{advice}"

    def as_json(self) -> dict[str, str]:
        """Return the same for machines."""
        return {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}


class NetworkError(FedledgerError):
    """Something is wrong with the consortium's definition, its identities or its processes."""
