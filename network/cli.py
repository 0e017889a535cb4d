"""The commands `fedledger network` and `fedledger identity`."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from network.ceremony_cli import genesis, import_, verify_genesis
from network.checkout import DEFAULT_RUN
from network.console import EXIT_NOT_UP, Json, emit_json, explained, note, out
from network.interrupt import interruptible
from network.peering_cli import network_add_peer
from network.units.cli import render
from network.update.cli import update
from network.upgrade_cli import lock, network_upgrade, restart

FOLLOW_S = 0.2

network = typer.Typer(no_args_is_help=True, help="Run the consortium's network.")
identity = typer.Typer(no_args_is_help=True, help="Issue and revoke identities.")
network.command("render")(render)
network.command("import")(import_)
network.command("genesis")(genesis)
network.command("verify-genesis")(verify_genesis)
network.add_typer(update, name="update")
network.command("lock")(lock)
network.command("upgrade")(network_upgrade)
network.command("restart")(restart)
network.command("add-peer")(network_add_peer)

Run = Annotated[Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="The run folder.", resolve_path=True)]
Name = Annotated[str, typer.Argument(help="A process, such as orderer1, peer-hospital-a or chaincode-hospital-a.")]
Org = Annotated[str, typer.Argument(help="An organisation, such as hospital-a.")]


@network.command()
def up(
    run: Run = DEFAULT_RUN,
    definition: Annotated[Path | None, typer.Option(help="The consortium's definition.")] = None,
    base_port: Annotated[int | None, typer.Option(min=1024, max=65000, help="First of the ports to use.")] = None,
    chaincode: Annotated[str | None, typer.Option(help="A Go package below chaincode/.")] = None,
    fabric: Annotated[bool, typer.Option("--fabric", help="Use real Hyperledger Fabric.")] = False,
    as_json: Json = False,
) -> None:
    """Start the network, or what of it does not run; ledgers and keys that exist stay."""
    from network.bringup import Request
    from network.bringup import up as bring_up

    with explained(as_json=as_json), interruptible():
        kind = "fabric" if fabric or _kind(run) == "fabric" else "devnet"
        request = Request(run, kind, definition, base_port, chaincode)  # type: ignore[arg-type]
        outcome = bring_up(request, (lambda _: None) if as_json else note)
    if as_json:
        seconds = round(outcome.seconds, 3)
        emit_json({"kind": outcome.plan.kind, "run": str(run), "started": outcome.started, "seconds": seconds})
        return
    out.print(f"{outcome.plan.kind} is up: {len(outcome.started)} processes in {outcome.seconds:.1f} s, in {run}")


@network.command()
def down(
    run: Run = DEFAULT_RUN,
    wipe: Annotated[bool, typer.Option("--wipe", help="Remove ledgers, identities and keys too.")] = False,
    as_json: Json = False,
) -> None:
    """Stop every process of the network."""
    from network.bringup import down as take_down

    with explained(as_json=as_json):
        stopped = take_down(run, wipe=wipe)
    if as_json:
        emit_json({"stopped": stopped, "wiped": wipe})
    else:
        out.print(f"stopped {len(stopped)} processes" + (f" and removed {run}" if wipe else ""))


@network.command()
def status(run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Show every process; exit code 3 if one does not run."""
    from network import processes
    from network.plan import Plan

    with explained(as_json=as_json):
        plan = Plan.read(run)
        states = processes.status(run, plan)
    if as_json:
        emit_json({"kind": plan.kind, "run": str(run), "processes": [asdict(state) for state in states]})
    else:
        out.print(_status_table(plan.kind, states))
    if any(state.state != "up" for state in states):
        raise typer.Exit(EXIT_NOT_UP)


@network.command()
def logs(
    name: Name,
    run: Run = DEFAULT_RUN,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last lines.")] = 40,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as the log grows.")] = False,
    as_json: Json = False,
) -> None:
    """Show the log of a process."""
    from network import processes
    from network.plan import Plan

    with explained(as_json=as_json):
        path = processes.log_path(run, Plan.read(run).process(name).name)
    content = path.read_text(errors="replace").splitlines() if path.exists() else []
    tail = content[-lines:] if lines else []
    if as_json:
        emit_json({"name": name, "path": str(path), "lines": tail})
        return
    for line in tail:
        typer.echo(line)
    if follow:
        _follow(path)


@network.command()
def start(name: Name, run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Start one process and wait until it serves."""
    from network.bringup import start_one

    with explained(as_json=as_json):
        pid = start_one(run, name)
    _say({"name": name, "pid": pid}, f"{name} is up, pid {pid}", as_json=as_json)


@network.command()
def stop(
    name: Name,
    run: Run = DEFAULT_RUN,
    kill: Annotated[bool, typer.Option("--kill", help="By SIGKILL, as a power failure would.")] = False,
    as_json: Json = False,
) -> None:
    """Stop one process."""
    from network.bringup import stop_one

    with explained(as_json=as_json):
        ran = stop_one(run, name, kill=kill)
    _say({"name": name, "ran": ran}, f"{name} {'is stopped' if ran else 'did not run'}", as_json=as_json)


@network.command("add-organisation")
def add_organisation(
    org: Org,
    run: Run = DEFAULT_RUN,
    role: Annotated[str, typer.Option(help="member or regulator.")] = "member",
    host: Annotated[str, typer.Option(help="Where its processes run.")] = "127.0.0.1",
    as_json: Json = False,
) -> None:
    """Add an organisation to the running channel and start its processes; the others stay as they are."""
    from network.joining import Newcomer
    from network.joining import add_organisation as add

    with explained(as_json=as_json):
        outcome = add(run, Newcomer(org, role, host), (lambda _: None) if as_json else note)  # type: ignore[arg-type]
    value = {"organisation": org, "started": outcome.started, "seconds": round(outcome.seconds, 3)}
    _say(value, f"{org} is part of the channel: {', '.join(outcome.started) or 'it was already'}", as_json=as_json)


def _kind(run: Path) -> str:
    from network.plan import Plan

    return Plan.read(run).kind if (run / "network.json").exists() else "devnet"


def _say(value: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        emit_json(value)
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True)


def _status_table(kind: str, states: list[Any]) -> Table:
    table = Table(title=f"{kind} network")
    for column in ("process", "state", "pid", "port", "memory"):
        table.add_column(column, justify="left" if column in {"process", "state"} else "right")
    for state in states:
        memory = f"{state.memory >> 20} MB" if state.memory else ""
        colour = {"up": "green", "stopped": "yellow"}.get(state.state, "red")
        table.add_row(state.name, f"[{colour}]{state.state}[/]", str(state.pid or ""), str(state.port), memory)
    return table


def _follow(path: Path) -> None:
    with path.open(errors="replace") as stream:
        stream.seek(0, 2)
        while True:
            line = stream.readline()
            if line:
                typer.echo(line, nl=False)
            else:
                time.sleep(FOLLOW_S)


@identity.command("list")
def list_identities(run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """List every identity with its certificate's serial number and end."""
    from network.connection import consortium_of
    from network.roster import roster

    with explained(as_json=as_json):
        entries = roster(consortium_of(run), run)
    if as_json:
        emit_json([asdict(entry) for entry in entries])
        return
    table = Table("organisation", "identity", "unit", "valid until", "revoked", "serial")
    for entry in entries:
        revoked = "[red]yes[/]" if entry.revoked else ""
        table.add_row(entry.organisation, entry.name, entry.unit, entry.valid_until, revoked, entry.serial)
    out.print(table)


@identity.command("add")
def add_identity(
    org: Org,
    name: Annotated[str, typer.Argument(help="A new name, such as client2.")],
    run: Run = DEFAULT_RUN,
    role: Annotated[str, typer.Option(help="client, admin, or node (may take part in rounds).")] = "client",
    as_json: Json = False,
) -> None:
    """Issue an identity; one that exists stays as it is."""
    from network.connection import consortium_of
    from network.roster import add

    with explained(as_json=as_json):
        folder = add(consortium_of(run), run, org, name, role)
    _say({"organisation": org, "name": name, "folder": str(folder)}, f"{name} of {org} is in {folder}", as_json=as_json)


@identity.command("rotate")
def rotate_identity(
    org: Org,
    name: Annotated[str, typer.Argument(help="An identity, such as peer0, client, or a service: chaincode, blobs.")],
    new_key: Annotated[bool, typer.Option("--new-key", help="With a new private key.")] = False,
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Renew an identity's certificates; the old ones serve until the new ones are here. Goes on where it stopped."""
    from network.connection import consortium_of
    from network.renewal import renew

    with explained(as_json=as_json):
        done = renew(consortium_of(run), run, org, name, new_key=new_key)
    began = f"; {', '.join(done.restarted)} runs with them" if done.restarted else f". {done.left}"
    text = f"{name} of {org} has new certificates until {done.rotation.valid_until}{began}"
    _say(asdict(done), text, as_json=as_json)


@identity.command("revoke")
def revoke_identity(
    org: Org,
    name: Annotated[str, typer.Argument(help="An identity of the organisation, such as client.")],
    user: Annotated[str, typer.Option(help="The administrator who signs; not the one to be revoked.")] = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Revoke an identity: write the revocation lists and put them into the running channel."""
    from network.connection import consortium_of
    from network.revocation import revoke

    with explained(as_json=as_json):
        done = revoke(consortium_of(run), run, org, name, user)
    text = "is revoked" if done.changed else "was revoked already"
    _say(asdict(done), f"{name} of {org} {text}, serial {done.serial}", as_json=as_json)


@network.command("install-fabric")
def install_fabric(
    sha256: Annotated[str, typer.Option(help="The SHA-256 that the release names for its archive, in hex.")],
    url: Annotated[str | None, typer.Option(help="Another place to fetch the archive from.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch and verify the official release of Hyperledger Fabric; goes on where it was interrupted."""
    from network.fabric.install import Archive, install, official_url

    with explained(as_json=as_json):
        archive = Archive(url or official_url(), sha256.lower())
        folder = install(archive, (lambda _: None) if as_json else note)
    _say({"folder": str(folder)}, f"Fabric is in {folder}", as_json=as_json)
