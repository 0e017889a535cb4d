"""The command line with the part that is asked for; the others are names with a sentence."""

import importlib
from collections.abc import Sequence
from typing import Any

import typer

from fl_node.commands.parts import PARTS, SUMMARY, present


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the command line with the part that the arguments ask for; the others are names with a sentence.

    Without arguments every part is imported whole.
    """
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    app = typer.Typer(no_args_is_help=True, help=SUMMARY)
    app.callback()(_root)
    for name, (module, attribute, text) in PARTS.items():
        if not present(module):
            continue
        if not arguments or asked == name:
            _mount(app, name, getattr(importlib.import_module(module), attribute))
        else:
            app.command(name, help=text)(_root)
    return app


def _root() -> None:
    """Federated learning between organisations that do not trust one another, coordinated by a Fabric channel."""


def _mount(app: typer.Typer, name: str, part: Any) -> None:
    if isinstance(part, typer.Typer):
        app.add_typer(part, name=name)
    else:
        app.command(name)(part)
