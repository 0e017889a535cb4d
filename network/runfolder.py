"""The run folder: where one network keeps its definition, identities, ledgers, logs and pids."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from network import codes, identities
from network.errors import NetworkError
from network.files import make_folder, write_atomically
from network.folders import definition_path, folder_of
from network.topology import Consortium, dump_consortium, load_consortium

MINIMUM_FREE_BYTES = 64 << 20


def prepare(run: Path, consortium: Consortium) -> None:
    """Write everything that the processes of a network read; what exists already stays."""
    make_folder(run, 0o700)
    _require_space(run)
    identities.create(consortium, run)
    for member in consortium.members:
        folder = folder_of(run, member.name)
        make_folder(folder.blobs)
        write_atomically(folder.terms, _federation(consortium))
    write_atomically(definition_path(run), dump_consortium(consortium))


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


def _federation(consortium: Consortium) -> str:
    value = {
        "channel": consortium.channel,
        "members": sorted(member.msp_id for member in consortium.members),
        "regulators": sorted(regulator.msp_id for regulator in consortium.regulators),
        "parameters": dict(consortium.federation.parameters),
    }
    return json.dumps(value, sort_keys=True, indent=1) + "\n"
