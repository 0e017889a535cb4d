"""How commands speak: tables for people, JSON for machines, exit codes that mean something."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from network import codes
from network.errors import FedledgerError, NetworkError

EXIT_ERROR = 1
EXIT_NOT_UP = 3

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

out = Console()
err = Console(stderr=True)


@contextmanager
def explained(*, as_json: bool = False) -> Iterator[None]:
    """Turn an error of ours into a message, or into JSON, and exit code 1; anything else is a bug and shows as one."""
    try:
        with _files_explained():
            yield
    except FedledgerError as error:
        if as_json:
            emit_json({"error": error.as_json()})
        else:
            err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_ERROR) from None


@contextmanager
def _files_explained() -> Iterator[None]:
    """Say which file cannot be read or written; errors of the system that name no file stay what they are."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        problem = f"the file or folder cannot be read or written: {error.strerror}"
        raise NetworkError(codes.FILE_UNUSABLE, problem, where=str(error.filename), hint="Give another path.") from None


def emit_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2))


def note(text: str) -> None:
    """Tell a person what happens, on standard error."""
    err.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)
