"""`fedledger data`: what would be read of one's own files, and the profile to apply with. Nothing leaves."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from fl_node.data.look import Look, look
from fl_node.data.spark import spread_on
from fl_node.plan.cli import SparkMaster, profile
from fl_node.plan.container import load_plan
from network.console import Json, emit_json, explained, out

data = typer.Typer(no_args_is_help=True, help="Check and profile your own rows; nothing leaves your organisation.")
data.command("profile")(profile)


@data.command()
def prepare(
    plan: Annotated[Path, typer.Argument(help="The plan (.flplan) whose schema the rows must fit.")],
    path: Annotated[Path, typer.Argument(metavar="DATA", help="CSV, Parquet, or a folder; data.yaml may lie beside.")],
    target: Annotated[Path, typer.Argument(help="The folder to write; give it to the node as data.")],
    spark: SparkMaster = None,
    as_json: Json = False,
) -> None:
    """Check rows and write them as Parquet with the schema's columns: the same profile and training, read sooner."""
    with explained(as_json=as_json), spread_on(spark) as spread:
        from fl_node.data.prepare import prepare as written  # noqa: PLC0415 - pyarrow, which --help does not need

        manifest = load_plan(plan).manifest
        found = written(path, manifest.schema_, target, manifest.batching.holdout_percent, spread)
    if as_json:
        emit_json({"folder": str(target), **found.as_json()})
        return
    out.print(f"{found.rows} rows are in {target}", highlight=False, soft_wrap=True)


@data.command()
def check(
    plan: Annotated[Path, typer.Argument(help="The plan (.flplan) whose schema the rows must fit.")],
    path: Annotated[Path, typer.Argument(metavar="DATA", help="CSV, Parquet, or a folder; data.yaml may lie beside.")],
    as_json: Json = False,
) -> None:
    """Read rows as training would, and show what each column of the plan's schema finds."""
    with explained(as_json=as_json):
        manifest = load_plan(plan).manifest
        found = look(path, manifest.schema_, manifest.batching.holdout_percent)
    if as_json:
        emit_json(asdict(found))
        return
    _show(found)


def _show(found: Look) -> None:
    out.print(f"{found.files} files, described by {found.described or 'nothing: plain files'}", highlight=False)
    out.print(f"the header is {', '.join(found.header)[:500]}", highlight=False, markup=False)
    table = Table("column", "in the file", "type", "missing", "values")
    for column in found.columns:
        table.add_row(
            column["column"],
            column["in_file"] or "folder name",
            column["type"],
            str(column["missing"]),
            _values(column),
        )
    out.print(table)
    out.print(f"{found.rows} rows: {found.training} to train on, {found.holdout} held out", highlight=False)


def _values(column: Mapping[str, Any]) -> str:
    if "counts" not in column:
        return f"{column['smallest']:g} … {column['largest']:g}"
    counts = [f"{value} {count}" for value, count in column["counts"].items()]
    return ", ".join(counts[:10]) + (" …" if len(counts) > 10 else "")  # noqa: PLR2004
