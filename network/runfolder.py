"""A run folder: a test network's, in which every organisation has a folder of its own, or one organisation's own."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from network import codes, genesis
from network.errors import NetworkError
from network.export import export
from network.files import make_folder, write_atomically
from network.folders import OrganisationFolder, channel_block, definition_path, folder_of
from network.importing import checked, keep
from network.organisation import begin, here
from network.plan import Kind
from network.topology import Consortium, dump_consortium, load_consortium

MINIMUM_FREE_BYTES = 64 << 20


def prepare(run: Path, consortium: Consortium, kind: Kind = "devnet") -> None:
    """Do on one machine what every organisation does on its own; what exists already stays.

    Each begins its folder and hands its export to all others. Then the definition of the test network is written.
    """
    make_folder(run, 0o700)
    _require_space(run)
    folders = [begin(folder_of(run, o.name).root, consortium, o.name, kind) for o in consortium.organisations]
    exchange(folders, consortium)
    write_atomically(definition_path(run), dump_consortium(consortium))


def exchange(folders: Sequence[OrganisationFolder], consortium: Consortium) -> None:
    """Let every organisation here export its public parts, and every one import them, its own too."""
    exports = [checked(consortium, export(each, consortium.organisation(each.name)).dump()) for each in folders]
    for each in folders:
        for found in exports:
            keep(each.root, found, replace=True)


def give_genesis(run: Path, consortium: Consortium, kind: Kind) -> None:
    """Let every organisation here that has none render the channel's first block."""
    lacking = [folder.root for _, folder in here(run, consortium) if not channel_block(folder.root).exists()]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda root: genesis.write(root, consortium, kind), lacking))


def brought_up(run: Path) -> Consortium | None:
    """Return the consortium that a run folder was brought up with, None if it is new."""
    path = definition_path(run)
    return load_consortium(path) if path.exists() else None


def wipe(run: Path) -> None:
    """Remove a run folder with everything in it; FL1033 if it is not one of ours."""
    if not run.exists():
        return
    if not definition_path(run).exists():
        raise NetworkError(codes.NOT_A_RUN_FOLDER, "this is not a run folder, so it is not removed", where=str(run))
    shutil.rmtree(run)


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep other commands off a run folder meanwhile; FL1032 if one is at work there."""
    path = make_folder(run, 0o700) / ".lock"
    try:
        stream = path.open("w")
    except OSError as error:
        raise NetworkError(codes.FILE_UNUSABLE, f"cannot write: {error.strerror}", where=str(path)) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "Wait until it has finished."
            raise NetworkError(
                codes.COMMAND_AT_WORK, "another command is at work on this network", where=str(run), hint=hint
            ) from None
        yield


def _require_space(run: Path) -> None:
    free = shutil.disk_usage(run).free
    if free < MINIMUM_FREE_BYTES:
        message = f"only {free >> 20} MB are free and a network needs {MINIMUM_FREE_BYTES >> 20}"
        raise NetworkError(
            codes.DISK_NEARLY_FULL, message, where=str(run), hint="Free some space; nothing was changed."
        )
