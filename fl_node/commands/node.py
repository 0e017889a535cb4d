"""`fedledger node`: run this organisation's node, check what it needs, see what it does."""

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from fl_node import codes
from fl_node.blobs.store import Limits
from fl_node.clock import DAY_MS
from fl_node.commands.common import (
    DEFAULT_RUN,
    BlobMb,
    Json,
    Org,
    QuotaGb,
    ReserveMb,
    Run,
    UnnamedDays,
    ask,
    explained,
    limits,
    show,
)
from fl_node.commands.findings import show_findings
from fl_node.commands.status import watch_node
from fl_node.doctor.doctor import examine
from fl_node.doctor.findings import Finding
from fl_node.errors import NodeError
from fl_node.node.config import NodeConfig
from fl_node.node.context import Context
from fl_node.node.observe import configure_logs
from fl_node.node.start import run_node
from fl_node.plan.sandbox import Sandbox
from fl_node.release.standing import Standing
from fl_node.round.consent import Consent
from network.connection import organisation_of

node = typer.Typer(no_args_is_help=True, help="Run and check this organisation's node.")

Data = Annotated[
    Path | None,
    typer.Option("--data", help="The organisation's rows: CSV or Parquet, a file or a folder.", resolve_path=True),
]
ParticipantId = Annotated[
    str, typer.Option("--participant", help="The participant's id; the organisation's name by default.")
]
Plans = Annotated[
    list[str] | None, typer.Option("--plan", help="Digest of a plan you consent to; none means all voted.")
]
EpsilonBudget = Annotated[
    float | None,
    typer.Option("--epsilon-budget", min=0, help="ε that all rounds may give away; plans without noise are refused."),
]
PlanMemoryMb = Annotated[
    int, typer.Option("--plan-memory-mb", min=512, help="Memory that a plan may take; the framework takes 400 of it.")
]
PlanCpuS = Annotated[float, typer.Option("--plan-cpu-s", min=1, help="CPU time that one call of a plan may take.")]
PlanCallS = Annotated[float, typer.Option("--plan-call-s", min=60, help="Time by the clock that one call may take.")]
PlanThreads = Annotated[int, typer.Option("--plan-threads", min=64, help="Threads of a plan.")]
Gpu = Annotated[bool, typer.Option("--gpu", help="Let plans that ask for a GPU have it; others use the CPU.")]
JournalKey = Annotated[
    Path | None,
    typer.Option(
        envvar="FEDLEDGER_JOURNAL_KEY",
        help="The file with the journal's key, made where missing; beside the node's other keys if not given. Keep it "
        "out of backups that hold the journal.",
        resolve_path=True,
    ),
]
User = Annotated[str, typer.Option("--user", help="The identity that signs; see `fedledger identity add`.")]
NoBlobService = Annotated[
    bool,
    typer.Option(
        "--no-blob-service", help="Another node of this organisation serves its blobs; give --observe-port then."
    ),
]
ObservePort = Annotated[int, typer.Option("--observe-port", help="Port for /metrics and /health on 127.0.0.1.")]


@node.command()
def run(
    org: Org,
    data: Data = None,
    participant: ParticipantId = "",
    user: User = "node",
    plan: Plans = None,
    epsilon_budget: EpsilonBudget = None,
    retention_days: Annotated[float, typer.Option(min=0, help="How long masked blobs stay for the audit.")] = 90,
    accept_lifted: Annotated[
        bool, typer.Option("--accept-lifted", help="Consent where a vote lifts differencing.")
    ] = False,
    show_updates: Annotated[
        bool, typer.Option("--show-updates", help="Consent to the mode plain, which shows updates to the members.")
    ] = False,
    journal_key: JournalKey = None,
    blob_mb: BlobMb = 1024,
    quota_gb: QuotaGb = 8,
    reserve_mb: ReserveMb = 64,
    unnamed_days: UnnamedDays = 30,
    no_blob_service: NoBlobService = False,
    observe_port: ObservePort = 0,
    sign_releases: Annotated[
        bool, typer.Option("--sign-releases", help="Sign what a vote released or withdrew, once it is found to be so.")
    ] = False,
    plan_memory_mb: PlanMemoryMb = 4096,
    plan_cpu_s: PlanCpuS = 3600,
    plan_call_s: PlanCallS = 900,
    plan_threads: PlanThreads = 1024,
    gpu: Gpu = False,
    run: Run = DEFAULT_RUN,
) -> None:
    """Run the node: blob service, duties in every round, metrics; until SIGTERM. Logs are JSON lines."""
    retained_ms = int(retention_days * DAY_MS)
    consent = Consent(frozenset(plan or ()), retained_ms, accept_lifted, epsilon_budget, show_updates)
    sandbox = Sandbox(plan_memory_mb << 20, plan_cpu_s, plan_call_s, plan_threads, gpu=gpu)
    taken = limits(blob_mb, quota_gb, reserve_mb, unnamed_days)
    config = NodeConfig(
        run,
        org,
        data,
        participant,
        user,
        consent=consent,
        limits=taken,
        sandbox=sandbox,
        journal_key=journal_key,
        serves=not no_blob_service,
        observe_port=observe_port,
    )
    configure_logs()
    with explained():
        asyncio.run(run_node(config, beside=(signing,) if sign_releases else ()))


async def signing(context: Context) -> None:
    """Sign releases for the organisation as long as the node runs."""
    await Standing(context.ledger, context.mirror.get, context.health).run()


@node.command()
def doctor(
    org: Org,
    data: Data = None,
    participant: ParticipantId = "",
    user: User = "node",
    plan: Plans = None,
    reserve_mb: ReserveMb = 64,
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Check identity, clock, network, data, plan, disk and blob services; say what to mend. Exit code 4 if anything."""
    accepted = Consent(frozenset(plan or ()))
    config = NodeConfig(run, org, data, participant, user, consent=accepted, limits=Limits(reserve=reserve_mb << 20))

    async def collect() -> list[Finding]:
        return [finding async for finding in examine(config)]

    with explained(as_json=as_json):
        findings = asyncio.run(collect())
    show_findings(findings, as_json=as_json)


@node.command("rotate-key")
def rotate_key(
    org: Org,
    participant: ParticipantId = "",
    user: User = "node",
    admin: Annotated[str, typer.Option(help="The identity that tells the ledger.")] = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Give the node a new key and bind its participant to it on the ledger; goes on where it stopped."""
    from fl_node.node.rotating import rotate_key as rotated  # noqa: PLC0415  only where it is asked for

    with explained(as_json=as_json):
        done = asyncio.run(rotated(run, org, participant or org, user, admin))
        left = f"Start the node of {done.participant} again now: until then the ledger refuses what it sends."
        show(asdict(done) | {"left": left}, as_json=as_json, title=done.participant)


@node.command()
def status(
    org: Org,
    observe_port: ObservePort = 0,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, with the rounds under way, until Ctrl-C.")] = False,
    user: User = "node",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Show whether the node is healthy and where it stands; exit code 1 if it does not run or is not healthy."""
    with explained(as_json=as_json):
        port = observe_port or _observed_port(run, org)
        if watch:
            with contextlib.suppress(KeyboardInterrupt):
                ask(run, org, user, lambda ledger: watch_node(ledger, lambda: _health(port), as_json=as_json))
            return
        report = _health(port)
        show(report, as_json=as_json, title=org)
    if not report["healthy"]:
        raise typer.Exit(1)


def _observed_port(run: Path, org: str) -> int:
    """Return where a node's health is to be had; FL1010 or FL4008 if the organisation has no node."""
    blob_port = organisation_of(run, org).blob_port
    if blob_port is None:
        raise NodeError(
            codes.BLOB_SERVICE_SILENT, f"{org} is no member: it has no node", hint="Name a member with --org."
        )
    return blob_port + 2


def _health(port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/health"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # our own loopback address
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        return dict(json.load(error))
    except OSError as error:
        raise NodeError(
            codes.BLOB_SERVICE_SILENT,
            f"no node answers: {error}",
            where=url,
            hint="Start it with `fedledger node run`.",
        ) from None
