"""The story told in rows: what tables and graphs of the report and the dashboard show, worked out once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from audit.verify.story import payload_of, round_of
from network import contract_codes

PHASES: Final = ("Keys", "Shares", "Updates", "Unmask", "Attest", "Final")
MOST_LISTED: Final = 6
"""Names that a cell lists before it says who is not among them."""
LOSS_UNITS: Final = 1 << 16
"""Steps of a contribution in 1 of the loss (fl_node/round/contribution.py)."""
ENDED: Final = frozenset({"Final", "Void"})


def when(time_ms: int) -> str:
    """Return a time in Unix milliseconds as UTC to the second, "" for none."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if time_ms else ""
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"


def reason(code: str) -> str:
    """Return the sentence of a code of the contract's catalogue, or the code itself where it is not known."""
    entry = contract_codes.CATALOGUE.get(code)
    return f"{code}: {entry.text}" if entry else code


def round_rows(training: dict[str, Any], story: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for every attempt of a training's rounds, in their order."""
    recomputed, times = frozenset(story["recomputed"]), _phase_times(story["events"], training["training"])
    return [_round_row(training, one, recomputed, times) for one in training["rounds"]]


def _phase_times(events: list[dict[str, Any]], training: str) -> dict[str, dict[str, int]]:
    """Return for each attempt when its phases began, in Unix milliseconds, as the transactions that moved it say."""
    times: dict[str, dict[str, int]] = {}
    for event in events:
        if event["name"] not in ("PhaseMoved", "RoundFinal", "RoundVoid"):
            continue
        where, phase = round_of(event), payload_of(event).get("phase")
        if where.startswith(f"{training}/") and isinstance(phase, str):
            times.setdefault(where, {}).setdefault(phase, event["time_ms"])
    return times


def _round_row(
    training: dict[str, Any], one: dict[str, Any], recomputed: frozenset[str], times: dict[str, dict[str, int]]
) -> dict[str, Any]:
    proposal = one["proposal"] or {"aggregate": "", "state": "", "metrics": {}, "examples": 0, "proposer": ""}
    where = f"{training['training']}/{one['round']}/{one['attempt']}"
    survivors = one["survivors"]
    attestations = one["attestations"]
    return {
        "where": where,
        "round": one["round"],
        "attempt": one["attempt"],
        "phase": one["phase"],
        "times": times.get(where, {}),
        "opened": when(one["opened_ms"]),
        "opened_ms": one["opened_ms"],
        "deadline_ms": one["deadline_ms"],
        "cohort": one["cohort"],
        "survivors": survivors,
        "missing": [name for name in one["cohort"] if name not in survivors] if survivors else [],
        "metrics": sorted(proposal["metrics"].items()),
        "examples": proposal["examples"],
        "proposer": proposal["proposer"],
        "aggregate": proposal["aggregate"],
        "base_state": one["base_state"],
        "state": proposal["state"],
        "agree": sorted(msp for msp, a in attestations.items() if a["agree"]),
        "against": sorted(msp for msp, a in attestations.items() if not a["agree"]),
        "void": reason(one["void_reason"]) if one["void_reason"] else "",
        "recomputed": f"{where}/{proposal['aggregate']}" in recomputed,
        "kept": any((s["round"], s["attempt"]) == (one["round"], one["attempt"]) for s in training["lineage"]["steps"]),
        "steps": _steps(one["phase"]),
    }


def survivors(one: Mapping[str, Any]) -> str:
    """Say whose updates are in an attempt's sum: by name, or where they are many by who is not among them."""
    finished, absent = one["survivors"], [name for name in one["cohort"] if name not in one["survivors"]]
    if len(finished) <= MOST_LISTED:
        return ", ".join(finished)
    return f"all {len(finished)} drawn" if not absent else f"{len(finished)}, all but {', '.join(absent)}"


def _steps(phase: str) -> list[dict[str, str]]:
    """Return every phase of a round with whether it is done, under way, or to come."""
    if phase not in PHASES:
        return [{"name": name, "status": "unknown"} for name in PHASES]
    at = PHASES.index(phase)
    done = at + (phase == "Final")
    marks = ["done" if i < done else "now" if i == done else "to come" for i in range(len(PHASES))]
    return [{"name": name, "status": mark} for name, mark in zip(PHASES, marks, strict=True)]


def contributions(story: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each participant in how many cohorts it was drawn and survived, what it reported and was paid."""
    rows = {
        p["participant"]: {**p, "drawn": 0, "survived": 0, "examples": 0, "rewards": 0} for p in story["participants"]
    }
    for training in story["trainings"]:
        for one in training["rounds"]:
            _count(rows, one)
    return list(rows.values())


def _count(rows: dict[str, dict[str, Any]], one: dict[str, Any]) -> None:
    for name in one["cohort"]:
        if name in rows and one["phase"] in ENDED:
            rows[name]["drawn"] += 1
    if one["phase"] != "Final":
        return
    for name in one["survivors"]:
        if name in rows:
            rows[name]["survived"] += 1
            rows[name]["examples"] += one["updates"].get(name, {}).get("examples", 0)
    for reward in one["rewards"]:
        if reward["participant"] in rows:
            rows[reward["participant"]]["rewards"] += reward["amount"]


def group_contributions(story: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each group contributed to each epoch, by its last Final, beside a share that says nothing."""
    rows = []
    for training in story["trainings"]:
        told = {one["epoch"]: one for one in training["rounds"] if one.get("contribution")}
        for epoch, one in sorted(told.items()):
            units = one["contribution"]
            whole = sum(max(each, 0) for each in units)
            rows += [
                {
                    "training": training["training"],
                    "epoch": epoch,
                    "members": members,
                    "loss": each / LOSS_UNITS,
                    "share": max(each, 0) / whole if whole else 0.0,
                    "uniform": 1 / len(units),
                }
                for members, each in zip(one["groups"], units, strict=True)
            ]
    return rows


def exposures(story: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rounds whose survivors differ from an earlier set so little that updates show approximately (T27)."""
    return [
        {"where": f"{t['training']}/{one['round']}/{one['attempt']}", **entry}
        for t in story["trainings"]
        for one in t["rounds"]
        for entry in one["exposure"]
    ]
