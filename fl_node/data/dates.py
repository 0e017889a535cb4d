"""Dates and times as numbers: days since 1970-01-01, in Coordinated Universal Time."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

MICROSECONDS_A_DAY: Final = 86_400_000_000


def days(text: str, form: str | None = None) -> float | None:
    """Return the days from 1970 to a date or a time, a fraction for the time of day; None for any other text.

    Args:
        text: Such as `2024-02-29`, `2024-02-29T12:30` or `2024-02-29 12:30:00+01:00`; without an offset it is UTC.
        form: How the text is written, in the letters of `datetime.strptime`; ISO 8601 if None.
    """
    try:
        found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 - below
        return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND / MICROSECONDS_A_DAY
    except (ValueError, OverflowError):
        return None
