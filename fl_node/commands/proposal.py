"""`fedledger proposal`: propose and vote; nobody acts alone."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fl_node import codes
from fl_node.clock import DAY_MS, now_ms
from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, ask, explained, note, show
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, LedgerError
from network import contract_codes

proposal = typer.Typer(no_args_is_help=True, help="Propose and vote.")
LAG_S = (0.2, 0.4, 0.8, 1.6, 3.2)
Days = Annotated[float, typer.Option(min=0.001, max=365, help="For how many days votes are taken.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]


@proposal.command()
def create(
    kind: Annotated[str, typer.Argument(help="Such as admit, suspend, set_parameters, start_training.")],
    fields: Annotated[list[str], typer.Argument(help="The body as key=value; whole numbers and JSON are recognised.")],
    org: Org,
    reason: Reason = "",
    days: Days = 7,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Propose something to the organisations; it counts as your own yes."""
    with explained(as_json=as_json):
        found = ask(run, org, user, lambda ledger: propose(ledger, kind, body_of(fields), reason, days))
        show(found, as_json=as_json, title=f"Proposed: {kind}")


@proposal.command()
def vote(
    proposals: Annotated[
        list[str], typer.Argument(metavar="PROPOSAL…", help="Its id or the beginning, its kind, or what it is about.")
    ],
    org: Org,
    approve: Annotated[bool, typer.Option("--yes/--no", help="Your vote.")] = True,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Vote for your organisation; at the threshold the proposal takes effect in the same transaction."""

    async def work(ledger: Ledger) -> list[dict[str, Any]]:
        found = [await _whole(ledger, text) for text in proposals]  # all are known before the first vote
        for each in found if approve else ():
            await _check(ledger, run, org, user, each)
        return [await cast(ledger, each, approve=approve) for each in found]

    with explained(as_json=as_json):
        answers = ask(run, org, user, work)
        show(answers if len(answers) > 1 else answers[0], as_json=as_json, title="Voted")


@proposal.command("list")
def list_(org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """List proposals with their votes and status."""
    with explained(as_json=as_json):
        found = ask(run, org, user, listed)
        if not as_json:
            found = [item | {"about": _about(item["body"]), "votes": _votes(item["votes"])} for item in found]
        show(found, as_json=as_json, title="Proposals", columns=("proposal", "kind", "about", "votes", "status"))


async def listed(ledger: Ledger) -> list[dict[str, Any]]:
    """Return all proposals, oldest first, with the votes of those that are open."""
    found = sorted(await ledger.everything("ListProposals"), key=lambda item: int(item["created_ms"]))
    open_ones = [item for item in found if item["status"] == "open"]
    records = await asyncio.gather(*(ledger.query("GetProposal", proposal=item["proposal"]) for item in open_ones))
    votes = {record["proposal"]: record["votes"] for record in records}
    return [item | {"votes": votes.get(item["proposal"], {})} for item in found]


async def propose(ledger: Ledger, kind: str, body: dict[str, Any], reason: str = "", days: float = 7) -> dict[str, Any]:
    """Submit a proposal and return its id and status."""
    deadline = now_ms() + int(days * DAY_MS)
    return dict(await ledger.submit("Propose", kind=kind, body=body, deadline_ms=deadline, reason=reason or kind))


async def cast(ledger: Ledger, proposal_id: str, *, approve: bool) -> dict[str, Any]:
    """Vote and return how the proposal then stands, waiting for peers that do not have the proposal yet."""
    for pause in (*LAG_S, None):
        try:
            return dict(await ledger.submit("Vote", proposal=proposal_id, approve=approve))
        except LedgerError as error:
            if error.code != contract_codes.UNKNOWN_PROPOSAL or pause is None:
                raise
            await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def body_of(fields: list[str]) -> dict[str, Any]:
    """Read key=value pairs; a value that is JSON is taken as such, anything else as text.

    Raises:
        NodeError: FL4001, a field has no `=`.
    """
    body: dict[str, Any] = {}
    for field in fields:
        key, equals, text = field.partition("=")
        if not equals:
            raise NodeError(codes.INPUT_UNUSABLE, f"{field!r} is not key=value", hint="Such as participant=hospital-b.")
        try:
            body[key] = json.loads(text)
        except ValueError:
            body[key] = text
    return body


async def _check(ledger: Ledger, run: Path, org: str, user: str, proposal_id: str) -> None:
    """Check what can be checked before a yes; `cast` waits for a proposal that the peer does not have yet."""
    try:
        record = await ledger.query("GetProposal", proposal=proposal_id)
    except LedgerError as error:
        if error.code != contract_codes.UNKNOWN_PROPOSAL:
            raise
        return
    if record["kind"] != "register_plan":
        return
    from fl_node.commands.registering import check_proposed  # noqa: PLC0415 - reads plans: a third of a command's start

    if not await check_proposed(ledger, run, org, user, record["body"]):
        note(f"The file of plan {record['body']['name']} is not at hand: nobody compared the proposal with it.")


async def _whole(ledger: Ledger, text: str) -> str:
    """Return the id of the one open proposal that a text names: by the id's beginning, kind, or what it is about."""
    if len(text) == 64:  # noqa: PLR2004  # a whole transaction id
        return text
    matching = [item["proposal"] for item in await ledger.everything("ListProposals") if _named(item, text)]
    if len(matching) != 1:
        raise NodeError(
            codes.INPUT_UNUSABLE, f"{len(matching)} open proposals are named by {text!r}", hint="See `proposal list`."
        )
    return str(matching[0])


def _about(body: dict[str, Any]) -> dict[str, Any]:
    """Return a proposal's body without what would fill a page: it stands in `plan inspect`."""
    lengthy = {"layout", "initial_state", "schema", "passport", "organisations"}
    return {key: value for key, value in body.items() if key not in lengthy}


def _votes(votes: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {msp: "yes" if vote["approve"] else "no" for msp, vote in votes.items()}


def _named(item: dict[str, Any], text: str) -> bool:
    about = {item["kind"], *(value for value in item["body"].values() if isinstance(value, str))}
    return item["status"] == "open" and (item["proposal"].startswith(text) or text in about)
