"""Stories for pages: the kept ledger of version 1 as an audit tells it, and one as large as a big consortium's year."""

import copy
from pathlib import Path
from typing import Any

from audit.report.bundle import unpack
from audit.verify.privacy import Spent
from audit.verify.run import Options, audited
from audit.verify.story import Reader, tell
from audit.verify.verdict import Verdict

KEPT = Path(__file__).parents[1] / "kept" / "v1" / "ledger.zip"
PEOPLE, ROUNDS = 16, 24
SECOND = 1000


def msp_id(number: int) -> str:
    return f"Organisation{number:02d}MSP"


def kept_story(scratch: Path) -> tuple[dict[str, Any], Verdict]:
    """Audit the kept ledger and return what it tells, and the verdict."""
    manifest = unpack(KEPT, scratch)
    options = Options(genesis=manifest["genesis_hash"], blobs=(scratch / "blobs",))
    return audited(
        scratch,
        scratch / "state.sqlite",
        options,
        lambda _a, _b: None,
        lambda verdict, state, rules: (tell(Reader(rules, verdict.channel), state), verdict),  # type: ignore[arg-type]
    )


def large_story(kept: dict[str, Any]) -> tuple[dict[str, Any], list[Spent]]:
    """Return a story of many participants with long names, rounds and metrics, and what its noise has spent."""
    story = copy.deepcopy(kept)
    people = [f"university-hospital-number-{n:02d}-of-the-north" for n in range(PEOPLE)]
    (training,) = story["trainings"]
    template = training["rounds"][0]
    base, history = template["base_state"], []
    training |= {"rounds": [], "draws": []}
    training["lineage"] |= {"initial_state": base, "steps": []}
    for number in range(1, ROUNDS + 1):
        one, entries = _round(template, people, number, base)
        training["rounds"].append(one)
        training["lineage"]["steps"].append({"round": number, "attempt": 1, "base_state": base, "state": one["state"]})
        base, history = one["state"], history + entries
    training["lineage"]["state"] = base
    one = story["participants"][0]
    story |= {
        "participants": [one | {"participant": name, "msp_id": msp_id(n)} for n, name in enumerate(people)],
        "organisations": [{"msp_id": msp_id(n), "since_ms": 1, "status": "active"} for n in range(PEOPLE)],
        "history": history,
        "flags": [],
        "releases": [_release(training)],
        "events": [{**kept["events"][0], "time_ms": entry["time_ms"]} for entry in (history[0], history[-1])],
    }
    steps = tuple((f"tumour/{n}/1", dict.fromkeys(people, n / 4)) for n in range(1, ROUNDS + 1))
    return story, [Spent("tumour", "record", "0.00001", 1, steps[-1][1], steps)]


def _round(template: dict[str, Any], people: list[str], number: int, base: str) -> tuple[dict[str, Any], list[Any]]:
    opened, absent = number * 600 * SECOND, people[number % PEOPLE] if number % 3 == 0 else ""
    there = [name for name in people if name != absent]
    units = ("accuracy", "binary_accuracy", "auc", "loss", "mean_squared_error", "num_examples", "calibration")
    metrics = {
        f"{part}/{unit}": f"{1 / (number + 1 + n):.6f}"
        for n, part in enumerate(("evaluation", "train"))
        for unit in units
    }
    proposal = template["proposal"] | {"metrics": metrics, "state": f"{number:064x}", "proposer": people[0]}
    one = template | {
        "round": number,
        "attempt": 1,
        "opened_ms": opened,
        "cohort": people,
        "members": [{**template["members"][0], "participant": name} for name in people],
        "survivors": there,
        "revealed": there,
        **dict.fromkeys(("u1", "u2"), people),
        **{kind: dict.fromkeys(people, template[kind]["hospital-a"]) for kind in ("keys", "shares")},
        "updates": dict.fromkeys(there, template["updates"]["hospital-a"]),
        "base_state": base,
        "state": f"{number:064x}",
        "proposal": proposal,
        "rewards": [{"participant": name, "amount": 1000 + number, "account": ""} for name in there],
    }
    return one, _history(one, number, absent)


def _history(one: dict[str, Any], number: int, absent: str) -> list[dict[str, Any]]:
    at, opened, entries = ["tumour", f"{number:010d}", "0000000001"], one["opened_ms"], list[dict[str, Any]]()

    def note(kind: str, parts: list[str], seconds: float, **value: Any) -> None:
        time_ms = opened + int(seconds * SECOND)
        entries.append({"kind": kind, "parts": parts, "block": number, "time_ms": time_ms, "value": value})

    for place, (phase, kind) in enumerate(
        {"Keys": "keys", "Shares": "shares", "Updates": "update", "Unmask": "reveal"}.items()
    ):
        note("phase", at, place * 20, phase=phase, deadline_ms=opened + (place * 20 + 15) * SECOND)
        for n, name in enumerate(one["cohort"]):
            if name != absent or phase in ("Keys", "Shares"):
                note(kind, [*at, name], place * 20 + 1 + n * (1.1 if number % 4 == 0 else 0.5))
    note("phase", at, 80, phase="Attest", deadline_ms=0)
    note("phase", at, 90, phase="Final", deadline_ms=0)
    for n, name in enumerate(one["cohort"]):
        note(
            "outcome",
            [*at, name],
            90,
            outcome="dropout" if name == absent else "fault" if (number + n) % 19 == 0 else "finished",
        )
        note("score", [name], 91, reputation_ppm=500_000 + 10_000 * number - 1000 * n)
        note("stake", [name], 91, amount=2_000_000)
        note("balance", [msp_id(n)], 91, amount=8_000_000 + 10_000 * number * n)
    return entries


def _release(training: dict[str, Any]) -> dict[str, Any]:
    organisations = [msp_id(n) for n in range(PEOPLE)]
    predicate = {
        "organisations": organisations,
        "not_proven": ["that nobody kept a copy of an earlier state"],
        "plan": {"framework": "jax"},
        "lineage": {"root": "ab" * 32},
        "privacy": {"unit": "record", "epsilon": "6.0", "delta": "0.00001", "rounds": ROUNDS, "clip": "1"},
        "final": {"training": "tumour", "round": ROUNDS},
    }
    files = ("model.safetensors", "state")
    return {
        "release": "tumour-1",
        "training": "tumour",
        "round": ROUNDS,
        "released_ms": ROUNDS * 600 * SECOND,
        "statement": {
            "predicate": predicate,
            "subject": [{"name": name, "digest": {"sha256": training["lineage"]["state"]}} for name in files],
        },
        "withdrawal": None,
        "signatures": {msp: {"time_ms": 1} for msp in organisations[:11]},
    }
