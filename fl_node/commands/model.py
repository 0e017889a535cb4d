"""`fedledger model`: a trained model, with the lineage that says where it comes from."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fl_node.commands.blobs import fetch
from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, ask, explained, show
from fl_node.commands.export import OF_KINDS, export_kind
from fl_node.commands.export import export as export_model
from fl_node.commands.export import lineage as lineage_of
from fl_node.ledger.client import Ledger
from fl_node.plan.container import read_plan
from fl_node.plan.forms import held_out_rows
from fl_node.plan.frozen import frozen_of

model = typer.Typer(no_args_is_help=True, help="Export a trained model with its lineage.")
Name = Annotated[str, typer.Argument(metavar="TRAINING", help="The training's id.")]
RoundNumber = Annotated[int, typer.Option("--round", min=0, help="Whose result; the last if not given.")]


@model.command()
def export(
    training: Name,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    org: Org,
    form: Annotated[
        str,
        typer.Option(
            "--format", help="numpy, safetensors, keras, savedmodel, onnx; json where no framework is needed."
        ),
    ] = "numpy",
    source: Annotated[str, typer.Option(help="FILE.py:function that builds the Keras network.")] = "",
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Own rows: on their hold-out the file must compute what the plan does."),
    ] = None,
    round_: RoundNumber = 0,
    run: Run = DEFAULT_RUN,
    user: User = "client",
    as_json: Json = False,
) -> None:
    """Write a round's model and its lineage: plan, rounds, survivors, attestations, digests."""

    async def work(ledger: Ledger) -> dict[str, Any]:
        made_by = await lineage_of(ledger, training, round_)
        state = await fetch(run, org, made_by["state"], user)
        raw = await fetch(run, org, made_by["plan"], user)
        if form in OF_KINDS:
            return await export_kind(raw, state, made_by, form, out, data)
        plan = read_plan(raw, made_by["plan"])
        rows = held_out_rows(plan.manifest, data) if data else None
        return await export_model(state, made_by, form, out, source, rows, frozen_of(plan))

    with explained(as_json=as_json):
        show(ask(run, org, user, work), as_json=as_json, title=f"Model of {training}")


@model.command()
def lineage(
    training: Name,
    org: Org,
    round_: RoundNumber = 0,
    run: Run = DEFAULT_RUN,
    user: User = "client",
    as_json: Json = False,
) -> None:
    """Show every round that led to a model, who survived it and who attested."""
    with explained(as_json=as_json):
        answer = ask(run, org, user, lambda ledger: lineage_of(ledger, training, round_))
        columns = ("round", "attempt", "survivors", "examples", "attested_by", "state")
        show(answer if as_json else answer["steps"], as_json=as_json, title=f"Lineage of {training}", columns=columns)
