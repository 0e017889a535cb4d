"""Everything that pages draw of one training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.report.bars import Bar, bars, legend
from audit.report.charts import Panel, panels
from audit.report.lineage import Row, lineage_rows, width
from audit.report.matrix import Matrix, matrix
from audit.report.measures import number
from audit.report.timeline import timelines
from audit.report.view import round_rows


@dataclass(frozen=True)
class Figures:
    """A table of metrics.

    Attributes:
        groups: The first parts of the metrics' names, each with how many columns it stands over.
        names: The rest of each name, one a column.
        rows: Each Final round with a cell for each column.
    """

    groups: list[tuple[str, int]]
    names: list[str]
    rows: list[tuple[dict[str, Any], list[str]]]


@dataclass(frozen=True)
class Picture:
    """A training as pages show it: `scale` is how many seconds a whole bar is long, `lanes` how wide the lineage is."""

    rows: list[dict[str, Any]]
    panels: list[Panel]
    figures: Figures
    bars: dict[str, Bar]
    scale: float
    legend: list[tuple[int, str]]
    matrix: Matrix
    lineage: list[Row]
    lanes: int


def picture(training: dict[str, Any], story: dict[str, Any], now_ms: int = 0) -> Picture:
    """Return what pages draw of a training; `now_ms` is how late it is for rounds under way, 0 for the last block."""
    now = now_ms or max((event["time_ms"] for event in story["events"]), default=0)
    phases = timelines(story["history"], training)
    drawn, scale = bars(phases, now)
    rows, lineage = round_rows(training, story), lineage_rows(training)
    return Picture(
        rows,
        panels(training),
        figures(rows),
        drawn,
        scale,
        legend(phases.values()),
        matrix(training, story["history"], phases),
        lineage,
        width(lineage),
    )


def figures(rows: list[dict[str, Any]]) -> Figures:
    """Return the metrics of Final rounds as a table with a column each, names with the same first part together."""
    finals = [row for row in rows if row["phase"] == "Final"]
    names = sorted({name for row in finals for name, _ in row["metrics"]})
    parts = [name.rpartition("/")[::2] for name in names]
    groups: list[tuple[str, int]] = []
    for first, _ in parts:
        if groups and groups[-1][0] == first:
            groups[-1] = (first, groups[-1][1] + 1)
        else:
            groups.append((first, 1))
    cells = [(row, [number(dict(row["metrics"]).get(name, "")) for name in names]) for row in finals]
    return Figures(groups, [last for _, last in parts], cells)


def latest(training: Mapping[str, Any]) -> int:
    """Return the round that the present model comes from, 0 before the first."""
    steps = training["lineage"]["steps"]
    return int(steps[-1]["round"]) if steps else 0
