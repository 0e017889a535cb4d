"""Writing files so that a crash, a full disk or a second writer never leaves half of one.

Everything that replaces or creates a whole file does it here, but for the gateway client, which stands alone and writes
its checkpoint in the same way by itself.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from network import codes
from network.errors import NetworkError


def replace_file(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Give a name new content; after a crash at any moment it holds the old content or the new, whole.

    Raises:
        OSError: The disk refuses; the name is as it was, or holds the new content.
    """
    temporary = _temporary(path, content, mode)
    try:
        put_in_place(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished file of the same disk its name, replacing what has the name; raises OSError.

    The bytes are synced before the name leads to them, and the folder after it: once this returns, a power cut takes
    nothing back.
    """
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)


def create_file(path: Path, content: bytes | str, mode: int = 0o644, *, synced: bool = True) -> bool:
    """Create a file, whole or not at all, unless the name is taken; return whether it was created. Raises OSError.

    Synced, a name that was there or was created outlives a power cut; what can be made again need not be.
    """
    temporary = _temporary(path, content, mode)
    try:
        if synced:
            _sync(temporary)
        os.link(temporary, path)  # unlike a rename, a link never replaces what another writer put there first
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
        if synced:
            _sync(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder, new and removed, survive a power cut; raises OSError."""
    _sync(folder)


def sync_tree(folder: Path) -> None:
    """Make a folder with everything in it survive a power cut; raises OSError."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def write_atomically(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Do as `replace_file`; FL1012 where the disk refuses."""
    with _explained(path):
        replace_file(path, content, mode)


def write_new(path: Path, content: bytes | str, mode: int = 0o644, *, synced: bool = False) -> bool:
    """Do as `create_file`, not synced unless asked; FL1012 where the disk refuses."""
    with _explained(path):
        return not path.exists() and create_file(path, content, mode, synced=synced)


def make_folder(path: Path, mode: int = 0o755) -> Path:
    """Create a folder and its parents; FL1012 where the disk refuses."""
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    return path


def _temporary(path: Path, content: bytes | str, mode: int) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(data)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _sync(path: Path) -> None:
    """Sync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
