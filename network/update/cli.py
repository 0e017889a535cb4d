"""The commands `fedledger network update …`: a change of the channel as a file that collects signatures."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, explained, out

update = typer.Typer(
    no_args_is_help=True, help="Change the channel's configuration by a file that collects administrators' signatures."
)
propose = typer.Typer(no_args_is_help=True, help="Write the file of a change, with your own signature if it counts.")
update.add_typer(propose, name="propose")

Run = Annotated[
    Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="Your organisation's folder.", resolve_path=True)
]
Org = Annotated[str, typer.Option("--org", help="As which organisation, where the folder is a test network's.")]
User = Annotated[str, typer.Option(help="Which of its administrators.")]
Out = Annotated[Path | None, typer.Option("--out", help="The file to write; named after the change by default.")]
Certificate = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Its certificate, PEM.")]
Tls = Annotated[bool, typer.Option("--tls", help="It issues TLS certificates, not identities.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file of a change.")]


@propose.command("add-organisation")
def add_organisation(
    export: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What its `org export` wrote.")],
    fingerprint: Annotated[str, typer.Option(help="What the organisation read out, to be compared.")] = "",
    to: Out = None,
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """An organisation joins the channel: the file holds its export, so that all who sign see whom they let in."""
    from network.update.requests import add_organisation as requested

    _propose(lambda desk: requested(desk, export.read_bytes(), str(export), fingerprint), to, org, user, run, as_json)


@propose.command("remove-organisation")
def remove_organisation(
    name: Annotated[str, typer.Argument(help="Its name in the definition, or its MSP id.")],
    to: Out = None,
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """An organisation leaves the channel; its orderers, if it has any, have to be removed before."""
    from network.update.requests import remove_organisation as requested

    _propose(lambda desk: requested(desk, name), to, org, user, run, as_json)


@propose.command("add-orderer")
def add_orderer(
    export: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What its organisation's `org export` wrote.")
    ],
    name: Annotated[str, typer.Argument(help="The orderer's name in that organisation's definition.")],
    fingerprint: Annotated[str, typer.Option(help="What the organisation read out, to be compared.")] = "",
    to: Out = None,
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """One more orderer; one is replaced by adding its successor, and then removing it."""
    from network.update.requests import add_orderer as requested

    _propose(lambda _: requested(export.read_bytes(), name, str(export), fingerprint), to, org, user, run, as_json)


@propose.command("remove-orderer")
def remove_orderer(
    name: Annotated[str, typer.Argument(help="Its name in the definition, or host:port.")],
    to: Out = None,
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """An orderer goes; stop it once the channel has the change."""
    from network.update.requests import remove_orderer as requested

    _propose(lambda desk: requested(desk, name), to, org, user, run, as_json)


@propose.command("rotate-orderer")
def rotate_orderer(
    name: Annotated[str, typer.Argument(help="One of your own orderers, by its name in the definition.")],
    new_key: Annotated[bool, typer.Option("--new-key", help="With new private keys.")] = False,
    to: Out = None,
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """New certificates for an own orderer; once the channel has them, `identity rotate` puts them in their place."""
    from network.update.requests import rotate_orderer as requested

    _propose(lambda desk: requested(desk, name, new_key=new_key), to, org, user, run, as_json)


@propose.command()
def revoke(to: Out = None, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Bring your own revocation lists into the channel; `identity revoke` writes them and does this too."""
    from network.update.requests import revoke as requested

    _propose(requested, to, org, user, run, as_json)


@propose.command("add-authority")
def add_authority(
    certificate: Certificate,
    lists: Annotated[list[Path] | None, typer.Option("--list", exists=True, help="Its revocation list.")] = None,
    tls: Tls = False,
    to: Out = None,
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """One more root or intermediate of your own organisation; the present ones stay until you remove them."""
    from network.update.requests import add_authority as requested

    texts, found = certificate.read_text(), [path.read_text() for path in lists or ()]
    _propose(lambda desk: requested(desk, texts, _purpose(tls), found), to, org, user, run, as_json)


@propose.command("remove-authority")
def remove_authority(
    certificate: Certificate,
    tls: Tls = False,
    to: Out = None,
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """A root or intermediate of your own organisation goes: nothing that it issued counts any more."""
    from network.update.requests import remove_authority as requested

    _propose(lambda desk: requested(desk, certificate.read_text(), _purpose(tls)), to, org, user, run, as_json)


@propose.command("move-peers")
def move_peers(
    to: Out = None, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False
) -> None:
    """Tell the channel where your peers answer, as your definition has it."""
    from network.update.requests import move_peers as requested

    _propose(requested, to, org, user, run, as_json)


def _purpose(tls: bool) -> Literal["identities", "tls"]:
    return "tls" if tls else "identities"


@update.command()
def show(file: File, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Say what a file changes on the channel as it is now, who signed, and whose signatures are missing."""
    from dataclasses import asdict

    from network.blocking import finish
    from network.update.file import UpdateFile
    from network.update.steps import Shown, desk

    async def seen() -> Shown:
        async with desk(run, acting(run, org), user) as mine:
            return mine.show(UpdateFile.parse(file.read_bytes(), str(file)), str(file))

    with explained(as_json=as_json):
        found = finish(seen())
    if as_json:
        emit_json(asdict(found))
        return
    lines = [f"{found.change}: {'; '.join(found.says)}"]
    lines += [f"  {place}" for place in found.places]
    if not found.in_force:
        lines.append(f"signed by {', '.join(found.signed) or 'nobody yet'}")
        lines += [f"missing: {m.count} of {', '.join(m.of)} ({m.policy})" for m in found.missing]
        lines += [] if found.missing else ["nothing is missing: a member can submit it"]
    _print("\n".join(lines))


@update.command()
def sign(file: File, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Add your signature, if the file does what it says on the channel as it is now."""
    from network.blocking import finish
    from network.files import write_atomically
    from network.update.file import UpdateFile
    from network.update.steps import desk

    async def signed() -> UpdateFile:
        async with desk(run, acting(run, org), user) as mine:
            return mine.sign(UpdateFile.parse(file.read_bytes(), str(file)), str(file))

    with explained(as_json=as_json):
        made = finish(signed())
        write_atomically(file, made.dump())
    _say(
        {"file": str(file), "signatures": len(made.signatures)},
        f"{file} has {len(made.signatures)} signatures",
        as_json,
    )


@update.command()
def submit(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="The file, or signed copies of it.")],
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Send a change that has its signatures to the channel, and bring your own definition after it."""
    from network.blocking import finish
    from network.update.file import UpdateFile
    from network.update.steps import desk, follow

    who = ""

    async def sent(copies: list[UpdateFile]) -> bool:
        async with desk(run, who, user) as mine:
            return await mine.submit(copies, str(files[0]))

    with explained(as_json=as_json):
        who = acting(run, org)
        copies = [UpdateFile.parse(file.read_bytes(), str(file)) for file in files]
        changed = finish(sent(copies))
        follow(run, who, copies[0].change)
    text = "the channel has the change" if changed else "the channel had the change already"
    _say(
        {"file": str(files[0]), "changed": changed}, f"{text}; the others run `fedledger network update adopt`", as_json
    )


@update.command()
def adopt(file: File, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Bring your own definition after a change that the channel has, whoever submitted it."""
    from network.blocking import finish
    from network.update.file import UpdateFile
    from network.update.steps import desk, follow

    who = ""

    async def checked(found: UpdateFile) -> None:
        async with desk(run, who, user) as mine:
            mine.require_in_force(found.change, str(file))

    with explained(as_json=as_json):
        who = acting(run, org)
        found = UpdateFile.parse(file.read_bytes(), str(file))
        finish(checked(found))
        follow(run, who, found.change)
    _say({"file": str(file)}, "your definition has the change", as_json)


def acting(run: Path, organisation: str) -> str:
    """Return as whom to act: the folder's owner, or the organisation that was named; FL1033 where neither is clear."""
    from network.connection import own_folder

    return organisation or own_folder(run)[0].name


def _propose(change: Callable, to: Path | None, org: str, user: str, run: Path, as_json: bool) -> None:  # type: ignore[type-arg]
    from network.blocking import finish
    from network.files import write_atomically
    from network.update.file import UpdateFile
    from network.update.steps import desk

    async def made() -> UpdateFile:
        async with desk(run, acting(run, org), user) as mine:
            return mine.propose(change(mine))

    with explained(as_json=as_json):
        file = finish(made())
        path = to or Path(f"{file.change.kind}-{file.change.subject}.update")
        write_atomically(path, file.dump())
    _say(
        {"file": str(path), "signatures": len(file.signatures)},
        f"{path} is written; `update show` says what it does",
        as_json,
    )


def _say(value: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        emit_json(value)
    else:
        _print(text)


def _print(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
