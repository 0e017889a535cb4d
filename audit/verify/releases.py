"""Released models in an audited channel: the statement, its signatures, and where the round became Final."""

import json
from pathlib import Path
from typing import Any

from audit.evidence.fetch import read_raw
from audit.fabric.state import State
from audit.fabric.wire import hash_of


def release_in(book: State, chaincode: str, release: str) -> dict[str, Any] | None:
    """Return a release of an audited channel as `GetRelease` would, None where there is none."""
    cell = book.get((chaincode, "", f"\0release\0{release}\0".encode()))
    if cell is None:
        return None
    view: dict[str, Any] = json.loads(cell[0]) | {"signatures": {}, "withdrawal_signatures": {}}
    places = {"release": view["signatures"], "withdrawal": view["withdrawal_signatures"]}
    beginning = f"\0release-signature\0{release}\0"
    for key, value in book.entries(chaincode):
        if key.startswith(beginning):
            about, msp_id = key.removeprefix(beginning).rstrip("\0").split("\0")
            places[about][msp_id] = json.loads(value)
    return view


def final_is_there(book: State, folder: Path, final: dict[str, Any]) -> bool:
    """Tell whether the audited blocks hold the end of a round where a statement says that it is."""
    wanted = {key: final[key] for key in ("training", "round", "attempt")}
    events = (one for one in book.events() if one["name"] == "RoundFinal" and one["txid"] == final["transaction"])
    found = next((one for one in events if wanted.items() <= json.loads(one["payload"]).items()), None)
    return (
        found is not None
        and bool(found["block"] == final["block"])
        and hash_of(read_raw(folder, final["block"])) == final["hash"]
    )
