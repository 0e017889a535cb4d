"""What the commands share: options, one connection to the ledger, and answers as tables or JSON."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.table import Table

from fl_node import codes
from fl_node.blobs.store import Limits
from fl_node.clock import DAY_MS
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, open_ledger
from network.checkout import DEFAULT_RUN
from network.connection import profile
from network.console import Json, emit_json, explained, note, out

__all__ = [
    "DEFAULT_RUN",
    "BlobMb",
    "Json",
    "Org",
    "QuotaGb",
    "ReserveMb",
    "Run",
    "UnnamedDays",
    "User",
    "ask",
    "emit_json",
    "explained",
    "integer",
    "limits",
    "note",
    "out",
    "show",
]

Run = Annotated[Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="The run folder.", resolve_path=True)]
Org = Annotated[str, typer.Option("--org", envvar="FEDLEDGER_ORG", help="Your organisation.")]
User = Annotated[str, typer.Option("--user", help="Which of its identities acts.")]
BlobMb = Annotated[int, typer.Option("--blob-mb", min=1, help="The largest blob that the blob service takes.")]
QuotaGb = Annotated[float, typer.Option("--quota-gb", min=0.001, help="What each other organisation may store here.")]
ReserveMb = Annotated[int, typer.Option("--reserve-mb", min=1, help="What stays free on the disk.")]
UnnamedDays = Annotated[float, typer.Option("--unnamed-days", min=0.01, help="How long unnamed blobs stay.")]
SHORT: Final = 16
YEAR_MS: Final = 365 * DAY_MS
T = TypeVar("T")


def ask(run: Path, org: str, user: str, work: Callable[[Ledger], Awaitable[T]]) -> T:
    """Connect as a user of an organisation, do the work and return its result."""

    async def connected() -> T:
        async with open_ledger(profile(run, org, user)) as ledger:
            return await work(ledger)

    return asyncio.run(connected())


def limits(blob_mb: int, quota_gb: float, reserve_mb: int, unnamed_days: float = 30) -> Limits:
    """Return what a blob service takes, from a command's options."""
    return Limits(blob_mb << 20, int(quota_gb * (1 << 30)), reserve_mb << 20, int(unnamed_days * DAY_MS))


def show(value: Any, *, as_json: bool, title: str = "", columns: Sequence[str] = ()) -> None:
    """Print a record, or a list of records as a table, for people or machines.

    Args:
        value: A mapping or a list of mappings.
        as_json: Print it whole as JSON.
        title: Of the table.
        columns: Keys to show of each record, in this order; all of the first record's where empty.
    """
    if as_json:
        emit_json(value)
        return
    if isinstance(value, dict):
        table = Table("", "", title=title or None, show_header=False)
        for key, item in value.items():
            table.add_row(key, _moment(item) if key.endswith("_ms") else _text(item))
    else:
        names = list(columns or (value[0] if value else ["nothing yet"]))
        table = Table(*names, title=title or None)
        for record in value:
            table.add_row(*(_text(record.get(name, "")) for name in names))
    out.print(table)


def integer(text: str, what: str) -> int:
    """Return a whole number; FL4001 if the text is none."""
    try:
        return int(text)
    except ValueError:
        raise NodeError(codes.INPUT_UNUSABLE, f"{what} is a whole number, not {text!r}") from None


def _moment(value: Any) -> str:
    """Return milliseconds since 1970 as a time; a duration as it is."""
    if not isinstance(value, int) or value < YEAR_MS:
        return _text(value)
    return datetime.fromtimestamp(value / 1000, UTC).isoformat(" ", "seconds")


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    text = str(value)
    hexadecimal = len(text) == 64 and set(text) <= set("0123456789abcdef")  # noqa: PLR2004  # a SHA-256
    return f"{text[:SHORT]}…" if hexadecimal else text
