"""Shows a report of the runner: a table for a person, and a plot of what has several parts."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

VERDICTS = {True: "yes", False: "no", None: ""}


def show(report: dict[str, Any], console: Console) -> None:
    """Print a table for each benchmark."""
    about = report["machine"]
    console.print(f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, Python {about['python']}")
    for benchmark in report["benchmarks"]:
        loads = ", ".join(str(turn["load"]) for turn in benchmark["turns"])
        table = Table(
            title=benchmark["question"], caption=f"{benchmark['command']}; load {loads}", title_justify="left"
        )
        for column in ("figure", "median", "least", "most", "unit", "goal", "reached"):
            table.add_column(column, justify="left" if column in ("figure", "unit") else "right")
        for figure in benchmark["figures"]:
            spread = [number(figure.get(each)) for each in ("median", "least", "most")]
            goal = number(figure["goal"]) if figure["goal"] is not None else ""
            table.add_row(figure["name"], *spread, figure["unit"], goal, VERDICTS[figure.get("reached")])
        console.print(table)


def plot(report: dict[str, Any], folder: Path) -> list[Path]:
    """Draw, for each benchmark, the figures that are seconds as bars with their least and most; return the files."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for benchmark in report["benchmarks"]:
        bars = [each for each in benchmark["figures"] if each["unit"] == "s" and each["median"] is not None]
        if not bars:
            continue
        picture = Figure(figsize=(7, 0.4 * len(bars) + 1.2), layout="constrained")
        axes = picture.subplots()
        medians = [each["median"] for each in bars]
        errors = [[each["median"] - each["least"] for each in bars], [each["most"] - each["median"] for each in bars]]
        axes.barh([each["name"] for each in bars], medians, xerr=errors, color="#0072B2", ecolor="#444444", capsize=3)
        goals = [(row, each["goal"]) for row, each in enumerate(bars) if each["goal"] is not None]
        for row, goal in goals:
            axes.plot(
                [goal, goal], [row - 0.4, row + 0.4], color="#D55E00", label="goal" if row == goals[0][0] else None
            )
        axes.invert_yaxis()
        axes.set_xlabel("seconds, median of the turns with the least and the most")
        axes.set_title(benchmark["question"], loc="left", fontsize=10)
        if goals:
            axes.legend(frameon=False)
        drawn.append(folder / f"{benchmark['name']}.svg")
        picture.savefig(drawn[-1])
    return drawn


def number(value: float | None) -> str:
    """Return three significant digits; a dash for what was not measured."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
