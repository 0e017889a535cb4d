"""The figures that this project has set out to reach: each of a benchmark, with what it was in November 2026."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.runner.show import VERDICTS, number


@dataclass(frozen=True)
class Row:
    """One goal: which figure of which benchmark, what it is called here, and what it was before."""

    name: str
    benchmark: str
    figure: str
    was: str


ROWS = (
    Row("round beside training, 4 members, devnet", "rounds", "round", "1.2 to 1.55"),
    Row("the same, real Fabric, 200 ms batches", "rounds-fabric", "round", "2.4"),
    Row("the same, 10⁶ slots, devnet", "million", "round", "1.63"),
    Row("the same, 10⁷ slots, devnet", "ten-million", "round", "11 to 13"),
    Row("10 members, 10⁵ slots", "ten", "round", "4.0"),
    Row("20 members, 10⁴ slots", "twenty", "round", "does not start"),
    Row("50 participants of 10, 10⁴ slots", "fifty", "round", ""),
    Row("Flower's SecAgg+ over ours, n = 4, 10⁴", "flower", "Flower over ours", "15 to 20"),
    Row("the same, 10⁶ slots", "flower-million", "Flower over ours", "15"),
    Row("the same, n = 10, one that fails", "flower-dropout", "Flower over ours", ""),
    Row("Flower's simulation engine over ours, n = 4, 10⁴", "flower-simulation", "Flower over ours", ""),
    Row("ledger over PostgreSQL coordinator", "postgres", "of the coordinator's round", ""),
    Row("the ledger's part of a minute", "postgres", "of a minute", ""),
    Row("masking n = 10, 10⁶", "masking", "of AES-CTR", "0.67"),
    Row("endorsement check n = 10, 10⁶", "endorsement", "of SHA-256", "1.57"),
    Row("the same of updates checked before", "endorsement", "of SHA-256, once checked", ""),
    Row("node's memory after rounds of 10⁷ slots", "ten-million", "node memory", "374"),
    Row("disk a round and member, n = 4, 10⁷: for good", "ten-million", "blobs for good", ""),
    Row("the same within the audit's window", "ten-million", "blobs a round", "200 000 000"),
    Row("fedledger --help", "start", "fedledger --help", "0.25"),
    Row("node ready", "ready", "ready", ""),
)
NEEDED = tuple(dict.fromkeys(row.benchmark for row in ROWS))
"""The benchmarks that give all rows."""


COLUMNS = ("row", "was", "reached", "goal", "unit", "", "load", "command")


@dataclass(frozen=True)
class Taken:
    """What a row came to: the figure and its goal in `unit`, the machine's load before each turn, and the command."""

    row: Row
    figure: dict[str, Any]
    loads: tuple[float, ...]
    command: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, one cell for each of COLUMNS."""
        goal = "" if self.figure["goal"] is None else number(self.figure["goal"])
        loads = ", ".join(str(load) for load in self.loads)
        verdict = VERDICTS[self.figure.get("reached")]
        median = number(self.figure["median"])
        return (self.row.name, self.row.was, median, goal, self.figure["unit"], verdict, loads, self.command)

    @property
    def share(self) -> float | None:
        """How many times the goal was needed: at most 1 where it is reached; None without a figure or a goal."""
        median, goal = self.figure["median"], self.figure["goal"]
        if not median or not goal:
            return None
        return float(median / goal if self.figure["better"] == "less" else goal / median)


def taken(report: dict[str, Any]) -> list[Taken]:
    """Return every row of a report that has all of NEEDED."""
    by_name = {benchmark["name"]: benchmark for benchmark in report["benchmarks"]}
    found = []
    for row in ROWS:
        benchmark = by_name[row.benchmark]
        figure = next(each for each in benchmark["figures"] if each["name"] == row.figure)
        loads = tuple(turn["load"] for turn in benchmark["turns"])
        found.append(Taken(row, figure, loads, benchmark["command"]))
    return found


def show_goals(report: dict[str, Any], console: Console) -> None:
    """Print one table of all rows, and the command that takes each."""
    about = report["machine"]
    console.print(f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, Python {about['python']}")
    table = Table(title="Goals", title_justify="left")
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for each in taken(report):
        table.add_row(*each.cells)
    console.print(table)
    for benchmark in report["benchmarks"]:
        for problem in {turn["problem"] for turn in benchmark["turns"] if turn.get("problem")}:
            console.print(f"{benchmark['name']}: {problem}", markup=False, highlight=False)


def as_markdown(report: dict[str, Any]) -> str:
    """Return the table for a page of documentation."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    lines += [(*each.cells[:-1], f"`{each.command}`") for each in taken(report)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plot_goals(report: dict[str, Any], file: Path) -> None:
    """Draw how far each figure is from its goal: left of the line it is reached."""
    from matplotlib.figure import Figure

    rows = [(each.row.name, share) for each in taken(report) if (share := each.share) is not None]
    picture = Figure(figsize=(8, 0.32 * len(rows) + 1.2), layout="constrained")
    axes = picture.subplots()
    colours = ["#0072B2" if share <= 1 else "#D55E00" for _, share in rows]
    axes.hlines([name for name, _ in rows], 1, [share for _, share in rows], color=colours, linewidth=2)
    axes.scatter([share for _, share in rows], [name for name, _ in rows], color=colours, zorder=3)
    axes.axvline(1, color="#444444", linewidth=1)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_xlabel("times the goal, logarithmic: reached left of the line")
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(file, metadata={"Date": None})
