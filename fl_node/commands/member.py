"""`fedledger member`: found the federation, apply, and look at who takes part."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, ask, explained, show
from fl_node.commands.founding import found as found_federation
from fl_node.data.profile import profile
from fl_node.ledger.client import Ledger, public_key_hash
from fl_node.plan.container import load_plan
from network.connection import profile as connection_profile

member = typer.Typer(no_args_is_help=True, help="Found the federation; apply, list and show members.")
Participant = Annotated[str, typer.Argument(help="A participant's id, such as hospital-a.")]


@member.command()
def found(org: Org, run: Run = DEFAULT_RUN, user: User = "admin", as_json: Json = False) -> None:
    """Agree to the terms and give this founder's part of the first beacon; every founder does this once."""

    async def work(ledger: Ledger) -> Any:
        await found_federation(ledger)
        return await ledger.query("GetFederation")

    with explained(as_json=as_json):
        show(ask(run, org, user, work), as_json=as_json, title="Federation")


@member.command()
def apply(
    org: Org,
    plan: Annotated[Path, typer.Option(help="The .flplan file whose schema the data must fit.")],
    data: Annotated[Path, typer.Option(help="CSV, Parquet, or a folder of Parquet parts.")],
    participant: Annotated[str, typer.Option(help="The participant's id; the organisation's name by default.")] = "",
    stake: Annotated[int, typer.Option(help="Tokens to lock; faults cost of it; below the minimum: idle.")] = 2_000_000,
    evidence: Annotated[list[Path] | None, typer.Option(help="A document whose digest goes on the ledger.")] = None,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Apply to take part: the data's profile, the node certificate's key and a stake go on the ledger, no row does."""
    with explained(as_json=as_json):
        argument = application(run, org, plan, data, participant or org)
        argument |= {"stake": stake, "evidence": [file_digest(path) for path in evidence or ()]}
        answer = ask(run, org, user, lambda ledger: ledger.submit("Apply", **argument))
        show(argument | answer, as_json=as_json, title="Applied; the organisations now vote")


@member.command("list")
def list_(org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """List participants with their profile, stake and status."""
    with explained(as_json=as_json):
        found = ask(run, org, user, lambda ledger: ledger.everything("ListParticipants"))
        if not as_json:
            found = [item | {key: item["profile"][key] for key in ("rows", "labels")} for item in found]
        columns = ("participant", "msp_id", "status", "rows", "labels", "stake")
        show(found, as_json=as_json, title="Participants", columns=columns)


@member.command("show")
def show_(
    participant: Participant, org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False
) -> None:
    """Show one participant with its reputation."""

    async def work(ledger: Ledger) -> dict[str, Any]:
        record = await ledger.query("GetParticipant", participant=participant)
        return {**record, "reputation": await ledger.query("GetReputation", participant=participant)}

    with explained(as_json=as_json):
        show(ask(run, org, user, work), as_json=as_json, title=participant)


def application(run: Path, org: str, plan: Path, data: Path, participant: str) -> dict[str, Any]:
    """Return what `Apply` carries but stake and evidence: id, key hash and profile of the data."""
    manifest = load_plan(plan).manifest
    described = profile(data, manifest.schema_, manifest.batching.holdout_percent)
    key_hash = public_key_hash(connection_profile(run, org, "node").cert_pem)
    return {"participant": participant, "key_hash": key_hash, "profile": described.as_json()}


def file_digest(path: Path) -> str:
    """Return a file's SHA-256, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
