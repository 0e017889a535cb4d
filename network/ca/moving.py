"""`ca move`: the keys of the built-in authorities go to a folder of their own, such as a medium that is locked away.

A file beside each authority's certificate says where its key is. While that folder is in reach, all commands work as
before. While it is not, what needs a key says so (FL1016) and changes nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from network import codes
from network.ca.builtin import Authority
from network.ca.choice import Choices
from network.ca.keys import load_key
from network.errors import NetworkError
from network.files import make_folder, sync_folder, write_atomically, write_new
from network.folders import OrganisationFolder

PARTS: Final = ("ca", "tlsca")


def move(folder: OrganisationFolder, to: Path) -> tuple[Path, ...]:
    """Move the keys of an organisation's built-in authorities; return where they are now. Interrupted, it goes on.

    Raises:
        NetworkError: FL1015 if no authority is built in or the new place lies in the organisation's folder, FL1016 if a
            key is not here, FL1013 if one is damaged, and FL1012 if a file cannot be written.
    """
    if to.resolve().is_relative_to(folder.root.resolve()):
        hint = "Choose a folder that no backup and no copy of your organisation's folder takes along."
        message = "this lies in the organisation's own folder"
        raise NetworkError(codes.IDENTITY_REFUSED, message, where=str(to), hint=hint)
    every = tuple(_built_in(folder))
    if not every:
        message = f"the authorities of {folder.name} are not built in: their keys are not here"
        raise NetworkError(codes.IDENTITY_REFUSED, message, where=str(folder.secrets))
    for authority in every:
        authority.key()
    return tuple(_move(authority, to / folder.name / authority.folder.name) for authority in every)


def _built_in(folder: OrganisationFolder) -> Iterator[Authority]:
    choices = Choices.read(folder.secrets)
    for part, choice in zip(PARTS, (choices.signing, choices.tls), strict=True):
        if choice.kind == "builtin":
            yield Authority(folder.secrets / part)


def _move(authority: Authority, to: Path) -> Path:
    """Copy a key, read the copy, say where it is, and only then remove the key."""
    source, target = authority.key_path, to / "key.pem"
    if source == target:
        return target
    make_folder(to, 0o700)
    write_new(target, source.read_bytes(), mode=0o600, synced=True)
    write_new(to / "cert.pem", authority.certificate_pem, synced=True)
    if load_key(target).public_key() != authority.certificate.public_key():
        hint = "Choose an empty folder."
        message = "another key lies there, so nothing was moved"
        raise NetworkError(codes.AUTHORITY_ELSEWHERE, message, where=str(target), hint=hint)
    write_atomically(authority.moved, f"{target}\n")
    source.unlink()
    sync_folder(source.parent)
    return target
