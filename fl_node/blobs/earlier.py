"""Opens a store's index, and takes over what an earlier version kept in a small file each."""

import json
import shutil
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.blobs.first_digest import TELL, TEXT
from fl_node.blobs.index import Index
from fl_node.blobs.metadata import DIGEST, VALUES, About
from fl_node.errors import NodeError

INDEX: Final = ".index"
ABOUTS: Final = ".about"
BINDINGS: Final = ".bound"


def opened(folder: Path) -> Index:
    """Return the index of a store; FL4007 where the disk refuses."""
    index = Index(folder / INDEX)
    try:
        _take_over(folder, index)
    except OSError as error:
        raise NodeError(codes.DISK_REFUSES, f"cannot read: {error.strerror}", where=str(folder)) from None
    return index


def _take_over(folder: Path, index: Index) -> None:
    """Move everything into the index; until it is there, synced, the files stay."""
    abouts, bindings = folder / ABOUTS, folder / BINDINGS
    if not (abouts.is_dir() or bindings.is_dir()):
        return
    with index.changing(synced=True) as database:
        for path in abouts.glob("*"):
            if DIGEST.fullmatch(path.name) and (about := _about(path)):
                values = (path.name, about.organisation, about.expires_ms, about.note)
                database.execute(f"insert or ignore {VALUES}", values)
        for path in sorted(bindings.glob("*/*"), key=lambda path: path.stat().st_mtime):
            text = path.read_text()
            if TEXT.fullmatch(text):
                database.execute(TELL, (path.parent.name, text.split(" ", maxsplit=1)[0], text))
    for taken in (abouts, bindings):
        shutil.rmtree(taken, ignore_errors=True)


def _about(path: Path) -> About | None:
    try:
        return About(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        return None
