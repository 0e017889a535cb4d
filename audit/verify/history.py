"""How things came to be: writes of the rules that later ones replace, each with its time, for pages.

The replayed state holds what is true at the end. A score, a balance or a deadline of last week stands only in the
transactions that wrote it, which the audit has compared with the rules.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from audit.fabric.envelope import Action
from audit.fabric.state import State
from audit.fabric.wire import WireError, read_json

KIND: Final = "history"
"""The kind of the notes in the audit's state."""
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "phase": ("phase", "deadline_ms"),
    "keys": (),
    "shares": (),
    "update": (),
    "reveal": (),
    "proposed": ("proposer",),
    "attest": ("agree",),
    "no-state": (),
    "outcome": ("outcome",),
    "score": ("reputation_ppm",),
    "stake": ("amount",),
    "balance": ("amount",),
}
"""The records of which history is kept (docs/ledger-layout.md), and what of each."""
MOST_CHARACTERS: Final = 200
"""Of a text that is kept: who colludes can write one of any length."""


def note_history(state: State, action: Action, chaincode: str, block: int, time_ms: int) -> None:
    """Note what a valid transaction of the chaincode wrote of these records.

    Args:
        state: The audit's state, which keeps it.
        action: What the transaction did.
        chaincode: The rules' namespace.
        block: The number of its block.
        time_ms: The transaction's own time, Unix milliseconds.
    """
    for kind, parts, value in _kept(action, chaincode):
        state.note(KIND, kind, block, "", json.dumps([time_ms, parts, value], sort_keys=True))


def _kept(action: Action, chaincode: str) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    for namespace, rwset in action.rwsets:
        for write in rwset.writes if namespace == chaincode else ():
            kind, *parts = write.key.strip("\0").split("\0")
            if kind not in FIELDS or write.is_delete:
                continue
            try:
                value = read_json(write.value)
            except WireError:
                continue
            if isinstance(value, dict):
                yield kind, [part[:MOST_CHARACTERS] for part in parts], _chosen(kind, value)


def _chosen(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value.get(name) for name in FIELDS[kind]}
    return {
        name: one[:MOST_CHARACTERS] if isinstance(one, str) else one
        for name, one in plain.items()
        if isinstance(one, str | int)
    }


def attempt_of(entry: dict[str, Any]) -> str:
    """Return which attempt an entry is about, as "training/round/attempt"; "" where its key names none."""
    training, *numbers = entry["parts"][:3] or [""]
    if len(numbers) != len(("round", "attempt")) or not all(number.isdecimal() for number in numbers):
        return ""
    return "/".join([training, *(str(int(number)) for number in numbers)])


def history(state: State) -> list[dict[str, Any]]:
    """Return what was noted, in the ledger's order: each with its kind, the parts of its key, block, time and value."""
    rows = []
    for kind, block, _, text in state.notes(KIND):
        time_ms, parts, value = json.loads(text)
        rows.append({"kind": kind, "parts": parts, "block": block, "time_ms": time_ms, "value": value})
    return rows
