"""Which files of a blob store have been read and had their digest, so that large ones are not read again and again."""

import hashlib
from pathlib import Path


class Checked:
    """What one process has read; a file that has changed since, by its time or length, counts as unread.

    Who uses a blob's bytes hashes them once more.
    """

    def __init__(self) -> None:
        self._versions: dict[Path, tuple[int, ...]] = {}

    def sound(self, path: Path, digest: str) -> bool:
        """Tell whether a file's bytes have a digest; FileNotFoundError where there is none."""
        version = _version(path)
        if self._versions.get(path) == version:
            return True
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                return False
        self._versions[path] = version
        return True

    def note(self, path: Path) -> None:
        """Take note that a file has just been read and had its digest."""
        self._versions[path] = _version(path)

    def forget(self, path: Path) -> None:
        """Forget a file that is gone."""
        self._versions.pop(path, None)


def _version(path: Path) -> tuple[int, ...]:
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns
