"""`fedledger plan new` and `fedledger plan try`: from one's own rows to a plan, without a network."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from fl_node.data.schema import Column, Schema
from fl_node.plan.author.curves import sparks
from fl_node.plan.author.trial import Round, Trial
from network.console import Json, emit_json, explained, note, out

TABLED = 20
"""At most so many rounds stand in a table; of more, some."""


def new(
    data: Annotated[Path, typer.Option(help="Your rows: CSV, Parquet, or a folder; they are read, not sent.")],
    label: Annotated[str | None, typer.Option(help="The column to learn; without it the rows themselves.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The Python file to write.")] = None,
    framework: Annotated[str, typer.Option(help="What is to run it: jax or tff.")] = "jax",
    task: Annotated[str | None, typer.Option(help="classify, number or count, where the label leaves it open.")] = None,
    exposure: Annotated[str | None, typer.Option(help="The column of a count's exposure, as years insured.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of a row's time: rows are steps of series.")] = None,
    series: Annotated[str | None, typer.Option(help="The column that names the series of a row.")] = None,
    history: Annotated[int, typer.Option(min=1, help="How many steps a model reads.")] = 8,
    horizon: Annotated[int, typer.Option(min=1, help="How many steps after them it foretells.")] = 1,
    ask: Annotated[bool, typer.Option("--ask", help="Ask about every range before it is written.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Draft a plan from your own rows: a Python file with the schema filled in and a first model. Nothing leaves."""
    from fl_node.data.survey import survey
    from fl_node.plan.author.draft import TASKS, Asked, draft
    from fl_node.plan.author.source import WRITERS, plan_name, write_source

    if framework not in WRITERS:
        raise typer.BadParameter(f"one of {', '.join(WRITERS)}")
    if task not in {None, *TASKS}:
        raise typer.BadParameter(f"one of {', '.join(TASKS)}")
    file = output or Path(f"{plan_name(label or data.stem)}.py")
    if file.exists() and not force:
        raise typer.BadParameter(f"{file} is there; --force writes over it, -o names another")
    with explained(as_json=as_json):
        asked = Asked(label, task, exposure, time, series, history, horizon)
        found = draft(survey(data), asked)
        if ask:
            found = replace(found, schema=_agreed(found.schema))
        text = write_source(found, plan_name(file.stem), framework)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    if as_json:
        schema = found.schema.model_dump(mode="json")
        emit_json({"file": str(file), "rows": found.rows, "task": found.task, "schema": schema, "notes": found.notes})
        return
    _show(found, file)


def try_(
    source: Annotated[str, typer.Argument(metavar="FILE", help="FILE.py, FILE.py:function or FILE.flplan.")],
    data: Annotated[list[Path], typer.Option(help="Your rows; given several times, each is a participant's.")],
    split: Annotated[int, typer.Option(min=2, max=1000, help="Into how many shares one file is dealt.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="How many rounds.")] = 10,
    framework: Annotated[str | None, typer.Option(help="As in `plan build`.")] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Let the plan have a GPU, if it asks for one.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves into a file (.png, .svg).")] = None,
    log: Annotated[Path | None, typer.Option(help="Where the framework writes.")] = None,
    as_json: Json = False,
) -> None:
    """Train a plan on shares of your own rows, without a network: learning curves, clipping, zeroing, ε."""
    from fl_node.plan.author.api import built_or_read, tried
    from fl_node.plan.author.curves import draw

    with explained(as_json=as_json):
        if not as_json and not source.endswith(".flplan"):
            note("compiling …")
        plan, said = built_or_read(source, framework=framework, log=log)
        trial = tried(plan, data, split=split, rounds=rounds, log=log, seen=None if as_json else _say, gpu=gpu)
        if plot:
            draw(trial, plot)
    if as_json:
        emit_json({**as_fields(trial), "warnings": said})
        return
    for warning in said:
        out.print(f"[yellow]warning[/yellow] {warning}", highlight=False)
    show_trial(trial)


def _say(done: Round) -> None:
    shown = ", ".join(f"{name} {value:.4g}" for name, value in done.metrics.items() if name.endswith("/loss"))
    note(f"round {done.number}: {shown}")


def as_fields(trial: Trial) -> dict[str, Any]:
    """A trial for machines, without its state."""
    rounds = [asdict(each) for each in trial.rounds]
    return {"rows": trial.rows, "rounds": rounds, "final": dict(trial.final), "privacy": trial.privacy}


def show_trial(trial: Trial) -> None:
    """Print the curves as a table, and what was clipped and zeroed."""
    names = trial.names
    private = ["ε"] if trial.privacy else []
    table = Table("round", *(name.replace("/", "\n") for name in names), "clipped", "zeroed", *private)
    shares = len(trial.rows)
    apart = 1 + (len(trial.rounds) - 1) // TABLED
    for each in trial.rounds[::apart]:
        cut = [f"{len(where)} of {shares}" if where else "" for where in (each.clipped, each.zeroed)]
        spent = [f"{each.epsilon:.3g}"] if each.epsilon is not None else []
        table.add_row(str(each.number), *(f"{each.metrics[name]:.4g}" for name in names), *cut, *spent)
    if trial.final:
        last = [trial.final.get(name.removeprefix("evaluation/")) for name in names]
        pairs = zip(names, last, strict=True)
        shown = [f"{v:.4g}" if v is not None and n.startswith("evaluation/") else "" for n, v in pairs]
        table.add_row("after", *shown)
    table.add_row("", *(sparks(trial.curve(name)) for name in names))
    out.print(table)
    for line in trial.privacy:
        out.print(f"differential privacy: {line}", highlight=False)
    rows = ", ".join(map(str, trial.rows))
    out.print(f"training rows of each share: {rows}; evaluation/… measures the state before a round", highlight=False)
    still = [each.number for each in trial.rounds if not each.moved]
    if still:
        out.print(f"[yellow]warning[/yellow] the state did not move in rounds {still}", highlight=False)


def _agreed(schema: Schema) -> Schema:
    """Ask about every range; what is answered is checked as the schema checks it."""
    columns = []
    for column in schema.columns:
        if column.minimum is None:
            columns.append(column)
            continue
        low = typer.prompt(f"{column.name}: smallest allowed value", default=column.minimum)
        high = typer.prompt(f"{column.name}: largest allowed value", default=column.maximum)
        columns.append(_ranged(column, low, high))
    return schema.model_copy(update={"columns": tuple(columns)})


def _ranged(column: Column, low: str, high: str) -> Column:
    try:
        return Column.model_validate({**column.model_dump(), "minimum": low, "maximum": high})
    except ValueError as error:
        raise typer.BadParameter(f"{column.name}: {low} … {high} is no range") from error


def _show(found: Any, file: Path) -> None:  # a `draft.Draft`: its module loads pyarrow, which --help does not need
    table = Table("column", "type", "allowed", "to look at")
    for column in found.schema.columns:
        table.add_row(column.name, column.type, allowed(column), found.notes.get(column.name, ""))
    for name, reason in found.left_out.items():
        table.add_row(name, "left out", "", reason)
    out.print(table)
    label = found.schema.label
    learned = f"{found.task} of {label.name}" if label else "the rows themselves"
    out.print(f"{found.rows} rows; learned is {learned}; written to {file}", highlight=False, markup=False)
    note(f"Next: look at the ranges, then `fedledger plan try {file} --data … --split 4`.")


def allowed(column: Column) -> str:
    """Which values a column may have, for people."""
    if column.values:
        return ", ".join(column.values[:8]) + (" …" if len(column.values) > 8 else "")  # noqa: PLR2004
    return f"{column.minimum} … {column.maximum}" if column.minimum is not None else ""
