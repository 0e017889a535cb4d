"""`fedledger wallet`: balances, transfers, stakes, rewards and reputation."""

from typing import Annotated, Any

import typer

from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, ask, explained, show
from fl_node.ledger.client import Ledger
from network.connection import consortium_of

wallet = typer.Typer(no_args_is_help=True, help="Balances, stakes, rewards and reputation.")
Amount = Annotated[int, typer.Argument(min=1, help="Tokens.")]
Participant = Annotated[str, typer.Argument(help="A participant's id.")]


@wallet.command()
def balance(org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """Show every organisation's balance and the supply."""

    async def work(ledger: Ledger) -> dict[str, Any]:
        accounts = [o.msp_id for o in consortium_of(run).members]
        balances = {a: (await ledger.query("BalanceOf", account=a))["balance"] for a in accounts}
        return {**balances, "total supply": (await ledger.query("TotalSupply"))["total_supply"]}

    with explained(as_json=as_json):
        show(ask(run, org, user, work), as_json=as_json, title="Balances")


@wallet.command()
def transfer(
    to: Annotated[str, typer.Argument(help="The receiving organisation, by name or MSP id, or treasury.")],
    amount: Amount,
    org: Org,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Give tokens to another organisation."""
    with explained(as_json=as_json):
        account = next((o.msp_id for o in consortium_of(run).members if o.name == to), to)
        answer = ask(run, org, user, lambda ledger: ledger.submit("Transfer", to=account, amount=amount))
        show(answer, as_json=as_json, title=f"{amount} to {to}")


@wallet.command()
def stake(
    participant: Participant,
    amount: Amount,
    org: Org,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Lock tokens for a participant."""
    with explained(as_json=as_json):
        answer = ask(run, org, user, lambda ledger: ledger.submit("Stake", participant=participant, amount=amount))
        show(answer, as_json=as_json, title=f"{amount} staked for {participant}")


@wallet.command()
def unstake(
    participant: Participant,
    amount: Amount,
    org: Org,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Take back tokens that are no longer needed as stake."""
    with explained(as_json=as_json):
        answer = ask(run, org, user, lambda ledger: ledger.submit("Unstake", participant=participant, amount=amount))
        show(answer, as_json=as_json, title=f"{amount} taken back from {participant}")


@wallet.command()
def rewards(
    training: Annotated[str, typer.Argument(help="The training's id.")],
    round_: Annotated[int, typer.Argument(metavar="ROUND", min=1, help="The round.")],
    org: Org,
    run: Run = DEFAULT_RUN,
    user: User = "client",
    as_json: Json = False,
) -> None:
    """List what a round paid and took, by participant."""
    with explained(as_json=as_json):
        found = ask(run, org, user, lambda ledger: ledger.everything("ListRewards", training=training, round=round_))
        show(found, as_json=as_json, title=f"Rewards of {training}, round {round_}")


@wallet.command()
def reputation(
    participant: Participant, org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False
) -> None:
    """Show a participant's reputation and the facts behind it."""
    with explained(as_json=as_json):
        found = ask(run, org, user, lambda ledger: ledger.query("GetReputation", participant=participant))
        show(found, as_json=as_json, title=participant)
