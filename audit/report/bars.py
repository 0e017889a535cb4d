"""Timelines as bars for pages: every place and width in % of one scale, so that a bar fits whatever it stands in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from audit.report.timeline import PHASES, Phase, longest, waits

LABELLED: Final = 21.0
"""How wide a piece must be, in %, for its name to stand over it on a phone."""
END: Final = 100.0


@dataclass(frozen=True)
class Piece:
    """One phase: a full bar from `x`, `width` wide, and of it, at the end, the part `waited` for who did not come."""

    name: str
    number: int
    x: float
    width: float
    waited: float
    label: str


@dataclass(frozen=True)
class Bar:
    """An attempt's phases on a scale, and in words how long it took and whom it waited for."""

    pieces: tuple[Piece, ...]
    seconds: float
    longest: str
    waits: tuple[tuple[str, str], ...]
    """Phases that waited, with whom for."""


def span(phases: Sequence[Phase], now_ms: int) -> int:
    """Return how long an attempt's phases took together, in milliseconds, at least 1."""
    if not phases:
        return 1
    return max(1, (phases[-1].ended_ms or max(now_ms, phases[-1].began_ms)) - phases[0].began_ms)


def bar(phases: Sequence[Phase], now_ms: int, scale_ms: int) -> Bar:
    """Return an attempt's bar; a whole bar stands for `scale_ms`."""
    origin = phases[0].began_ms if phases else 0
    pieces, free = [], 0.0
    for phase in phases:
        x, width = (phase.began_ms - origin) / scale_ms * END, phase.seconds(now_ms) * 1000 / scale_ms * END
        came = max(phase.came.values(), default=phase.began_ms)
        waited = max(0.0, x + width - (came - origin) / scale_ms * END) if phase.missing else 0.0
        label = phase.name if width >= LABELLED and x >= free else ""
        free = x + LABELLED if label else free
        pieces.append(Piece(phase.name, PHASES.index(phase.name) + 1, x, width, min(width, waited), label))
    slow = longest(phases, now_ms)
    seconds = span(phases, now_ms) / 1000 if phases else 0.0
    return Bar(tuple(pieces), seconds, slow.name if slow else "", tuple(waits(phases)))


@dataclass(frozen=True)
class Arrival:
    """When somebody did what a phase asks: where on the scale, in seconds after the opening, and whether in time."""

    phase: str
    number: int
    x: float
    seconds: float
    how: str
    """ "came", "late" or "missing"."""


def arrivals(phases: Sequence[Phase], now_ms: int) -> dict[str, list[Arrival]]:
    """Return for each participant and organisation when it came in each phase, on a scale of the whole attempt."""
    scale, found = span(phases, now_ms), dict[str, list[Arrival]]()
    origin = phases[0].began_ms if phases else 0

    def note(who: str, phase: Phase, at_ms: int, how: str) -> None:
        seconds = (at_ms - origin) / 1000
        x = min(END, max(0.0, seconds * 1000 / scale * END))
        found.setdefault(who, []).append(Arrival(phase.name, PHASES.index(phase.name) + 1, x, seconds, how))

    for phase in phases:
        for who, at in phase.came.items():
            note(who, phase, at, "late" if who in phase.late else "came")
        for who in phase.missing:
            note(who, phase, phase.ended_ms or now_ms, "missing")
    return found


def bars(timelines: Mapping[str, Sequence[Phase]], now_ms: int) -> tuple[dict[str, Bar], float]:
    """Return the bars of several attempts on one scale, and how many seconds the scale is long."""
    scale = max((span(phases, now_ms) for phases in timelines.values()), default=1)
    return {where: bar(phases, now_ms, scale) for where, phases in timelines.items()}, scale / 1000


def legend(timelines: Iterable[Sequence[Phase]] | None = None) -> list[tuple[int, str]]:
    """Return the phases that occur, each with its number; all if nothing is given."""
    found = PHASES if timelines is None else {phase.name for phases in timelines for phase in phases}
    return [(number, name) for number, name in enumerate(PHASES, start=1) if name in found]
