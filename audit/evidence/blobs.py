"""One view of the blob folders that several organisations gave, for the rules to read."""

import re
from collections.abc import Iterator, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import TypeGuard

from audit import codes
from audit.evidence.fetch import FetchError

PREFIX = 2
DIGEST = re.compile(r"[0-9a-f]{64}")


def gather(folders: Sequence[Path], into: Path) -> Path | None:
    """Return a folder that holds each blob once, as a link to a whole copy; None where no folder was given.

    Each of `folders` is an organisation's own (its blobs below two hex digits), one of these, or one of organisations'
    folders that each hold theirs in `blobs`.
    Raises FetchError (FL5104) where a folder does not exist.
    """
    if not folders:
        return None
    for folder in folders:
        if not folder.is_dir():
            raise FetchError(codes.NO_BLOB_FOLDER, "there is no such folder of blobs", where=str(folder))
    for blob in _blobs(folders):
        link = into / blob.name[:PREFIX] / blob.name
        if not link.is_symlink() and _whole(blob):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob.resolve())
    into.mkdir(parents=True, exist_ok=True)
    return into


def is_digest(name: object) -> TypeGuard[str]:
    """Whether something is a blob's name and nothing else, such as a path that leads elsewhere."""
    return isinstance(name, str) and DIGEST.fullmatch(name) is not None


def _blobs(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the blobs' files; what is no plain file could keep its reader waiting for ever."""
    for folder in folders:
        for pattern in ("??/*", "*/??/*", "*/blobs/??/*"):
            yield from (path for path in folder.glob(pattern) if is_digest(path.name) and path.is_file())


def _whole(path: Path) -> bool:
    """Whether a blob can be read and is what its name says: another folder may hold a whole copy of an altered one."""
    try:
        with path.open("rb") as raw:
            return file_digest(raw, "sha256").hexdigest() == path.name
    except OSError:
        return False
