"""`fedledger plan`: the compiler's commands, and registering a plan with the consortium."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fl_node.commands.blobs import place
from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, ask, explained, note, show
from fl_node.commands.proposal import propose
from fl_node.ledger.client import Ledger
from fl_node.plan.cli import app as plan
from fl_node.plan.container import load_plan

__all__ = ["plan"]


@plan.command()
def register(
    file: Annotated[Path, typer.Argument(help="A plan file (.flplan).")],
    org: Org,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    days: Annotated[float, typer.Option(min=0.001, max=365, help="For how many days votes are taken.")] = 7,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Place the plan with every member and propose to register it; the organisations then vote."""
    with explained(as_json=as_json):
        body = registration(file)

        async def work(ledger: Ledger) -> dict[str, Any]:
            _, holders = await place(run, org, file.read_bytes(), user)
            await place(run, org, load_plan(file).initial_state, user)
            if not as_json:
                note(f"held by {', '.join(holders)}")
            return await propose(ledger, "register_plan", body, reason, days)

        answer = ask(run, org, user, work)
        show({"plan": body["plan"], **answer}, as_json=as_json, title=f"Proposed: plan {body['name']}")


@plan.command("list")
def list_(org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """List the plans that the consortium has registered."""
    with explained(as_json=as_json):
        found = ask(run, org, user, lambda ledger: ledger.everything("ListPlans"))
        show(found, as_json=as_json, title="Plans", columns=("name", "plan", "initial_state", "schema", "retired"))


def registration(file: Path) -> dict[str, Any]:
    """Return the body of a `register_plan` proposal.

    Raises:
        PlanError: it is no plan file.
    """
    read = load_plan(file)
    manifest = read.manifest
    return {
        "plan": read.digest,
        "name": manifest.name,
        "layout": manifest.layout.model_dump(mode="json", by_alias=True),
        "initial_state": manifest.initial_state,
        "schema": manifest.schema_digest,
    }
