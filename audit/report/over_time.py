"""How contributions, rewards, reputation, ε and balances came to be: a small line for each participant and measure.

Every name has a row and every measure a column with one scale, so that lines are told apart by where they stand, not by
colour.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from audit.report.measures import number
from audit.verify.history import attempt_of
from audit.verify.story import place_of

Points = list[tuple[int, float]]
"""A value and the time, Unix milliseconds, from which it holds."""
HEIGHT: Final = 100.0
"""Of a line's box, whose width is 100 too."""
LARGEST: Final = 1e18
"""What no scale holds is left to the tables; a colluding majority can write any number."""


@dataclass(frozen=True)
class Column:
    """One measure of everybody: what it is called, its scale's ends in words, and each name's line and last value."""

    title: str
    low: str
    high: str
    lines: dict[str, str]
    last: dict[str, str]
    first: dict[str, str]


@dataclass(frozen=True)
class Table:
    """Names and what is shown of them, from `began_ms` to `ended_ms`."""

    names: dict[str, str]
    """Name → whose it is, "" where that is the name itself."""
    columns: tuple[Column, ...]
    began_ms: int
    ended_ms: int


def participants_over_time(story: Mapping[str, Any], epsilon: Sequence[Mapping[str, Any]] = ()) -> Table:
    """Return examples, rewards, stake and reputation of each participant, and the ε of each training that counts one.

    Args:
        story: The whole story.
        epsilon: `training`, `unit` and `steps` of each training whose plan adds noise (`audit.verify.privacy`).
    """
    names = {one["participant"]: one["msp_id"] for one in story["participants"]}
    ends, span = _ends(story), _span(story)
    columns = [
        _column("Examples counted", _summed(story, ends, _examples), names, span),
        _column("Rewards", _summed(story, ends, _rewards), names, span),
        _column("Stake", _written(story, "stake", "amount"), names, span),
        _column("Reputation", _written(story, "score", "reputation_ppm", 10_000), names, span, " %", top=100),
    ]
    for spent in epsilon:
        points: dict[str, Points] = {}
        for where, each in spent["steps"]:
            for name, value in each.items():
                points.setdefault(name, []).append((ends.get(where, span[1]), value))
        columns.append(_column(f"ε of each {spent['unit']}, {spent['training']}", points, names, span))
    return Table(names, tuple(columns), *span)


def balances_over_time(story: Mapping[str, Any]) -> Table:
    """Return the balance of each organisation."""
    span, names = _span(story), {one["msp_id"]: "" for one in story["organisations"]}
    return Table(names, (_column("Balance", _written(story, "balance", "amount"), names, span, floor=None),), *span)


def _span(story: Mapping[str, Any]) -> tuple[int, int]:
    times = [event["time_ms"] for event in story["events"]]
    return min(times, default=0), max(times, default=0)


def _ends(story: Mapping[str, Any]) -> dict[str, int]:
    """Return when each attempt froze its survivors or, if later, ended."""
    found: dict[str, int] = {}
    for entry in story["history"]:
        if entry["kind"] == "phase" and entry["value"].get("phase") in ("Unmask", "Final", "Void"):
            found[attempt_of(entry)] = entry["time_ms"]
    return found


def _examples(one: Mapping[str, Any]) -> dict[str, int]:
    return {name: one["updates"].get(name, {}).get("examples", 0) for name in one["survivors"]}


def _rewards(one: Mapping[str, Any]) -> dict[str, int]:
    return {reward["participant"]: reward["amount"] for reward in one["rewards"]}


def _summed(
    story: Mapping[str, Any], ends: Mapping[str, int], given: Callable[[Mapping[str, Any]], Mapping[str, int]]
) -> dict[str, Points]:
    """Return what Final rounds gave each participant, added up."""
    finals = [one for training in story["trainings"] for one in training["rounds"] if one["phase"] == "Final"]
    found: dict[str, Points] = {}
    for one in sorted(finals, key=lambda one: ends.get(place_of(one), one["opened_ms"])):
        for name, value in given(one).items():
            points = found.setdefault(name, [])
            points.append((ends.get(place_of(one), one["opened_ms"]), value + (points[-1][1] if points else 0)))
    return found


def _written(story: Mapping[str, Any], kind: str, name: str, per: int = 1) -> dict[str, Points]:
    """Return what the rules wrote of each key of a kind."""
    found: dict[str, Points] = {}
    for entry in story["history"]:
        value = entry["value"].get(name)
        if entry["kind"] == kind and isinstance(value, int):
            found.setdefault("/".join(entry["parts"]), []).append((entry["time_ms"], value / per))
    return found


def _column(
    title: str,
    points: Mapping[str, Points],
    names: Iterable[str],
    span: tuple[int, int],
    unit: str = "",
    *,
    floor: float | None = 0,
    top: float | None = None,
) -> Column:
    shown = {name: [at for at in points.get(name, []) if abs(at[1]) <= LARGEST] for name in names}
    values = [value for line in shown.values() for _, value in line]
    low = min(values, default=0.0) if floor is None else floor
    high = max(values, default=0.0) if top is None else top
    return Column(
        title,
        number(low) + unit,
        number(high) + unit,
        {name: _line(line, span, low, high) for name, line in shown.items() if line},
        {name: number(_rounded(line[-1][1])) + unit for name, line in shown.items() if line},
        {name: number(_rounded(line[0][1])) + unit for name, line in shown.items() if line},
    )


def _rounded(value: float) -> float:
    return float(f"{value:.10g}")


def _line(points: Points, span: tuple[int, int], low: float, high: float) -> str:
    """Return the steps of a line as an SVG path in a box of 100 by 100, from its first point to the end of the span."""
    width, height = max(1, span[1] - span[0]), high - low or 1.0

    def x(time_ms: int) -> float:
        return min(100.0, max(0.0, (time_ms - span[0]) / width * 100))

    def y(value: float) -> float:
        return HEIGHT - (value - low) / height * HEIGHT if high > low else HEIGHT / 2

    (first, began), *rest = points
    path = f"M{x(first):.2f} {y(began):.2f}"
    for time_ms, value in rest:
        path += f"H{x(time_ms):.2f}V{y(value):.2f}"
    return f"{path}H100"
