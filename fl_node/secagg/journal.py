"""What a participant remembers across a crash, as an interface; the node stores it encrypted."""

from typing import Protocol


class Journal(Protocol):
    """Durable, private storage of small records."""

    def read(self, key: str) -> bytes | None:
        """Returns the record, or None where there is none."""

    def write(self, key: str, value: bytes) -> None:
        """Stores a record; on return it MUST survive a crash of the process and of the machine."""

    def erase(self, prefix: str) -> None:
        """Forgets every record whose key starts with the prefix, for good."""


class MemoryJournal:
    """A journal that lives as long as the process, for simulations and tests."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"MemoryJournal({len(self.records)} records)"

    def read(self, key: str) -> bytes | None:
        """Returns the record, or None."""
        return self.records.get(key)

    def write(self, key: str, value: bytes) -> None:
        """Stores a record."""
        self.records[key] = value

    def erase(self, prefix: str) -> None:
        """Forgets records."""
        self.records = {key: value for key, value in self.records.items() if not key.startswith(prefix)}
