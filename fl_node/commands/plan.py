"""`fedledger plan`: the compiler's commands, and registering a plan with the consortium."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fedledger_passport.trust import Trust
from fedledger_passport.verifying import verify
from fl_node.commands.blobs import place
from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, ask, explained, note, show
from fl_node.commands.proposal import propose
from fl_node.commands.registering import registration, rules_of
from fl_node.commands.releases import refusing
from fl_node.ledger.client import Ledger
from fl_node.plan.cli import app as plan
from fl_node.plan.container import load_plan
from fl_node.plan.continuing import continued
from fl_node.release.beginning import state_of
from fl_node.release.folder import PASSPORT

__all__ = ["plan"]


@plan.command()
def register(
    file: Annotated[Path, typer.Argument(help="A plan file (.flplan).")],
    org: Org,
    passport: Annotated[
        Path | None, typer.Option("--passport", help="Of the model that the plan begins from; see `plan continue`.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    days: Annotated[float, typer.Option(min=0.001, max=365, help="For how many days votes are taken.")] = 7,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Place the plan with every member and propose to register it; the organisations then vote."""
    with explained(as_json=as_json):
        given = {"passport": json.loads(passport.read_bytes())} if passport else {}

        async def work(ledger: Ledger) -> dict[str, Any]:
            body = registration(load_plan(file), await rules_of(ledger)) | given
            _, holders = await place(run, org, file.read_bytes(), user)
            await place(run, org, load_plan(file).initial_state, user)
            if not as_json:
                note(f"held by {', '.join(holders)}")
            answer = await propose(ledger, "register_plan", body, reason, days)
            return {"plan": body["plan"], "name": body["name"], **answer}

        answer = ask(run, org, user, work)
        title = f"Proposed: plan {answer.pop('name')}"
        show(answer, as_json=as_json, title=title)


@plan.command("continue")
def continue_(
    file: Annotated[Path, typer.Argument(help="A plan file of the same model.")],
    model: Annotated[Path, typer.Option("--model", help="The released model's folder, with its passport.json.")],
    trusted: Annotated[Path, typer.Option("--trust", help="The folder of the organisations that released it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The plan file to write.")],
    withdrawals: Annotated[list[Path] | None, typer.Option("--withdrawal", help="A withdrawal one knows of.")] = None,
    as_json: Json = False,
) -> None:
    """Write a plan that begins from a model which another consortium released, once its passport holds."""
    with explained(as_json=as_json), refusing(as_json=as_json):
        known = [path.read_bytes() for path in withdrawals or ()]
        raw = (model / PASSPORT).read_bytes()
        found = verify(raw, Trust.load(trusted), model=model, withdrawals=known)
        before = load_plan(file)
        output.write_bytes(continued(before, state_of(found.statement, model, before)))
        after = load_plan(output)
        told = {"file": str(output), "plan": after.digest, "initial_state": after.manifest.initial_state}
        show(told | {"passport": found.digest}, as_json=as_json, title=f"{before.manifest.name} goes on")


@plan.command("list")
def list_(org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """List the plans that the consortium has registered."""
    with explained(as_json=as_json):
        found = ask(run, org, user, lambda ledger: ledger.everything("ListPlans"))
        show(found, as_json=as_json, title="Plans", columns=("name", "plan", "initial_state", "schema", "retired"))
