"""`fedledger passport recognise|distrust|consortia|bring`: whose models the members begin from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fedledger_passport.trust import Trust
from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, ask, explained, show
from fl_node.commands.proposal import propose
from fl_node.commands.releases import refusing
from fl_node.release.recognising import recognition

Reason = Annotated[str, typer.Option(help="Why, for the record.")]


def recognise(
    folder: Annotated[Path, typer.Argument(help="The folder that a member of it wrote: `passport trust`.")],
    name: Annotated[str, typer.Option("--name", help="What the members call it.")],
    org: Org,
    reason: Reason = "",
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Propose to trust another consortium's organisations; voted again, it replaces what was known of them."""
    with explained(as_json=as_json), refusing(as_json=as_json):
        body = recognition(Trust.load(folder), name)
        found = ask(run, org, user, lambda ledger: propose(ledger, "trust_consortium", body, reason))
        show(found, as_json=as_json, title=f"Proposed: trust {name}, whose first block is {body['genesis']}")


def distrust(
    genesis: Annotated[str, typer.Argument(help="The hash of its first block.")],
    org: Org,
    reason: Reason = "",
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Propose to trust another consortium no more: no plan begins from its models then."""
    with explained(as_json=as_json):
        found = ask(run, org, user, lambda ledger: propose(ledger, "distrust_consortium", {"genesis": genesis}, reason))
        show(found, as_json=as_json, title="Proposed: trust it no more")


def consortia(org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """List the consortia that the members have trusted."""
    with explained(as_json=as_json):
        found = ask(run, org, user, lambda ledger: ledger.everything("ListConsortia"))
        show(found, as_json=as_json, title="Consortia", columns=("name", "channel", "genesis", "majority", "trusted"))


def bring(
    file: Annotated[Path, typer.Argument(help="A withdrawal's file.")],
    org: Org,
    run: Run = DEFAULT_RUN,
    user: User = "client",
    as_json: Json = False,
) -> None:
    """Put on the ledger that another consortium took a passport back; the signatures in the file decide."""
    with explained(as_json=as_json):
        envelope = json.loads(file.read_bytes())
        found = ask(run, org, user, lambda ledger: ledger.submit("BringWithdrawal", withdrawal=envelope))
        show(found, as_json=as_json, title="Withdrawn")
