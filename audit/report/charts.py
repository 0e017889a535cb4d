"""Small multiples: the metrics of a training's Final rounds, those of one unit in one panel, drawn by matplotlib."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from markupsafe import Markup

from audit.report.drawing import INK, RULE, inline
from audit.report.measures import TITLES, by_unit, number
from audit.text import visible

WIDTH, HEIGHT = 344, 190
"""Of a panel, in CSS pixels: it fits a phone as it is, and three stand beside each other on a desktop."""
DPI: Final = 72
MOST_SERIES: Final = 5
"""In one panel: as many colours as the colour-blind tell apart (docs/decisions/0029-charts.md)."""
DASHES: Final = ((0, ()), (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS: Final = ("o", "s", "^", "D", "v")
"""Besides its colour each series has a stroke and a mark of its own."""
MOST_MARKED: Final = 40
"""Points of a series that each have a mark."""
LARGEST: Final = 1e30
Series = tuple[tuple[str, tuple[tuple[int, float], ...]], ...]
"""Each name with its points: round, value."""


@dataclass(frozen=True)
class Panel:
    """One chart: what it shows, the drawing, and the names of its lines, the first that of the class `s1`."""

    title: str
    drawing: Markup
    names: tuple[str, ...]
    swatches: tuple[Markup, ...]


def panels(training: Mapping[str, Any], only: Iterable[str] | None = None) -> list[Panel]:
    """Return the charts of a training's metrics by unit, none of a training without Final rounds.

    Args:
        training: Its story, with its rounds.
        only: The attempts to draw, as "round/attempt"; all if None.
    """
    wanted = None if only is None else set(only)
    series: dict[str, list[tuple[int, float]]] = {}
    for one in training["rounds"]:
        if one["phase"] != "Final" or (wanted is not None and f"{one['round']}/{one['attempt']}" not in wanted):
            continue
        for name, value in one["proposal"]["metrics"].items():
            # One aggregator publishes them: a value that no axis can hold is left to the table.
            if abs(float(value)) <= LARGEST:
                series.setdefault(visible(name), []).append((one["round"], float(value)))
    about = f"{training['training']} {sorted(wanted or ())}"  # a page may show a training and a model of it
    found = []
    for unit, names in by_unit(series).items():
        parts = [names[at : at + MOST_SERIES] for at in range(0, len(names), MOST_SERIES)]
        for place, part in enumerate(parts, start=1):
            title = TITLES[unit] + (f", {place} of {len(parts)}" if len(parts) > 1 else "")
            found.append(panel(title, tuple((name, tuple(series[name])) for name in part), about))
    return found


@lru_cache(maxsize=256)
def panel(title: str, series: Series, about: str) -> Panel:
    """Return one chart; the same series are drawn once."""
    name = "c" + sha256(repr((title, series, about)).encode()).hexdigest()[:10]
    names = tuple(own for own, _ in series)
    return Panel(
        title, inline(_draw(series), name, _spoken(title, series)), names, tuple(_swatch(n) for n in range(len(names)))
    )


def _spoken(title: str, series: Series) -> str:
    """Say what a chart shows to those who hear it."""
    told = [
        f"{name} from {number(began)} in round {first} to {number(ended)} in round {last}"
        for name, ((first, began), *_, (last, ended)) in ((name, (points[0], *points)) for name, points in series)
    ]
    return f"{title} by round: {'; '.join(told)}"


def _swatch(place: int) -> Markup:
    """Return a short piece of a series' line, for the legend."""
    dashes = " ".join(str(1.6 * part) for part in DASHES[place][1])
    line = (
        f'<line x1="1" y1="6" x2="33" y2="6" class="line-s{place + 1}" stroke-width="2" stroke-dasharray="{dashes}"/>'
    )
    mark = {
        "o": '<circle cx="17" cy="6" r="4"/>',
        "s": '<rect x="13.5" y="2.5" width="7" height="7"/>',
        "^": '<path d="M17 1.5l4.5 8h-9z"/>',
        "D": '<path d="M17 1l5 5-5 5-5-5z"/>',
        "v": '<path d="M17 10.500l4.500-8h-9z"/>',
    }[MARKERS[place]]
    mark = mark.replace("/>", f' class="area-s{place + 1}"/>')
    return Markup('<svg class="swatch" width="34" height="12" aria-hidden="true">{}{}</svg>').format(
        Markup(line),  # noqa: S704 - of this file's own constants
        Markup(mark),  # noqa: S704
    )


def _draw(series: Series) -> str:
    import matplotlib as mpl  # noqa: PLC0415 - only pages need the drawing library
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    # Text stays text, for readers and search; the salt fixes the ids, so that the same ledger gives the same report.
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "fedledger", "text.parse_math": False}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), layout="constrained")
        axes = figure.subplots()
        for place, (_, points) in enumerate(series):
            (line,) = axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=f"#00000{place + 1}",
                linestyle=DASHES[place],
                linewidth=1.8,
                marker=MARKERS[place] if len(points) <= MOST_MARKED else "",
                markersize=5,
                clip_on=False,
            )
            line.set_gid(f"series-{place + 1}")
        rounds = [x for _, points in series for x, _ in points]
        axes.set_xlim(min(rounds) - 0.3, max(rounds) + 0.3)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        _plain(figure, axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _plain(figure: Any, axes: Any) -> None:
    """Leave of the axes what is read: rules, numbers, the word below."""
    axes.set_xlabel("round", color=INK, fontsize=11)
    axes.tick_params(colors=INK, labelsize=11, length=0)
    axes.grid(visible=True, axis="y", color=RULE, linewidth=1)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.patch.set_visible(False)
    axes.patch.set_visible(False)
