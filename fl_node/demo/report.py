"""What the demonstration shows, to people as it happens and to machines as one JSON document at the end."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

WIDTH = 120
"""Columns where the output is no terminal."""


class Report:
    """Chapters with their findings; everything shown is also in `record`."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(width=None if sys.stdout.isatty() else WIDTH)
        self.record: dict[str, Any] = {"chapters": {}, "rounds": []}
        self._began = time.monotonic()

    @contextmanager
    def chapter(self, title: str, key: str) -> Iterator[dict[str, Any]]:
        """Open a chapter; what is put into the mapping is recorded, with the seconds that it took."""
        self.console.rule(f"[bold]{title}", align="left")
        began = time.monotonic()
        findings: dict[str, Any] = {}
        self.record["chapters"][key] = findings
        try:
            yield findings
        finally:
            findings["seconds"] = round(time.monotonic() - began, 3)
            self.console.print(f"[dim]{findings['seconds']:.1f} s[/]")

    def say(self, text: str) -> None:
        """Tell people something; what matters is also a finding."""
        self.console.print(text, highlight=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Show a table."""
        table = Table(*columns)
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        self.console.print(table)

    def live(self, first: Any) -> Live:
        """Return a live display, still where the output is no terminal."""
        return Live(first, console=self.console, refresh_per_second=4, transient=False)

    def finish(self, path: Path | None, status: str) -> None:
        """Write the record, with what ran and how long it took."""
        self.record["status"] = status
        self.record["seconds"] = round(time.monotonic() - self._began, 3)
        if path:
            path.write_text(json.dumps(self.record, indent=2) + "\n", encoding="utf-8")
