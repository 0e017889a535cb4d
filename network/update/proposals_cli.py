"""The commands `fedledger network update propose …`: each names a change, and all write its file the same way."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from network.checkout import DEFAULT_RUN
from network.console import Json, explained
from network.update.options_cli import Org, Run, User, acting, say

propose = typer.Typer(no_args_is_help=True, help="Write the file of a change, with your own signature if it counts.")

Out = Annotated[Path | None, typer.Option("--out", help="The file to write; named after the change by default.")]
Certificate = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Its certificate, PEM.")]
Tls = Annotated[bool, typer.Option("--tls", help="It issues TLS certificates, not identities.")]
Request = Callable[[Any], Any]
"""What makes a change at a desk."""


def proposal(command: Callable[..., Request]) -> Callable[..., None]:
    """Return a command with the options of every proposal, which writes the file of what `command` requests."""

    def shared(
        to: Out = None, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False
    ) -> None:
        """Hold the options that every proposal has."""

    @wraps(command)
    def proposing(**given: Any) -> None:
        mine = {name: given.pop(name) for name in inspect.signature(shared).parameters}
        _write(command(**given), **mine)

    parameters = [*inspect.signature(command).parameters.values(), *inspect.signature(shared).parameters.values()]
    proposing.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    proposing.__annotations__ = {each.name: each.annotation for each in parameters}
    return proposing


@propose.command("add-organisation")
@proposal
def add_organisation(
    export: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What its `org export` wrote.")],
    fingerprint: Annotated[str, typer.Option(help="What the organisation read out, to be compared.")] = "",
) -> Request:
    """An organisation joins the channel: the file holds its export, so that all who sign see whom they let in."""
    from network.update.requests import add_organisation as requested

    return lambda desk: requested(desk, export.read_bytes(), str(export), fingerprint)


@propose.command("remove-organisation")
@proposal
def remove_organisation(
    name: Annotated[str, typer.Argument(help="Its name in the definition, or its MSP id.")],
) -> Request:
    """An organisation leaves the channel; its orderers, if it has any, have to be removed before."""
    from network.update.requests import remove_organisation as requested

    return lambda desk: requested(desk, name)


@propose.command("add-orderer")
@proposal
def add_orderer(
    export: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What its organisation's `org export` wrote.")
    ],
    name: Annotated[str, typer.Argument(help="The orderer's name in that organisation's definition.")],
    fingerprint: Annotated[str, typer.Option(help="What the organisation read out, to be compared.")] = "",
) -> Request:
    """One more orderer; one is replaced by adding its successor, and then removing it."""
    from network.update.requests import add_orderer as requested

    return lambda _: requested(export.read_bytes(), name, str(export), fingerprint)


@propose.command("remove-orderer")
@proposal
def remove_orderer(
    name: Annotated[str, typer.Argument(help="Its name in the definition, or host:port.")],
) -> Request:
    """An orderer goes; stop it once the channel has the change."""
    from network.update.requests import remove_orderer as requested

    return lambda desk: requested(desk, name)


@propose.command("rotate-orderer")
@proposal
def rotate_orderer(
    name: Annotated[str, typer.Argument(help="One of your own orderers, by its name in the definition.")],
    new_key: Annotated[bool, typer.Option("--new-key", help="With new private keys.")] = False,
) -> Request:
    """New certificates for an own orderer; once the channel has them, `identity rotate` puts them in their place."""
    from network.update.requests import rotate_orderer as requested

    return lambda desk: requested(desk, name, new_key=new_key)


@propose.command()
@proposal
def revoke() -> Request:
    """Bring your own revocation lists into the channel; `identity revoke` writes them and does this too."""
    from network.update.requests import revoke as requested

    return requested


@propose.command("add-authority")
@proposal
def add_authority(
    certificate: Certificate,
    lists: Annotated[list[Path] | None, typer.Option("--list", exists=True, help="Its revocation list.")] = None,
    tls: Tls = False,
) -> Request:
    """One more root or intermediate of your own organisation; the present ones stay until you remove them."""
    from network.update.requests import add_authority as requested

    return lambda desk: requested(desk, _text(certificate), _purpose(tls), [_text(path) for path in lists or ()])


@propose.command("remove-authority")
@proposal
def remove_authority(
    certificate: Certificate,
    tls: Tls = False,
) -> Request:
    """A root or intermediate of your own organisation goes: nothing that it issued counts any more."""
    from network.update.requests import remove_authority as requested

    return lambda desk: requested(desk, _text(certificate), _purpose(tls))


@propose.command("move-peers")
@proposal
def move_peers() -> Request:
    """Tell the channel where your peers answer, as your definition has it."""
    from network.update.requests import move_peers as requested

    return requested


def _purpose(tls: bool) -> Literal["identities", "tls"]:
    return "tls" if tls else "identities"


def _text(path: Path) -> str:
    return path.read_text(errors="replace")  # what is no PEM is refused with its place where it is read


def _write(request: Request, to: Path | None, org: str, user: str, run: Path, as_json: bool) -> None:
    from network.blocking import finish
    from network.files import write_atomically
    from network.update.file import UpdateFile
    from network.update.steps import desk

    async def made() -> UpdateFile:
        async with desk(run, acting(run, org), user) as mine:
            return mine.propose(request(mine))

    with explained(as_json=as_json):
        file = finish(made())
        path = to or Path(f"{file.change.kind}-{file.change.subject}.update")
        write_atomically(path, file.dump())
    value: dict[str, object] = {"file": str(path), "signatures": len(file.signatures)}
    say(value, f"{path} is written; `update show` says what it does", as_json)
