"""The command `fedledger plan`: build, inspect and check plan files, and write the examples' data."""

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from fl_node import codes
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.author.cli import new, try_
from fl_node.plan.container import Plan, load_plan
from fl_node.plan.errors import plan_error
from fl_node.plan.frameworks import Framework, imported_by
from fl_node.plan.summary import promised, slots_by_kind, summary, warnings
from network.console import Json, emit_json, explained, note, out

app = typer.Typer(no_args_is_help=True, help="Compile, inspect and check what is trained.")

app.command()(new)
app.command("try")(try_)

__all__ = ["app", "summary", "warnings"]

File = Annotated[Path, typer.Argument(help="A plan file (.flplan).")]
SparkMaster = Annotated[
    str | None, typer.Option("--spark", metavar="MASTER", help="Read on Apache Spark: local[*], spark://host:7077 …")
]


@app.command()
def build(
    source: Annotated[str, typer.Argument(help="FILE.py or FILE.py:function (default: plan).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The plan file to write.")],
    framework: Annotated[str | None, typer.Option(help="tff, jax, torch or kinds; by imports if not given.")] = None,
    epsilon: Annotated[
        float | None, typer.Option(min=0, help="ε of differential privacy for all rounds together; noise follows.")
    ] = None,
    delta: Annotated[float, typer.Option(min=0, max=1, help="δ that goes with ε.")] = 1e-5,
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds ε is for.")] = 40,
    unit: Annotated[str, typer.Option(help="What is protected: record (a row) or participant.")] = "record",
    survivors: Annotated[int, typer.Option(min=2, help="The fewest survivors; with fewer nothing is revealed.")] = 3,
    colluders: Annotated[int, typer.Option(min=0, help="How many of them may share their noise.")] = 1,
    clip_from: Annotated[
        Path | None, typer.Option(help="Rows of your own, or public ones: what to clip to is found from them.")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Where the framework writes.")] = None,
    as_json: Json = False,
) -> None:
    """Compile a learning process into a plan file; refusals say the reason and the mend."""
    from fl_node.plan.author.clipping import clip_from as find_clip
    from fl_node.plan.build import build as build_plan
    from fl_node.plan.build import write_plan

    chosen = _framework(framework) if framework else imported_by(Path(source.partition(":")[0]))
    with explained(as_json=as_json):
        if not as_json:
            note(f"{chosen.title} starts; compiling takes up to half a minute …")
        goal = asked_goal(epsilon, delta, rounds, unit, survivors, colluders)
        found = find_clip(source, clip_from, framework=chosen, goal=goal, log=log) if clip_from else None
        built = build_plan(source, framework=chosen, goal=goal, clip=found.clip if found else None, log=log)
        write_plan(built, output)
    if as_json:
        times = {"compile_seconds": round(built.compile_seconds, 3), "seconds": round(built.seconds, 3)}
        clip = {"clip": found.clip, "clip_from": found.told} if found else {}
        emit_json({"file": str(output), **summary(built.plan), **clip, **times})
        return
    _show(built.plan)
    if found:
        out.print(f"clipped to {found.clip}: {found.told}", highlight=False, markup=False, soft_wrap=True)
        out.print("The clip is not private: it tells of these rows. Use public rows or your own, never a member's.")
    out.print(f"written to {output} in {built.seconds:.1f} s", highlight=False)


@app.command()
def inspect(file: File, as_json: Json = False) -> None:
    """Show what a plan trains, on what data, and what every slot of its sums is."""
    with explained(as_json=as_json):
        plan = load_plan(file)
    if as_json:
        emit_json(
            {"file": str(file), **summary(plan), "manifest": plan.manifest.model_dump(mode="json", by_alias=True)}
        )
        return
    _show(plan)
    _show_layout(plan)


@app.command()
def check(
    file: File,
    digest: Annotated[str | None, typer.Option(help="The digest that the file must have.")] = None,
    data: Annotated[Path | None, typer.Option(help="Rows to try the plan on.")] = None,
    as_json: Json = False,
) -> None:
    """Check a plan as a node does: the file, the framework's version, every op, and client work on your rows."""
    from fl_node.plan.runtime import DataSource, open_plan

    with explained(as_json=as_json), open_plan(file, digest=digest, data=data) as runtime:
        state, own = runtime.initialize(), runtime.framework.environment
        if own:
            own.require()
        runtime.prepare(state)
        worked = runtime.work(state, DataSource(data)) if data else None
    tried: dict[str, Any] = {}
    if worked:
        tried = {"examples": worked.examples, "metrics": worked.metrics, "work_seconds": round(worked.seconds, 3)}
    if as_json:
        emit_json({"file": str(file), "digest": runtime.digest, "ok": True, **tried})
        return
    out.print(f"[green]ok[/green] {runtime.digest}", highlight=False)
    for name, value in tried.items():
        out.print(f"{name}: {value}", highlight=False)


@app.command()
def profile(
    file: File,
    data: Annotated[Path, typer.Argument(help="A CSV or Parquet file, or a folder of part files.")],
    spark: SparkMaster = None,
    as_json: Json = False,
) -> None:
    """Profile rows for vetting: how many, how complete, how balanced."""
    from fl_node.data.profile import profile as profile_data
    from fl_node.data.spark import spread_on

    with explained(as_json=as_json), spread_on(spark) as spread:
        manifest = load_plan(file).manifest
        found = profile_data(data, manifest.schema_, manifest.batching.holdout_percent, spread).as_json()
    if as_json:
        emit_json(found)
        return
    for name, value in found.items():
        out.print(f"{name}: {value}", highlight=False)


@app.command()
def constants(
    file: Annotated[Path, typer.Argument(help="A statistics plan (.flplan).")],
    state: Annotated[Path, typer.Argument(help="Its state after a round.")],
) -> None:
    """Print the means and deviations that a statistics plan found, as JSON for a training plan's schema."""
    from fl_node.plan.standardising import standardising_constants

    with explained():
        found = standardising_constants(load_plan(file).manifest.schema_, state.read_bytes())
    emit_json(found)


@app.command()
def shares(
    example: Annotated[str, typer.Argument(help="tumour, digits, claims, credit or demand.")],
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    names: Annotated[list[str], typer.Argument(help="The participants.")],
    split: Annotated[int, typer.Option(min=0, max=4, help="Which of the fixed splits.")] = 0,
    as_json: Json = False,
) -> None:
    """Deal an example's data to participants: CSV files and Parquet folders, unequal in size and balance."""
    from fl_node.examples.catalogue import EXAMPLES
    from fl_node.examples.shares import write_shares

    if example not in EXAMPLES:
        raise typer.BadParameter(f"one of {', '.join(EXAMPLES)}")
    with explained(as_json=as_json):
        paths = write_shares(example, folder, names, split=split)
    if as_json:
        emit_json({name: str(path) for name, path in paths.items()})
        return
    for name, path in paths.items():
        out.print(f"{name}: {path}", highlight=False)


runtime = typer.Typer(no_args_is_help=True, help="The frameworks that run plans, each in an environment of its own.")
app.add_typer(runtime, name="runtime")


@runtime.command()
def install(
    framework: Annotated[str, typer.Argument(help="jax or torch.")],
    as_json: Json = False,
) -> None:
    """Make a framework's environment from its locked list of packages; nothing where it is here already."""
    chosen = _framework(framework)
    if chosen.environment is None:
        raise typer.BadParameter(f"{chosen.title} is installed with the node")
    with explained(as_json=as_json):
        if not (as_json or chosen.environment.installed):
            note(f"{chosen.title} {chosen.version} is installed; this fetches {chosen.environment.fetched} …")
        folder = chosen.environment.install()
    if as_json:
        emit_json({"framework": chosen.name, "version": chosen.version, "folder": str(folder)})
        return
    out.print(f"{chosen.title} {chosen.version}: {folder}", highlight=False, soft_wrap=True)


@runtime.command("list")
def runtimes(as_json: Json = False) -> None:
    """List the frameworks, their versions and where they are installed."""
    from fl_node.plan.frameworks import BY_WORD

    found = [
        {
            "runtime": word,
            "framework": framework.name,
            "version": framework.version,
            "installed": framework.environment.installed if framework.environment else framework.version != "none",
            "folder": str(framework.environment.folder) if framework.environment else "",
        }
        for word, framework in BY_WORD.items()
    ]
    if as_json:
        emit_json(found)
        return
    for one in found:
        state = "installed" if one["installed"] else "not installed"
        place = one["folder"] or "with the node"
        out.print(f"{one['runtime']}: {one['framework']} {one['version']}, {state}: {place}", highlight=False)


def _framework(word: str) -> Framework:
    from fl_node.plan.frameworks import BY_WORD

    if word not in BY_WORD:
        raise typer.BadParameter(f"one of {', '.join(BY_WORD)}")
    return BY_WORD[word]


def asked_goal(
    epsilon: float | None, delta: float, rounds: int, unit: str, survivors: int, colluders: int
) -> Goal | None:
    """The goal that options name; None without an ε.

    Raises:
        PlanError: FL3050, it is out of range.
    """
    if epsilon is None:
        return None
    terms = {"epsilon": f"{epsilon!r}", "delta": f"{delta:.12f}".rstrip("0"), "rounds": rounds, "unit": unit}
    try:
        return Goal.model_validate({**terms, "survivors": survivors, "colluders": colluders})
    except ValidationError as error:
        raise plan_error(
            codes.NOT_PRIVATE, error.errors()[0]["msg"].removeprefix("Value error, "), "privacy"
        ) from error


def _show(plan: Plan) -> None:
    manifest = plan.manifest
    table = Table(show_header=False, box=None)
    slots = ", ".join(f"{count} {kind}" for kind, count in slots_by_kind(plan).items())
    label = ", ".join(column.name for column in manifest.schema_.label_columns) or "no label"
    for name, value in {
        "plan": manifest.name,
        "digest": plan.digest,
        "framework": f"{manifest.framework} {manifest.framework_version}",
        "data": f"{len(manifest.schema_.columns)} columns, {label}",
        "vector": f"{manifest.layout.size} bytes: {slots}",
        "cohort": f"up to {manifest.cohort_max}",
        "privacy": promised(manifest) or "none: the sum is exact",
        "metrics": ", ".join(manifest.metrics),
    }.items():
        table.add_row(name, value)
    out.print(table)
    for warning in warnings(manifest):
        out.print(f"[yellow]warning[/yellow] {warning}", highlight=False)


def _show_layout(plan: Plan) -> None:
    table = Table("segment", "kind", "slots", "word", "ring", "maximum")
    for segment in plan.manifest.layout.segments:
        numbers = (segment.slots, segment.word, segment.ring, segment.max)
        table.add_row(segment.name, segment.kind, *map(str, numbers))
    out.print(table)
