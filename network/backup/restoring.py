"""Restores an organisation's folder from its backup: everything, checked to the end, or nothing."""

import contextlib
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any, Final

from network import codes
from network.backup.contents import ALWAYS, LEDGER
from network.backup.sealing import OpenedReader, Unlock
from network.errors import NetworkError
from network.files import make_folder, sync_folder, sync_tree, write_atomically
from network.folders import OWNER, RESTORED, OrganisationFolder

AT_WORK: Final = ".restoring"
"""Holds what is restored until all of it is here; where it lies without org.yaml a restore was interrupted."""
PARTS: Final = (*ALWAYS[1:], LEDGER, OWNER)
"""What a backup may hold."""
PLACED: Final = (*PARTS[:-1], RESTORED, OWNER)
"""The parts in the order in which they get their places: a folder without org.yaml is no organisation's."""
PIECE: Final = 1 << 20


@dataclass(frozen=True)
class Restored:
    """What was restored, and when the backup was made (ISO 8601, UTC)."""

    organisation: str
    folder: Path
    made: str
    ledger: bool
    files: int


def restore(file: Path, root: Path, unlock: Unlock, *, organisation: str = "", sha256: str = "") -> Restored:
    """Restore an organisation's folder and mark it as restored, for its nodes to see.

    Args:
        file: The backup.
        root: The folder; it does not exist, is empty, or was being restored when that was interrupted.
        unlock: What opens the backup.
        organisation: Whose backup it must be; empty for anybody's.
        sha256: The file's SHA-256, hex; empty compares none.

    Raises:
        NetworkError: FL1131 to FL1133 if the file does not hold, FL1134 if it is another organisation's, FL1135 if the
            folder holds something, FL1137 if its SHA-256 is another, FL1012 if it cannot be written. The folder
            is as it was then.
    """
    _require_empty(root)
    with file.open("rb") as stream:
        _require_digest(stream, sha256, file)
        reader = OpenedReader(stream, str(file), unlock)
        about = reader.about
        _require_organisation(about, organisation, file)
        with _placed(root) as parts:
            count = _extract(reader, parts, file)
            _mark(parts, about)
    return Restored(about["organisation"], root, about["made"], about["ledger"], count)


def _require_empty(root: Path) -> None:
    """Check that nothing is lost; what an interrupted restore left is removed."""
    found = {path.name for path in root.iterdir()} - {".lock"} if root.exists() else set()
    if AT_WORK in found and OWNER not in found:
        for name in (AT_WORK, *PLACED):
            _remove(root / name)
        found -= {AT_WORK, *PLACED}
    if found:
        hint = "Name a folder that is empty or does not exist, with --run; or move this one away."
        raise NetworkError(codes.FOLDER_NOT_EMPTY, "this folder holds something", where=str(root), hint=hint)


def _require_digest(stream: BufferedReader, sha256: str, file: Path) -> None:
    found = hashlib.file_digest(stream, "sha256").hexdigest() if sha256 else ""
    if found != sha256.strip().lower():
        message = f"its SHA-256 is {found}, not the one that was given"
        hint = "Do not use this file: take another copy of it, or an earlier backup with the SHA-256 of that."
        raise NetworkError(codes.BACKUP_DIFFERS, message, where=str(file), hint=hint)
    stream.seek(0)


def _require_organisation(about: dict[str, Any], organisation: str, file: Path) -> None:
    if organisation and about["organisation"] != organisation:
        message = f"this is a backup of {about['organisation']}, not of {organisation}"
        raise NetworkError(codes.BACKUP_OF_ANOTHER, message, where=str(file), hint="Name the right file.")


@contextlib.contextmanager
def _placed(root: Path) -> Iterator[Path]:
    """Give a folder for the parts, and put them in their places at the end, unless something fails."""
    parts = make_folder(root, 0o700) / AT_WORK
    try:
        make_folder(parts, 0o700)
        yield parts
        sync_tree(parts)
        for name in (each for each in PLACED if (parts / each).exists()):
            (parts / name).rename(root / name)
        sync_folder(root)
        parts.rmdir()
    except OSError as error:
        message = f"cannot write: {error.strerror or error}"
        hint = "Free some space, or name a folder that you may write to; nothing that was there is lost."
        where = str(error.filename or root)
        raise NetworkError(codes.FILE_UNUSABLE, message, where=where, hint=hint) from None
    finally:
        if parts.exists():
            for name in PLACED:
                _remove(root / name)
            shutil.rmtree(parts)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _extract(reader: OpenedReader, parts: Path, file: Path) -> int:
    """Write the files of a backup and return how many; the archive was read to its end."""
    count = 0
    try:
        with tarfile.open(fileobj=reader, mode="r|") as archive:  # type: ignore[call-overload]
            for entry in archive:
                _write(archive, entry, parts, file)
                count += 1
    except tarfile.TarError as error:
        raise _strange(str(error), file) from None
    reader.require_end()
    return count


def _write(archive: tarfile.TarFile, entry: tarfile.TarInfo, parts: Path, file: Path) -> None:
    path = PurePosixPath(entry.name)
    content = archive.extractfile(entry) if entry.isreg() else None
    if content is None or path.is_absolute() or ".." in path.parts or path.parts[0] not in PARTS:
        raise _strange(f"it holds {entry.name[:80]}", file)
    target = parts / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, entry.mode & 0o755), "wb") as stream:
        shutil.copyfileobj(content, stream, PIECE)


def _strange(message: str, file: Path) -> NetworkError:
    hint = "Name a file that `fedledger org backup` wrote."
    text = f"this backup holds what none holds: {message}"
    return NetworkError(codes.BACKUP_UNREADABLE, text, where=str(file), hint=hint)


def _mark(parts: Path, about: dict[str, Any]) -> None:
    """Say that the folder was restored, and when: its nodes leave every attempt that was opened before."""
    value = {"made": about["made"], "restored": datetime.now(UTC).isoformat(timespec="milliseconds")}
    write_atomically(OrganisationFolder(parts, about["organisation"]).restored, json.dumps(value, indent=1) + "\n")
