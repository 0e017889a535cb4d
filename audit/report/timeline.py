"""An attempt of a round as phases that follow one another, each with who came when and who was waited for.

Pages make it from an audited ledger's history, the terminal from what a node sees of a round under way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from audit.verify.history import attempt_of
from audit.verify.story import place_of
from network.rules import FLOWS_SINCE

PHASES: Final = ("Keys", "Shares", "Updates", "Unmask", "Attest")
"""In their order; after them an attempt is Final, or after any of them Void."""
ENDED: Final = ("Final", "Void")
SPEAKS: Final = {"Keys": "keys", "Shares": "shares", "Updates": "updates", "Unmask": "revealed"}
"""What an attempt's record calls those who have done what a phase asks of each participant."""
ASKED: Final = {"Keys": "cohort", "Shares": "u1", "Updates": "u2", "Unmask": "survivors"}
"""What it calls those whom a phase asks."""
WRITES: Final = {
    "keys": "Keys",
    "shares": "Shares",
    "update": "Updates",
    "reveal": "Unmask",
    "proposed": "Attest",
    "attest": "Attest",
    "no-state": "Attest",
}
"""Which phase a record of the ledger belongs to (docs/ledger-layout.md)."""
FLOWING: Final = {"Keys": "Shares", "Shares": "Updates", "Unmask": "Attest"}
"""Which phases can be over without a record of it, and what follows them (docs/decisions/0030-flow.md)."""
MOST_NAMED: Final = 3
NOTICED_S: Final = 0.5
"""By how many seconds the last must come after the others to be named: ledgers take that long by themselves."""
NOTICED: Final = 0.1
"""And by which part of the phase: half a second of a minute is no waiting."""


@dataclass(frozen=True)
class Phase:
    """One phase of an attempt.

    Attributes:
        name: One of PHASES.
        began_ms: When it began, Unix milliseconds.
        ended_ms: When it ended, None while it is under way.
        deadline_ms: From when on it may end without those who are missing, 0 where that is not known.
        came: Who did what it asks, and when. In Attest: organisations, and the participants who proposed a result.
        missing: Whom it asked and who had not come when it ended or, under way, have not come yet. Invariant: empty in
            Attest, which ends with a majority and asks nobody by name.
        left: Whom it asked and who said instead that it takes no further part.
    """

    name: str
    began_ms: int
    ended_ms: int | None = None
    deadline_ms: int = 0
    came: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def seconds(self, now_ms: int) -> float:
        """Return how long it took, or has taken so far."""
        return max(0, (now_ms if self.ended_ms is None else self.ended_ms) - self.began_ms) / 1000

    @property
    def late(self) -> tuple[str, ...]:
        """Who came after the deadline; in Attest nobody does, which has none for those who attest."""
        if not self.deadline_ms or self.name not in SPEAKS:
            return ()
        return tuple(who for who, at in self.came.items() if at > self.deadline_ms)

    @property
    def last(self) -> str:
        """Who came last, "" where nobody did or where it asked one alone."""
        return max(self.came, key=lambda who: (self.came[who], who)) if len(self.came) > 1 else ""

    @property
    def waited_for(self) -> str:
        """Say whom the phase waited for, or who left it, "" where nobody."""
        if self.missing:
            return f"{named(self.missing)}, {'not there yet' if self.ended_ms is None else 'who did not come'}"
        if self.left:
            return f"{named(self.left)}, who left"
        if self.ended_ms is None or not self.last:
            return ""
        others = [at for who, at in self.came.items() if who != self.last]
        behind = (self.came[self.last] - max(others)) / 1000
        noticed = behind >= max(NOTICED_S, NOTICED * self.seconds(0))
        return f"{self.last}, {behind:.1f} s after the others" if noticed else ""


def waits(phases: Iterable[Phase]) -> list[tuple[str, str]]:
    """Return whom phases waited for, each time with the names of all phases of which that is so."""
    found: dict[str, list[str]] = {}
    for phase in phases:
        if phase.waited_for:
            found.setdefault(phase.waited_for, []).append(phase.name)
    return [(", ".join(names), who) for who, names in found.items()]


def named(who: Iterable[str]) -> str:
    """Return names in words, at most MOST_NAMED of them."""
    found = list(who)
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return ", ".join(found[:MOST_NAMED]) + more


def missing(one: Mapping[str, Any], phase: str) -> tuple[str, ...]:
    """Return whom a phase of an attempt asks and who has not come, in the cohort's order; nobody by name in Attest."""
    if phase not in SPEAKS:
        return ()
    gone = one.get("dropouts", {})
    return tuple(who for who in one[ASKED[phase]] if who not in one[SPEAKS[phase]] and who not in gone)


def left(one: Mapping[str, Any], phase: str) -> tuple[str, ...]:
    """Return who said in a phase of an attempt that it takes no further part, in the cohort's order."""
    gone = one.get("dropouts", {})
    return tuple(who for who in one["cohort"] if gone.get(who, {}).get("phase") == phase)


def longest(phases: Iterable[Phase], now_ms: int = 0) -> Phase | None:
    """Return the phase that took longest, None of none."""
    return max(phases, key=lambda phase: phase.seconds(now_ms), default=None)


def timelines(history: Iterable[dict[str, Any]], training: Mapping[str, Any]) -> dict[str, list[Phase]]:
    """Return the phases of each attempt of a training, by "training/round/attempt".

    Args:
        history: What `audit.verify.history` kept.
        training: Its story, with its rounds.
    """
    moves: dict[str, dict[str, tuple[int, int]]] = {}
    came: dict[str, dict[str, dict[str, int]]] = {}
    for entry in history:
        where, kind, value = attempt_of(entry), entry["kind"], entry["value"]
        if not where.startswith(f"{training['training']}/"):
            continue
        if kind == "phase":
            deadline = value.get("deadline_ms", 0)
            at = (entry["time_ms"], deadline if isinstance(deadline, int) else 0)
            moves.setdefault(where, {}).setdefault(str(value.get("phase", "")), at)
        elif kind in WRITES:
            who = str(value.get("proposer", "")) if kind == "proposed" else entry["parts"][-1]
            came.setdefault(where, {}).setdefault(WRITES[kind], {}).setdefault(who, entry["time_ms"])
    return {
        place: _phases(one, moves.get(place, {}), came.get(place, {}))
        for one in training["rounds"]
        for place in [place_of(one)]
    }


def _flowed(
    one: Mapping[str, Any], moves: Mapping[str, tuple[int, int]], came: Mapping[str, Mapping[str, int]]
) -> dict[str, tuple[int, int]]:
    """Add the phases that began with the last word of the one before, of which no record says when (decision 30)."""
    found = dict(moves)
    for before, after in FLOWING.items() if one.get("rules", 1) >= FLOWS_SINCE else ():
        gone = {who: int(each["time_ms"]) for who, each in one.get("dropouts", {}).items() if each["phase"] == before}
        spoke, asked = {**came.get(before, {}), **gone}, one[ASKED[before]]
        reached = (
            one["phase"] not in ENDED or came.get(after) or any(name in moves for name in PHASES[PHASES.index(after) :])
        )
        if reached and before in found and asked and all(who in spoke for who in asked):
            found[after] = max(spoke[who] for who in asked), 0
    return found


def _phases(
    one: Mapping[str, Any], moves: Mapping[str, tuple[int, int]], came: Mapping[str, Mapping[str, int]]
) -> list[Phase]:
    moves = _flowed(one, moves, came)
    starts = [(name, *moves[name]) for name in PHASES if name in moves]
    ends = [began for _, began, _ in starts[1:]] + [next((moves[name][0] for name in ENDED if name in moves), None)]
    return [
        Phase(name, began, ended, deadline, came.get(name, {}), missing(one, name), left(one, name))
        for (name, began, deadline), ended in zip(starts, ends, strict=False)
    ]
