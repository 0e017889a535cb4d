"""What changes from second to second: each training's last round, its phase, who is present and the time left."""

from typing import Any

from audit.report.dashboard.watch import Snapshot
from audit.report.render import Url
from audit.report.view import ENDED


def live_state(snapshot: Snapshot, now_ms: int, url: Url) -> dict[str, Any]:
    """Return what the pages' script polls."""
    story = snapshot.story
    return {
        "height": snapshot.verdict["height"],
        "verdict": snapshot.word,
        "trainings": len(story["trainings"]) if story["founded"] else 0,
        "flags": len(story["flags"]) if story["founded"] else 0,
        "rounds": live_rounds(story, now_ms, url),
        "problem": snapshot.problem,
        "version": snapshot.version,
    }


def live_rounds(story: dict[str, Any], now_ms: int, url: Url) -> list[dict[str, str]]:
    """Return the last attempt of each training's last round."""
    return [_live(t["rounds"][-1], now_ms, url) for t in story.get("trainings", []) if t["rounds"]]


def _live(one: dict[str, Any], now_ms: int, url: Url) -> dict[str, str]:
    phase = one["phase"]
    where = f"{one['training']}/{one['round']}/{one['attempt']}"
    name = f"{one['training']}, round {one['round']}"
    return {
        "name": f"{name}, attempt {one['attempt']}" if one["attempt"] > 1 else name,
        "href": url("round", where),
        "phase": phase,
        "mark": {"Final": "ok", "Void": "failed"}.get(phase, "open"),
        "present": _present(one),
        "remaining": "" if phase in ENDED else _remaining(one["deadline_ms"] - now_ms),
    }


def _present(one: dict[str, Any]) -> str:
    counted = {"Keys": "keys", "Shares": "shares", "Updates": "updates", "Unmask": "revealed", "Attest": "attestations"}
    if one["phase"] in counted:
        of = one["survivors"] if one["phase"] == "Unmask" else one["cohort"]
        return f"{len(one[counted[one['phase']]])} of {len(of)}"
    return f"{len(one['survivors'])} of {len(one['cohort'])} survived"


def _remaining(left_ms: int) -> str:
    return f"{left_ms // 1000} s" if left_ms > 0 else "past its deadline"
