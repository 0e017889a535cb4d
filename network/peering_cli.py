"""The commands that add a peer to what runs: `org add-peer`, and `network add-peer` of a test network."""

from pathlib import Path
from typing import Annotated

import typer

from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, explained, note, out

Run = Annotated[Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="The run folder.", resolve_path=True)]
Host = Annotated[str, typer.Option(help="What others dial; your organisation's host by default.")]
Listen = Annotated[str, typer.Option(help="What it listens on, where that is another address.")]
Port = Annotated[int, typer.Option(help="Its port; its other ports follow. By default above all that are taken.")]
Out = Annotated[Path, typer.Option("--out", help="The file for the others to adopt.")]


def org_add_peer(
    host: Host = "",
    listen: Listen = "",
    port: Port = 0,
    to: Out = Path("peers.update"),
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Add a peer to your organisation while all else runs; goes on where it stopped."""
    from network.connection import own_folder

    with explained(as_json=as_json):
        name = own_folder(run)[0].name
        _add(run, name, (host, listen, port), to, as_json)


def org_start(
    host: Annotated[str, typer.Option(help="This host, as your definition names it.")],
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Start what your organisation has on this host of several; the folder is from `org backup --host`."""
    from network.peering import start_on

    with explained(as_json=as_json):
        started = start_on(run, host, (lambda _: None) if as_json else note)
    if as_json:
        emit_json({"host": host, "started": started})
    else:
        text = ", ".join(started) or "nothing: all of it runs"
        out.print(f"started {text}", markup=False, highlight=False, soft_wrap=True)


def network_add_peer(
    org: Annotated[str, typer.Argument(help="The organisation that gets a peer more.")],
    port: Port = 0,
    to: Out = Path("peers.update"),
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Add a peer to an organisation of a running test network; goes on where it stopped."""
    with explained(as_json=as_json):
        _add(run, org, ("", "", port), to, as_json)


def _add(run: Path, organisation: str, place: tuple[str, str, int], to: Path, as_json: bool) -> None:
    from network.files import write_atomically
    from network.peering import Place, add_peer

    done = add_peer(run, organisation, Place(*place), (lambda _: None) if as_json else note)
    if done.awaited:
        _say_awaited(done.peer, done.awaited, as_json)
        return
    file = str(to) if done.file else ""
    if done.file:
        write_atomically(to, done.file.dump())
    left = [f"the others run `fedledger network update adopt {to}`"] if file and done.submitted else []
    left += [] if done.submitted else [f"give {to} to a member, who runs `fedledger network update submit {to}`"]
    left.append(f"start again what is to use it, such as the node of {organisation}")
    if as_json:
        value = {"peer": done.peer, "started": done.started, "file": file, "submitted": done.submitted, "left": left}
        emit_json(value)
    else:
        out.print(f"{done.peer} has every block; {'; '.join(left)}", markup=False, highlight=False, soft_wrap=True)


def _say_awaited(peer: str, awaited: tuple[str, ...], as_json: bool) -> None:
    host = peer.rpartition(":")[0]
    left = [
        f"`fedledger org backup FILE --host {host}`, and bring FILE to {host}",
        f"there, `fedledger org restore FILE` and `fedledger org start --host {host}`",
        "then this command again",
    ]
    if as_json:
        emit_json({"peer": peer, "awaited": awaited, "left": left})
    else:
        out.print(f"{peer} has its keys; {'; '.join(left)}", markup=False, highlight=False, soft_wrap=True)
