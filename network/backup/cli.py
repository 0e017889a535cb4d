"""The commands `fedledger org backup` and `fedledger org restore`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, explained, out

Folder = Annotated[
    Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="Your organisation's folder.", resolve_path=True)
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="A file with the passphrase; asked for if not given.", exists=True),
]


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, on another disk.")],
    to: Annotated[
        Path | None, typer.Option("--to", help="Seal it to this X25519 public key (PEM).", exists=True)
    ] = None,
    passphrase_file: PassphraseFile = None,
    without_ledger: Annotated[
        bool, typer.Option("--without-ledger", help="Leave ledgers out: nothing need be stopped for it.")
    ] = False,
    host: Annotated[str, typer.Option(help="Only what this host of yours needs, for a peer there; no ledger.")] = "",
    run: Folder = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Write keys, configuration and ledgers into one sealed file; never blobs nor what nodes did in open rounds."""
    from network.backup.making import back_up
    from network.backup.sealing import Passphrase, Recipient
    from network.connection import own_folder
    from network.runfolder import locked

    with explained(as_json=as_json):
        folder, consortium = own_folder(run)
        lock = Recipient.read(to) if to else Passphrase(_passphrase(passphrase_file, confirm=True))
        with locked(run):
            made = back_up(folder, consortium, file, lock, ledger=not (without_ledger or host), host=host)
    held = "keys, configuration and ledgers" if made.ledger else "keys and configuration, no ledger"
    text = f"{made.file}: {held} of {made.organisation}, {made.size} bytes\nSHA-256 {made.sha256}"
    _say(asdict(made) | {"file": str(made.file)}, text, as_json)


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.", exists=True, dir_okay=False)],
    key: Annotated[Path | None, typer.Option(help="The X25519 private key (PEM) that opens it.", exists=True)] = None,
    passphrase_file: PassphraseFile = None,
    org: Annotated[str, typer.Option(help="Refuse it unless it is this organisation's.")] = "",
    sha256: Annotated[str, typer.Option("--sha256", help="What `org backup` printed; with --key it is needed.")] = "",
    run: Folder = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Restore your organisation's folder from a backup, where there is none or an empty one."""
    from network import codes
    from network.backup.restoring import restore as bring_back
    from network.backup.sealing import Holder, Passphrase
    from network.errors import NetworkError

    with explained(as_json=as_json):
        if key and not sha256:
            message = "whoever has the public key can write such a backup: its SHA-256 shows whether this is yours"
            hint = codes.CATALOGUE[codes.BACKUP_DIFFERS].hint
            raise NetworkError(codes.BACKUP_DIFFERS, message, where=str(file), hint=hint)
        unlock = Holder.read(key) if key else Passphrase(_passphrase(passphrase_file, confirm=False))
        done = bring_back(file, run, unlock, organisation=org, sha256=sha256)
    then = "`fedledger org join` starts its processes; its node joins the next round"
    text = f"{done.organisation} is in {done.folder} as it was at {done.made}; {then}"
    _say(asdict(done) | {"folder": str(done.folder)}, text, as_json)


def _passphrase(path: Path | None, *, confirm: bool) -> str:
    """Return the passphrase: the first line of a file, or what is typed."""
    if path:
        return (path.read_text().splitlines() or [""])[0]
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


def _say(value: Mapping[str, object], text: str, as_json: bool) -> None:
    if as_json:
        emit_json(value)
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True)
