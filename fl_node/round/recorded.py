"""What the journal of an attempt holds, by kind."""

from typing import Final

from fl_node.journal.journal import AttemptJournal

KEYS: Final = "keys"
LAID: Final = "laid"
"""The secrets of keys that were laid ready before the attempt opened."""
SHARES: Final = "shares"
MASKED: Final = "masked"
REVEAL: Final = "reveal"


class SecaggRecords:
    """Secure aggregation's records in the attempt's journal; `Journal.forget` deletes them when the attempt is over."""

    def __init__(self, records: AttemptJournal) -> None:
        self._records = records

    def read(self, key: str) -> bytes | None:
        """Return a record, or None."""
        return self._records.get(f"secagg {key}")

    def write(self, key: str, value: bytes) -> None:
        """Store a record, synced."""
        self._records.record(f"secagg {key}", value)
