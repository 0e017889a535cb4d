"""`fedledger train`: start, stop and watch trainings."""

from typing import Annotated, Any, Final

import typer
from rich.live import Live
from rich.table import Column, Table

from fl_node import codes
from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, ask, emit_json, explained, note, out, show
from fl_node.commands.proposal import propose
from fl_node.commands.timeline import WIDTH, clock_ms, drawn, length
from fl_node.commands.watching import Progress
from fl_node.commands.watching import watch as watch_training
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, meaning
from fl_node.ledger.records import Privacy
from fl_node.privacy.integers import Account
from network import contract_codes

train = typer.Typer(no_args_is_help=True, help="Start, stop and watch trainings.")
REMEDIES: Final = {
    contract_codes.VOID_DIFFERENCING: "If the next attempts end so too: vote `lift_differencing training=…` and run "
    "the nodes with --accept-lifted, or stop it and train another plan, or this one from another initial state.",
}
Name = Annotated[str, typer.Argument(metavar="TRAINING", help="The training's id.")]


@train.command()
def start(
    training: Name,
    plan: Annotated[str, typer.Option(help="A registered plan: its name, its digest, or the digest's beginning.")],
    org: Org,
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds.")] = 5,
    cohort: Annotated[int, typer.Option(min=4, help="How many participants a round draws.")] = 4,
    days: Annotated[float, typer.Option(min=0.001, max=365, help="For how many days votes are taken.")] = 7,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Propose a training; it starts when enough organisations have voted yes."""

    async def work(ledger: Ledger) -> dict[str, Any]:
        body = {"training": training, "plan": await registered(ledger, plan), "rounds": rounds, "cohort": cohort}
        return body | await propose(ledger, "start_training", body, days=days)

    with explained(as_json=as_json):
        answer = ask(run, org, user, work)
        show(answer, as_json=as_json, title=f"Proposed: training {training}")


@train.command()
def stop(training: Name, org: Org, run: Run = DEFAULT_RUN, user: User = "admin", as_json: Json = False) -> None:
    """Propose to stop a training; the round in flight is then void."""
    with explained(as_json=as_json):
        answer = ask(run, org, user, lambda ledger: propose(ledger, "stop_training", {"training": training}))
        show(answer, as_json=as_json, title=f"Proposed: stop {training}")


@train.command()
def status(training: Name, org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """Show a training, every attempt of its rounds, and ε so far by the ledger's account where the plan adds noise."""

    async def work(ledger: Ledger) -> dict[str, Any]:
        record = await ledger.query("GetTraining", training=training)
        attempts = await ledger.everything("ListRounds", training=training)
        return {**record, "attempts": attempts, "privacy": await told(ledger, training, record["plan"])}

    with explained(as_json=as_json):
        record = ask(run, org, user, work)
        if as_json:
            emit_json(record)
            return
        attempts, privacy = record.pop("attempts"), record.pop("privacy")
        show(record, as_json=False, title=training)
        show(attempts, as_json=False, columns=("round", "attempt", "phase", "survivors", "state", "void_reason"))
        if privacy:
            title = f"ε so far for every {privacy['unit']} (δ = {privacy['delta']}, {privacy['colluders']} colluding)"
            show(privacy["participants"], as_json=False, title=title, columns=("participant", "epsilon"))
        if attempts and (said := explanation(attempts[-1]["void_reason"])):
            note(said)


@train.command()
def watch(training: Name, org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """Follow a training live until it ends; with --json one line for each change."""

    async def work(ledger: Ledger) -> None:
        seen: dict[str, Progress] = {}
        with (
            Live(get_renderable=lambda: table_of(dict(seen)), console=out, refresh_per_second=1)
            if not as_json
            else _Nothing() as live
        ):
            async for progress in watch_training(ledger, training):
                seen[progress.view.name] = progress
                if as_json:
                    typer.echo(progress.view.model_dump_json())
                else:
                    live.refresh()

    with explained(as_json=as_json):
        ask(run, org, user, work)


async def told(ledger: Ledger, training: str, plan: str) -> dict[str, Any] | None:
    """Return what the rounds have told of each participant by the ledger's accounts; None where it keeps none."""
    privacy = (await ledger.plan(plan)).privacy
    if privacy is None or not privacy.unit:
        return None
    accounts = await ledger.everything("ListPrivacy", training=training)
    return privacy.model_dump() | {"participants": [one | {"epsilon": _epsilon(one, privacy)} for one in accounts]}


def _epsilon(account: dict[str, Any], privacy: Privacy) -> str:
    found = Account(account["squared_e15"], account["slack_e15"]).epsilon(float(privacy.delta))
    return f"{found:.4g}"


async def registered(ledger: Ledger, text: str) -> str:
    """Return the digest of the one registered plan that a text names.

    Raises:
        NodeError: FL4001, it names none or several.
    """
    plans = [item for item in await ledger.everything("ListPlans") if not item["retired"]]
    found = [item["plan"] for item in plans if item["plan"].startswith(text) or item["name"] == text]
    if len(found) != 1:
        raise NodeError(
            codes.INPUT_UNUSABLE, f"{len(found)} registered plans are named by {text!r}", hint="See `plan list`."
        )
    return str(found[0])


def table_of(seen: dict[str, Progress]) -> Table:
    """Return the attempts of a training as a table, each with its timeline; bars of one length took equally long."""
    table = Table("round", "outcome", Column("timeline", min_width=WIDTH), "survivors", "metrics", "seconds")
    now = clock_ms()
    scale = max((length(progress.timeline.phases, now) for progress in seen.values()), default=1)
    for progress in seen.values():
        record, phases = progress.as_json(), progress.timeline.phases
        metrics = "  ".join(f"{name} {value:.4f}" for name, value in record["metrics"].items() if _telling(name))
        number = str(record["round"]) + (f".{record['attempt']}" if record["attempt"] > 1 else "")
        phase = f"{record['status']} {record['void_reason']}".strip()
        survivors = f"{len(record['survivors'])} of {len(record['cohort'])}" if record["survivors"] else ""
        seconds = f"{length(phases, now) / 1000:.1f}" if phases else ""
        table.add_row(number, phase, drawn(phases, now, scale), survivors, metrics, seconds)
        table.caption = explanation(record["void_reason"])
    return table


def explanation(void_reason: str) -> str | None:
    """Return what the reason of a void attempt means and, where no other attempt would end otherwise, what helps."""
    text = " ".join(filter(None, (void_reason, meaning(void_reason), REMEDIES.get(void_reason))))
    return text or None


def _telling(metric: str) -> bool:
    return metric.rpartition("/")[2] in {"accuracy", "loss"}


class _Nothing:
    """Stands where a live table would, for machines."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass
