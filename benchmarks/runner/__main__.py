"""The command `fedledger-bench`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.runner.catalogue import BENCHMARKS, Benchmark
from benchmarks.runner.goals import NEEDED, as_markdown, plot_goals, show_goals
from benchmarks.runner.show import plot, show
from benchmarks.runner.turns import FailedTurnError, report

NAMES = {each.name: each for each in BENCHMARKS}
app = typer.Typer(add_completion=False)


@app.command()
def main(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which; all by default.")] = None,
    turns: Annotated[int, typer.Option(min=1, help="How often each is run.")] = 3,
    smoke: Annotated[bool, typer.Option(help="As small as can be: only to see that it works.")] = False,
    to: Annotated[
        Path | None, typer.Option("--json", help="Write all turns and medians to this file, after each.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw into this folder; with --goals also their table.")] = None,
    goals: Annotated[bool, typer.Option(help="All figures that the project set out to reach, in one table.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Say what there is, and stop.")] = False,
) -> None:
    """Run benchmarks, one turn of each after the other, and compare their medians with the goals."""
    out, err = Console(), Console(stderr=True)
    if listed:
        for each in BENCHMARKS:
            out.print(f"[bold]{each.name}[/bold]  {each.question}", highlight=False)
        return
    chosen = [NAMES[name] for name in NEEDED] if goals else _chosen(names)
    try:
        found = report(
            chosen,
            1 if smoke else turns,
            smoke,
            lambda text: err.print(text, style="dim"),
            tolerant=goals,
            kept=lambda so_far: _write(so_far, to),
        )
    except FailedTurnError as error:
        err.print(str(error), markup=False)
        raise typer.Exit(1) from None
    (show_goals if goals else show)(found, out)
    if goals and plots:
        plot_goals(found, plots / "goals.svg")
        (plots / "goals.md").write_text(as_markdown(found))
    if plots:
        for path in plot(found, plots):
            err.print(f"drawn: {path}")


def _write(found: dict[str, Any], to: Path | None) -> None:
    if to:
        to.write_text(json.dumps(found, indent=1) + "\n")


def _chosen(names: list[str] | None) -> list[Benchmark]:
    unknown = sorted(set(names or ()) - set(NAMES))
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return [NAMES[name] for name in names] if names else list(BENCHMARKS)


if __name__ == "__main__":
    app(prog_name="fedledger-bench")
