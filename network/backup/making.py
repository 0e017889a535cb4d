"""Makes a backup: one sealed file, written whole or not at all, of a folder that did not change meanwhile."""

import contextlib
import hashlib
import os
import secrets
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from network import codes
from network.backup.contents import Seen, contents, require_stopped, share_of
from network.backup.sealing import Lock, SealedWriter
from network.errors import NetworkError
from network.files import put_in_place
from network.folders import OrganisationFolder
from network.topology import Consortium

PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Backup:
    """A backup that was made: how much is in it, and the SHA-256 of the file, hex."""

    organisation: str
    file: Path
    ledger: bool
    files: int
    size: int
    sha256: str


def back_up(
    folder: OrganisationFolder, consortium: Consortium, to: Path, lock: Lock, *, ledger: bool, host: str = ""
) -> Backup:
    """Write an organisation's backup, readable by its owner alone.

    Args:
        folder: The organisation's own.
        consortium: The definition in it.
        to: The file to write; it must not exist, nor lie in the folder.
        lock: Who may open it.
        ledger: Whether the ledgers of its peers and orderers go in; these must be stopped then.
        host: Only what a host of several needs, by its name in the definition: no other process's keys.

    Raises:
        NetworkError: FL1130 if a ledger is in use or changed meanwhile, FL1012 if the file cannot be written; no file
            is left then.
    """
    _require_new(to, folder)
    if ledger:
        require_stopped(folder, consortium)
    kept = share_of(folder, consortium, host) if host else lambda _: True
    files = contents(folder, ledger=ledger, kept=kept)
    about = {
        "organisation": folder.name,
        "network": folder.kind,
        "ledger": ledger,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with _written(to) as stream:
        sealed = SealedWriter(stream, about, lock)
        with tarfile.open(fileobj=sealed, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
            for each in files:
                _add(archive, folder.root, each)
        sealed.finish()
        if contents(folder, ledger=ledger, kept=kept) != files:
            raise _changed(folder.root)
    with to.open("rb") as made:
        digest = hashlib.file_digest(made, "sha256").hexdigest()
    return Backup(folder.name, to, ledger, len(files), to.stat().st_size, digest)


def _add(archive: tarfile.TarFile, root: Path, seen: Seen) -> None:
    entry = tarfile.TarInfo(seen.path)
    entry.size, entry.mtime = seen.size, seen.mtime_ns // 10**9
    try:
        with (root / seen.path).open("rb") as content:
            entry.mode = os.fstat(content.fileno()).st_mode & 0o755
            archive.addfile(entry, content)
    except (FileNotFoundError, tarfile.ReadError) as error:
        raise _changed(root / seen.path) from error
    except OSError as error:
        if error.errno is None:  # the file ended before its size was read
            raise _changed(root / seen.path) from error
        raise


def _require_new(to: Path, folder: OrganisationFolder) -> None:
    if to.resolve().is_relative_to(folder.root.resolve()):
        hint = "Write it to another disk: who loses the folder would lose the backup with it."
        raise NetworkError(
            codes.FILE_UNUSABLE, "a backup does not lie in the folder it is of", where=str(to), hint=hint
        )
    if to.exists():
        hint = "Name a new file; no backup is written over another."
        raise NetworkError(codes.FILE_UNUSABLE, "there is a file of that name", where=str(to), hint=hint)


@contextlib.contextmanager
def _written(to: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content has the name at the end, unless something fails."""
    temporary = to.with_name(f".{to.name}.{secrets.token_hex(6)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            yield stream
        put_in_place(temporary, to)
    except OSError as error:
        message = f"cannot write the backup: {error.strerror or error}"
        where, hint = error.filename or str(to), "Free some space, or name another disk."
        raise NetworkError(codes.FILE_UNUSABLE, message, where=str(where), hint=hint) from None
    finally:
        temporary.unlink(missing_ok=True)


def _changed(where: Path) -> NetworkError:
    hint = "Stop the organisation's processes and commands, and make it again."
    return NetworkError(codes.LEDGER_IN_USE, "the folder changed while it was read", where=str(where), hint=hint)
