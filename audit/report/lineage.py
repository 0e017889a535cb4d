"""A training's models as a graph, one row a model: lanes and lines as `git log --graph` draws them, beside each row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from audit.verify.story import place_of

LANE: Final = 20
"""Width of a lane, in pixels."""
MOST_LANES: Final = 6
"""Branches beyond these share the last lane: a training is not rolled back often, and a page has an end."""


@dataclass
class Row:
    """One model.

    Attributes:
        state: Its digest.
        base: The digest of the state that it follows from, "" for the first.
        one: The attempt that made it, None for the initial state.
        kept: Whether it leads to the present model; a vote rolled the others back.
        lane: From 0, that of the present model's line.
        above: Lanes whose lines come into this row from above; `joins` tells which of them ends in this row's node.
        below: Lanes whose lines leave it below.
        starts: Of those, the ones that begin in this row's node.
    """

    state: str
    base: str
    one: Mapping[str, Any] | None
    kept: bool
    lane: int = 0
    above: set[int] = field(default_factory=set)
    below: set[int] = field(default_factory=set)
    starts: set[int] = field(default_factory=set)

    @property
    def lines(self) -> list[tuple[float, int, float, int, bool]]:
        """Return the row's lines as x1, y1, x2, y2 (x in pixels, y in % of its height), and whether rolled back."""
        own = centre(self.lane)
        upper = [(centre(lane), 0, centre(lane), 50, lane > 0) for lane in sorted(self.above)]
        lower = [
            (own if lane in self.starts else centre(lane), 50, centre(lane), 100, lane > 0)
            for lane in sorted(self.below)
        ]
        return upper + lower

    @property
    def x(self) -> float:
        """Return where its node is, in pixels."""
        return centre(self.lane)


def centre(lane: int) -> float:
    """Return the middle of a lane, in pixels."""
    return (lane + 0.5) * LANE


def lineage_rows(training: Mapping[str, Any], *, kept_only: bool = False) -> list[Row]:
    """Return a training's models in the order they were made, the initial state first.

    Args:
        training: Its story, with its rounds.
        kept_only: Leave out those that a vote rolled back.
    """
    lineage = training["lineage"]
    rows = [Row(lineage["initial_state"], "", None, kept=True)]
    at = {lineage["initial_state"]: 0}
    for one in training["rounds"]:
        if one["phase"] != "Final" or one["base_state"] not in at or (kept_only and not _in(lineage, one)):
            continue
        state = one["proposal"]["state"]
        rows.append(Row(state, one["base_state"], one, kept=_in(lineage, one)))
        _join(rows, at[one["base_state"]])
        at[state] = len(rows) - 1
    return rows


def _in(lineage: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    return any((step["round"], step["attempt"]) == (one["round"], one["attempt"]) for step in lineage["steps"])


def _join(rows: list[Row], parent: int) -> None:
    """Give the last row a lane, and draw its line from its parent's row down to it."""
    last = len(rows) - 1
    row, between = rows[last], rows[parent + 1 : last]
    taken = set().union(*(one.above | one.below | {one.lane} for one in between), rows[parent].below)
    row.lane = 0 if row.kept else next((lane for lane in range(1, MOST_LANES) if lane not in taken), MOST_LANES)
    rows[parent].below.add(row.lane)
    rows[parent].starts.add(row.lane)
    for one in between:
        one.above.add(row.lane)
        one.below.add(row.lane)
    row.above.add(row.lane)


def width(rows: list[Row]) -> int:
    """Return how wide the graph is, in pixels."""
    return LANE * (1 + max((max({row.lane} | row.above | row.below) for row in rows), default=0))


def place(row: Row) -> str:
    """Return the attempt that made a model, "" for the initial state."""
    return place_of(row.one) if row.one is not None else ""
