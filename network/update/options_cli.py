"""What the commands `fedledger network update …` share: their options, as whom they act, and what they print."""

from pathlib import Path
from typing import Annotated

import typer

from network.console import emit_json, out

Run = Annotated[
    Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="Your organisation's folder.", resolve_path=True)
]
Org = Annotated[str, typer.Option("--org", help="As which organisation, where the folder is a test network's.")]
User = Annotated[str, typer.Option(help="Which of its administrators.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file of a change.")]


def acting(run: Path, organisation: str) -> str:
    """Return as whom to act: the folder's owner, or the organisation that was named; FL1033 where neither is clear."""
    from network.connection import own_folder

    return organisation or own_folder(run)[0].name


def say(value: dict[str, object], text: str, as_json: bool) -> None:
    """Print a command's result, as JSON or as a text."""
    if as_json:
        emit_json(value)
    else:
        say_text(text)


def say_text(text: str) -> None:
    """Print a text as it is, whatever it holds."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)
