"""Participants and rounds: what became of each participant in each attempt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit.report.timeline import ENDED, Phase
from audit.verify.history import attempt_of
from audit.verify.story import place_of

MARKS: Final = {
    "finished": "finished: its update is in the sum",
    "late": "late: it finished, and came after a deadline",
    "dropped": "dropped: it left, or did not come in time",
    "fault": "at fault, as the rules proved",
    "void": "there to the end of an attempt that was void",
    "open": "under way",
}
"""What may become of a participant that was drawn, in the order in which a legend lists it."""
OUTCOMES: Final = {"finished": "finished", "dropout": "dropped", "fault": "fault"}
"""The ledger's own words for it (record `outcome`, docs/ledger-layout.md)."""


@dataclass(frozen=True)
class Matrix:
    """A training's participants against its attempts.

    Attributes:
        columns: The attempts, each with `where`, `round`, `attempt` and `phase`.
        rows: Participant → for each column one of MARKS, "" where it was not drawn. Invariant: as many as columns.
        marks: Those of MARKS that occur.
    """

    columns: list[dict[str, Any]]
    rows: dict[str, list[str]]

    @property
    def marks(self) -> dict[str, str]:
        """Return the marks that occur, with what they mean."""
        found = {mark for row in self.rows.values() for mark in row}
        return {mark: text for mark, text in MARKS.items() if mark in found}


def matrix(training: Mapping[str, Any], history: Iterable[dict[str, Any]], phases: Mapping[str, list[Phase]]) -> Matrix:
    """Return what became of each participant of a training in each attempt.

    Args:
        training: Its story, with its rounds.
        history: What `audit.verify.history` kept: the outcomes that the rules wrote.
        phases: The attempts' phases, for who came late.
    """
    outcomes = _outcomes(history, training["training"])
    columns = [
        {"where": place_of(one), "round": one["round"], "attempt": one["attempt"], "phase": one["phase"]}
        for one in training["rounds"]
    ]
    names = sorted({name for one in training["rounds"] for name in one["cohort"]})
    rows = {
        name: [
            _mark(name, one, outcomes.get((place_of(one), name), ""), phases.get(place_of(one), []))
            for one in training["rounds"]
        ]
        for name in names
    }
    return Matrix(columns, rows)


def _outcomes(history: Iterable[dict[str, Any]], training: str) -> dict[tuple[str, str], str]:
    found = {}
    for entry in history:
        where = attempt_of(entry) if entry["kind"] == "outcome" else ""
        if where.startswith(f"{training}/"):
            found[where, entry["parts"][-1]] = str(entry["value"].get("outcome", ""))
    return found


def _mark(name: str, one: Mapping[str, Any], outcome: str, phases: list[Phase]) -> str:
    if name not in one["cohort"]:
        return ""
    mark = OUTCOMES.get(outcome, "void" if one["phase"] in ENDED else "open")
    if mark == "finished" and any(name in phase.late for phase in phases):
        return "late"
    return mark
