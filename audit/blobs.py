"""One view of the blob folders that several organisations gave, for the rules to read."""

from collections.abc import Iterator, Sequence
from hashlib import file_digest
from pathlib import Path

from audit.fetch import FetchError

PREFIX = 2
DIGEST = 64


def gather(folders: Sequence[Path], into: Path) -> Path | None:
    """Return a folder that holds each blob once, as a link to a whole copy; None where no folder was given.

    Each of `folders` is an organisation's own (its blobs below two hex digits) or one of organisations' folders.
    Raises FetchError (FL5104) where a folder does not exist.
    """
    if not folders:
        return None
    for folder in folders:
        if not folder.is_dir():
            raise FetchError("FL5104", "there is no such folder of blobs", where=str(folder))
    for blob in _blobs(folders):
        link = into / blob.name[:PREFIX] / blob.name
        if not link.is_symlink() and _whole(blob):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob.resolve())
    into.mkdir(parents=True, exist_ok=True)
    return into


def _blobs(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        for pattern in ("??/*", "*/??/*"):
            yield from (path for path in folder.glob(pattern) if len(path.name) == DIGEST)


def _whole(path: Path) -> bool:
    """Whether a blob is what its name says: another organisation may hold a whole copy of an altered one."""
    with path.open("rb") as raw:
        return file_digest(raw, "sha256").hexdigest() == path.name
