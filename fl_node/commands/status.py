"""`fedledger node status --watch`: the node's health and its trainings' rounds, as they go."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from audit.text import visible
from fl_node.commands.common import out
from fl_node.commands.train import table_of
from fl_node.commands.watching import Progress, changes
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger

SHOWN = 4
"""Attempts of each training that are shown, the newest."""
Health = Callable[[], dict[str, Any]]
Seen = dict[str, dict[str, Progress]]
"""Training → attempt → what was seen of it."""


async def watch_node(ledger: Ledger, health: Health, *, as_json: bool) -> None:
    """Show health and rounds until interrupted; with `as_json` one line for each change.

    Args:
        ledger: The organisation's own.
        health: Asks the node; raises NodeError where none answers.
        as_json: For machines.
    """
    seen: Seen = {}
    report: dict[str, Any] = {}
    if as_json:
        async for found in _followed(ledger, health, seen):
            rounds = [progress.as_json() | {"name": name} for each in seen.values() for name, progress in each.items()]
            typer.echo(json.dumps({"node": found, "rounds": rounds}))
        return
    with Live(get_renderable=lambda: _shown(report, seen), console=out, refresh_per_second=1) as live:
        async for found in _followed(ledger, health, seen):
            report = found
            live.refresh()


async def _followed(
    ledger: Ledger, health: Health, seen: dict[str, dict[str, Progress]]
) -> AsyncIterator[dict[str, Any]]:
    """Keep `seen` as the ledger is, and yield the node's health whenever it or a round has changed."""
    before: object = None
    async for _ in changes(ledger):
        for training in await ledger.trainings():
            view = await ledger.round(training.training)
            if view is None or not (training.running or training.training in seen):
                continue
            attempts = seen.setdefault(training.training, {})
            attempts.setdefault(view.name, Progress(view)).see(view)
            for name in list(attempts)[:-SHOWN]:
                del attempts[name]
        report = await asyncio.to_thread(_answer, health)
        now = (report, [progress.view for each in seen.values() for progress in each.values()])
        if now != before:
            before = now
            yield report


def _answer(health: Health) -> dict[str, Any]:
    try:
        return health()
    except NodeError as error:
        return {"healthy": False, "problem": str(error)}


def _shown(report: dict[str, Any], seen: Seen) -> Group:
    state = Table("", "", show_header=False)
    for name, value in report.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        state.add_row(name, Text(visible(text), style="red" if name == "healthy" and not value else ""))
    tables = []
    for training, attempts in list(seen.items()):
        table = table_of(dict(attempts))
        table.title = Text(visible(training))
        tables.append(table)
    return Group(state, *tables) if tables else Group(state, Text("no training is under way"))
