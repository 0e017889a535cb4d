"""Commands of `fedledger network` and `fedledger org`, each organisation's given its own folder and no other."""

import json
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from network.ceremony_cli import org
from network.cli import identity, network
from network.folders import folder_of
from tests.contract.harness.ledger import Ledger

app = typer.Typer()
app.add_typer(org, name="org")
app.add_typer(network, name="network")
app.add_typer(identity, name="identity")


def command(folder: Path, *words: object) -> Any:
    """Run a command on an organisation's folder; return what it says, or {"error": …}."""
    result = CliRunner().invoke(app, [*map(str, words), "--run", str(folder), "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.stdout, result.output
    return json.loads(result.stdout)


def done(folder: Path, *words: object) -> Any:
    """Run a command that succeeds."""
    said = command(folder, *words)
    assert "error" not in said, said
    return said


def refused(folder: Path, *words: object) -> tuple[str, str]:
    """Run a command that is refused; return the code, and the message with its hint."""
    error = command(folder, *words)["error"]
    return error["code"], f"{error['message']} {error['hint']}"


def own(ledger: Ledger, organisation: str) -> Path:
    """The folder of an organisation of a test network, in which nothing of another's own lies."""
    return folder_of(ledger.run, organisation).root
