"""The commands by which an organisation sets itself up: `fedledger org …`, and what it does with the others' parts.

None of them needs or makes a private key of another organisation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from network.backup.cli import backup, restore
from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, explained, note, out
from network.peering_cli import org_add_peer, org_start
from network.upgrade_cli import org_upgrade

if TYPE_CHECKING:
    from network.forming import Formed

org = typer.Typer(no_args_is_help=True, help="Set up your own organisation, with its own keys in its own folder.")
org.command("backup")(backup)
org.command("restore")(restore)
org.command("upgrade")(org_upgrade)
org.command("add-peer")(org_add_peer)
org.command("start")(org_start)

Folder = Annotated[
    Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="Your organisation's folder.", resolve_path=True)
]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file of another organisation.")]


@org.command()
def init(
    name: Annotated[str, typer.Argument(help="Your organisation, as the definition names it.")],
    definition: Annotated[Path | None, typer.Option(help="The consortium's definition.")] = None,
    fabric: Annotated[bool, typer.Option("--fabric", help="The network is real Hyperledger Fabric.")] = False,
    ca: Annotated[str | None, typer.Option(help="builtin, csr, or a Fabric CA's URL with ?ca=NAME.")] = None,
    tls_ca: Annotated[str | None, typer.Option(help="The authority of TLS certificates, if another.")] = None,
    registrar: Annotated[str, typer.Option(help="Who registers and revokes at a Fabric CA.")] = "admin",
    secret: Annotated[Path | None, typer.Option(help="A file with its secret.", exists=True, resolve_path=True)] = None,
    ca_root: Annotated[Path | None, typer.Option(help="Its TLS root.", exists=True, resolve_path=True)] = None,
    run: Folder = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Begin your folder: keys and certificates of your own organisation; what exists stays."""
    from network.bringup import Request, resolve
    from network.ca.choice import Choices
    from network.organisation import begin

    with explained(as_json=as_json):
        kind = "fabric" if fabric else "devnet"
        chosen = Choices.parse(ca, tls_ca, registrar=registrar, secret=secret, root=ca_root) if ca else None
        folder = begin(run, resolve(Request(run, kind, definition)), name, kind, chosen)  # type: ignore[arg-type]
    _say({"organisation": name, "folder": str(folder.root)}, f"the folder of {name} is {folder.root}", as_json)


@org.command()
def export(
    to: Annotated[Path | None, typer.Option("--out", help="The file to write; NAME.export by default.")] = None,
    run: Folder = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Write what the others may know of you into one signed file; read its fingerprint to them by telephone."""
    from network.connection import own_folder
    from network.export import export as made_of
    from network.files import write_atomically
    from network.importing import keep

    with explained(as_json=as_json):
        folder, consortium = own_folder(run)
        made = made_of(folder, consortium.organisation(folder.name))
        keep(folder.root, made, replace=True)
        path = to or Path(f"{folder.name}.export")
        write_atomically(path, made.dump())
    value = {"organisation": folder.name, "file": str(path), "fingerprint": made.fingerprint}
    _say(value, f"{path}\nfingerprint {made.fingerprint}", as_json)


@org.command()
def join(run: Folder = DEFAULT_RUN, as_json: Json = False) -> None:
    """Start your processes, join the channel, install and approve the chaincode; goes on where it stopped."""
    from network.bringup import join as bring_up
    from network.connection import own_folder

    with explained(as_json=as_json):
        own_folder(run)
        outcome = bring_up(run, (lambda _: None) if as_json else note)
        if outcome.formed.lost:
            raise outcome.formed.lost
    formed = outcome.formed
    value = {
        "started": outcome.started,
        "committed": formed.committed,
        "approved": formed.approved,
        "needed": formed.needed,
        "orderers": formed.orderers,
    }
    _say(value, _joined(formed), as_json)


def _joined(formed: "Formed") -> str:
    if formed.orderers is not None:
        return f"only {formed.orderers} orderers answer, too few to order: run this again when more organisations have"
    if formed.committed is False:
        who = ", ".join(formed.approved) or "nobody yet"
        return f"the chaincode is approved by {who}; {formed.needed} must: the last of them commits it"
    return "your part is done"


def import_(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Exports of organisations.")],
    fingerprint: Annotated[str, typer.Option(help="What the organisation read out; for one file.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Take it though another was imported before.")] = False,
    run: Folder = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Take in other organisations' public parts: signed, under their own roots, as the definition says."""
    from network.connection import own_folder
    from network.importing import checked, keep

    with explained(as_json=as_json):
        if fingerprint and len(files) > 1:
            raise typer.BadParameter("a fingerprint is of one file")
        folder, consortium = own_folder(run)
        taken = [checked(consortium, f.read_bytes(), where=str(f), fingerprint=fingerprint) for f in files]
        for file, each in zip(files, taken, strict=True):
            keep(folder.root, each, where=str(file), replace=replace)
    value = [{"organisation": each.organisation, "fingerprint": each.fingerprint} for each in taken]
    if as_json:
        emit_json(value)
        return
    for entry in value:
        out.print(f"{entry['organisation']}: {entry['fingerprint']}", markup=False, highlight=False, soft_wrap=True)


def genesis(
    taken: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False, help="Who joins later: a member's channel.block."),
    ] = None,
    run: Folder = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Render the channel's first block from everybody's public parts; all who do get the same bytes."""
    import hashlib

    from network.connection import own_folder
    from network.folders import channel_block
    from network.genesis import take, write

    with explained(as_json=as_json):
        folder, consortium = own_folder(run)
        new = take(folder.root, consortium, taken) if taken else write(folder.root, consortium, folder.kind)
        path = channel_block(folder.root)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = f"{path} {'is written' if new else 'was there, and is the same'}\nSHA-256 {digest}"
    _say({"file": str(path), "sha256": digest, "new": new}, text, as_json)


def verify_genesis(file: File, run: Folder = DEFAULT_RUN, as_json: Json = False) -> None:
    """Check that another organisation's first block is the one that you render; says where it differs."""
    from network.connection import own_folder
    from network.genesis import verify

    with explained(as_json=as_json):
        folder, consortium = own_folder(run)
        verify(folder.root, consortium, folder.kind, file)
    _say({"file": str(file), "same": True}, "it is the block that you render", as_json)


def _say(value: Mapping[str, object], text: str, as_json: bool) -> None:
    if as_json:
        emit_json(value)
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True)
