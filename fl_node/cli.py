"""The command `fedledger`: every part's commands under one name, imported only when they run."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer

PARTS: Final[dict[str, tuple[str, str, str]]] = {
    "network": ("network.cli", "network", "Run the consortium's network."),
    "org": ("network.ceremony_cli", "org", "Set up your own organisation, with its own keys in its own folder."),
    "identity": ("network.cli", "identity", "Issue and revoke identities."),
    "ca": ("network.ca.cli", "ca", "Run a certificate authority, or answer to one by files."),
    "node": ("fl_node.commands.node", "node", "Run and check this organisation's node."),
    "blobs": ("fl_node.commands.blobs", "blobs", "Run and use this organisation's blob service."),
    "doctor": ("fl_node.commands.doctor", "doctor", "Check what your organisation runs, and how others see it."),
    "plan": ("fl_node.commands.plan", "plan", "Compile, check and register what is trained."),
    "data": ("fl_node.commands.data", "data", "Check and profile your own rows; nothing leaves your organisation."),
    "member": ("fl_node.commands.member", "member", "Found the federation; apply, list and show members."),
    "proposal": ("fl_node.commands.proposal", "proposal", "Propose and vote."),
    "train": ("fl_node.commands.train", "train", "Start, stop and watch trainings."),
    "model": ("fl_node.commands.model", "model", "Export a trained model with its lineage."),
    "passport": (
        "fl_node.commands.passport",
        "passport",
        "Release a model with a proof that others can check.",
    ),
    "wallet": ("fl_node.commands.wallet", "wallet", "Balances, stakes, rewards and reputation."),
    "demo": ("fl_node.commands.demo", "demo", "Watch a whole federation at work on this machine."),
    "explain": ("fl_node.commands.explain", "explain", "Say what an error code means and what to do."),
    "audit": ("audit.cli", "audit", "Verify everything from blocks alone."),
    "dashboard": ("audit.cli", "dashboard", "Watch rounds, members and verdicts in a browser."),
}
"""Name → (module, the Typer application or command in it, help)."""


COMPLETION: Final = "_FEDLEDGER_COMPLETE"
"""Set by the shell while it completes: then every part's options must be known."""


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the command line with the part that the arguments ask for; the others are names with a sentence.

    Without arguments every part is imported whole.
    """
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    app = typer.Typer(no_args_is_help=True, help="Federated learning between organisations, on a ledger.")
    app.callback()(_root)
    for name, (module, attribute, text) in PARTS.items():
        if not _found(module):
            continue
        if not arguments or asked == name:
            _mount(app, name, getattr(importlib.import_module(module), attribute))
        else:
            app.command(name, help=text)(_root)
    return app


def main() -> None:
    """Run the command line; every error of ours ends with exit code 1 and its code in the message."""
    arguments = () if COMPLETION in os.environ else (*sys.argv[1:], "--")
    application(arguments)(prog_name="fedledger")


def _root() -> None:
    """Federated learning between organisations that do not trust one another, coordinated by a Fabric channel."""


def _mount(app: typer.Typer, name: str, part: Any) -> None:
    if isinstance(part, typer.Typer):
        app.add_typer(part, name=name)
    else:
        app.command(name)(part)


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
