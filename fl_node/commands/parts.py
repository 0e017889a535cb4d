"""The parts of the command `fedledger`, and its first page: shown without importing any of them, or a framework.

That page is what a person sees first, and most of a framework's time is its import.
"""

import importlib.util
import textwrap
from typing import Final

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


SUMMARY: Final = "Federated learning between organisations, on a ledger."
OPTIONS: Final = {
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy it or customize the installation.",
    "--help": "Show this message and exit.",
}


def overview(width: int) -> str:
    """Return what `fedledger --help` says: every part that is installed, in lines of a width."""
    commands = {name: text for name, (module, _, text) in PARTS.items() if present(module)}
    lines = ["Usage: fedledger [OPTIONS] COMMAND [ARGS]...", "", SUMMARY]
    for title, entries in (("Options", OPTIONS), ("Commands", commands)):
        column = max(map(len, entries)) + 4
        lines += ["", f"{title}:"]
        for name, text in entries.items():
            indent = " " * column
            lines += textwrap.wrap(
                text, max(width, column + 20), initial_indent=f"  {name}".ljust(column), subsequent_indent=indent
            )
    return "\n".join(lines)


def present(module: str) -> bool:
    """Tell whether a part is installed."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
