"""Writing files so that a crash, a full disk or a second writer never leaves half of one."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from network import codes
from network.errors import NetworkError


def write_atomically(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Replace a file by new content, synced before it takes the name; FL1012 where the disk refuses."""
    with _explained(path):
        temporary = _temporary(path, content, mode, synced=True)
        temporary.replace(path)


def write_new(path: Path, content: bytes | str, mode: int = 0o644, *, synced: bool = False) -> bool:
    """Create a file unless it exists, whole or not at all; return whether it was created.

    Synced, it also outlives a power failure; what can be made again need not be.
    """
    with _explained(path):
        if path.exists():
            return False
        temporary = _temporary(path, content, mode, synced=synced)
        try:
            os.link(temporary, path)  # unlike a rename, a link never replaces what another writer put there first
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True


def make_folder(path: Path, mode: int = 0o755) -> Path:
    """Create a folder and its parents; FL1012 where the disk refuses."""
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    return path


def _temporary(path: Path, content: bytes | str, mode: int, *, synced: bool) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(data)
            if synced:
                stream.flush()
                os.fsync(stream.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    hints = {
        errno.ENOSPC: "Free some space; nothing that was there is lost.",
        errno.EDQUOT: "Free some space; nothing that was there is lost.",
        errno.EROFS: "Choose a run folder on a writable disk with --run.",
        errno.EACCES: "Choose a run folder you may write to with --run.",
    }
    try:
        yield
    except OSError as error:
        hint = hints.get(error.errno or 0, "")
        raise NetworkError(
            codes.FILE_UNUSABLE, f"cannot write: {error.strerror or error}", where=str(path), hint=hint
        ) from None
