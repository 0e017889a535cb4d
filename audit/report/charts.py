"""Charts as SVG: metrics and survivors by round, drawn without a display, readable on light and dark ground."""

import io
from typing import Any

from audit.text import visible

INK = "#7a7f87"
"""A grey that is legible on white and on near-black, since one drawing serves both."""
COLOURS = ("#2f7de1", "#d9822b", "#2a9d6f", "#c2415b", "#8a63d2", "#5d8a00")
WIDTH, HEIGHT = 7.2, 2.6
LARGEST = 1e30


def metric_chart(training: dict[str, Any]) -> str:
    """Return the metrics of a training's Final rounds as an SVG; "" where there are none."""
    series: dict[str, list[tuple[int, float]]] = {}
    for step in training["rounds"]:
        if step["phase"] != "Final":
            continue
        for name, value in sorted(step["proposal"]["metrics"].items()):
            # One aggregator publishes them: a value that no axis can hold is left to the table.
            if abs(float(value)) <= LARGEST:
                series.setdefault(visible(name), []).append((step["round"], float(value)))
    return _lines(series, "metrics of Final rounds") if series else ""


def survivor_chart(training: dict[str, Any]) -> str:
    """Return how many were drawn and how many survived in each round's last attempt as an SVG; "" without rounds."""
    last = {one["round"]: one for one in training["rounds"] if one["phase"] in ("Final", "Void")}
    if not last:
        return ""
    series = {
        "drawn": [(number, float(len(one["cohort"]))) for number, one in last.items()],
        "survivors": [(number, float(len(one["survivors"]))) for number, one in last.items()],
    }
    return _lines(series, "drawn and survivors by round", from_zero=True)


def reputation_chart(participants: list[dict[str, Any]]) -> str:
    """Return the participants' reputation as horizontal bars in an SVG; "" where there are none."""
    if not participants:
        return ""
    figure, axes = _figure("reputation, %")
    names = [visible(p["participant"]) for p in participants]
    axes.barh(names, [p["score"]["reputation_ppm"] / 10_000 for p in participants], color=COLOURS[0])
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    return _svg(figure)


def _lines(series: dict[str, list[tuple[int, float]]], title: str, *, from_zero: bool = False) -> str:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - only pages need the drawing library

    figure, axes = _figure(title)
    for colour, (name, points) in zip(COLOURS * (1 + len(series) // len(COLOURS)), series.items(), strict=False):
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", color=colour, label=name, markersize=4)
    axes.set_xlabel("round", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    rounds = [x for points in series.values() for x, _ in points]
    axes.set_xlim(min(rounds) - 0.5, max(rounds) + 0.5)
    if from_zero:
        axes.set_ylim(bottom=0)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    return _svg(figure)


def _figure(title: str) -> tuple[Any, Any]:
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    # A dollar sign in a name on the ledger is a dollar sign, no formula.
    mpl.rcParams["text.parse_math"] = False
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, color=INK, fontsize=9, loc="left")
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(visible=True, color=INK, alpha=0.2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    return figure, axes


def _svg(figure: Any) -> str:
    import matplotlib  # noqa: PLC0415, ICN001

    # Text stays text, for readers and search; the salt fixes the ids, so that the same ledger gives the same report.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fedledger"}):
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    drawing = out.getvalue()
    return drawing[drawing.index("<svg") :]
