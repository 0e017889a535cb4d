"""The command `fedledger explain`."""

import importlib
from typing import Annotated, Any, Final

import typer

from fl_node import codes
from fl_node.errors import NodeError
from network.console import Json, emit_json, explained
from network.errors import Entry

CATALOGUES: Final = (
    "network.contract_codes",
    "network.codes",
    "fl_node.codes",
    "audit.codes",
    "fedledger_passport.codes",
)


def explain(code: Annotated[str, typer.Argument(help="An error code, such as FL4203.")], as_json: Json = False) -> None:
    """Say what an error code means and, where one thing fits every case, what to do."""
    with explained(as_json=as_json):
        entry = entry_of(code.upper())
    if as_json:
        emit_json({"code": code.upper(), "meaning": entry.text, "hint": entry.hint})
    else:
        typer.echo(f"{code.upper()}: {entry.text}")
        if entry.hint:
            typer.echo(entry.hint)


def entry_of(code: str) -> Entry:
    """Return what the catalogues say of a code.

    Raises:
        NodeError: FL4001, there is no such code.
    """
    for name in CATALOGUES:
        catalogue: dict[str, Any] = importlib.import_module(name).CATALOGUE
        if code in catalogue:
            return Entry(*catalogue[code])
    raise NodeError(
        codes.INPUT_UNUSABLE, "there is no such error code", where=code, hint="Codes are FL and four digits."
    )
