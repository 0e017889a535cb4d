"""The figures that this project has set out to reach: each of a benchmark, with what it was in November 2026."""

from dataclasses import dataclass
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
    Row("the same, n = 10, one dropout", "flower-dropout", "Flower over ours", ""),
    Row("ledger over PostgreSQL coordinator", "postgres", "of the coordinator's round", ""),
    Row("the ledger's part of a minute", "postgres", "of a minute", ""),
    Row("masking n = 10, 10⁶", "masking", "of AES-CTR", "0.67"),
    Row("endorsement check n = 10, 10⁶", "endorsement", "of SHA-256", "1.57"),
    Row("node's memory after rounds of 10⁷ slots", "ten-million", "node memory", "374"),
    Row("disk a round and member, n = 4, 10⁷: for good", "ten-million", "blobs for good", ""),
    Row("the same within the audit's window", "ten-million", "blobs a round", "200 000 000"),
    Row("fedledger --help", "start", "fedledger --help", "0.25"),
    Row("node ready", "ready", "ready", ""),
)
NEEDED = tuple(dict.fromkeys(row.benchmark for row in ROWS))
"""The benchmarks that give all rows."""


def show_goals(report: dict[str, Any], console: Console) -> None:
    """Print one table of all rows, and the command that takes each."""
    about = report["machine"]
    console.print(f"{about['processor']}, {about['cores']} cores, {about['memory_gb']} GB, Python {about['python']}")
    by_name = {benchmark["name"]: benchmark for benchmark in report["benchmarks"]}
    table = Table(title="Goals", title_justify="left")
    for column in ("row", "was", "median", "goal", "unit", "reached", "load", "command"):
        table.add_column(column, overflow="fold")
    for row in ROWS:
        benchmark = by_name[row.benchmark]
        figure = next(each for each in benchmark["figures"] if each["name"] == row.figure)
        goal = "" if figure["goal"] is None else number(figure["goal"])
        loads = ", ".join(str(turn["load"]) for turn in benchmark["turns"])
        reached = VERDICTS[figure.get("reached")]
        median = number(figure["median"])
        table.add_row(row.name, row.was, median, goal, figure["unit"], reached, loads, benchmark["command"])
    console.print(table)
    for benchmark in report["benchmarks"]:
        for problem in {turn["problem"] for turn in benchmark["turns"] if turn.get("problem")}:
            console.print(f"{benchmark['name']}: {problem}", markup=False, highlight=False)
