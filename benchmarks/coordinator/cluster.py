"""A PostgreSQL server of Debian's package with its own defaults, in a scratch folder, on a socket there."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.environments import AbsentError

PLACES: Final = ("/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin")
USER: Final = "postgres"
"""Who runs the server where we are root, which it refuses to be."""


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Run a server and give the address of its database; AbsentError where there is none to run."""
    programs = next((place for place in PLACES if Path(place, "initdb").exists()), None)
    if programs is None:
        raise AbsentError("PostgreSQL: apt install postgresql")
    root = os.geteuid() == 0
    user = USER if root else pwd.getpwuid(os.geteuid()).pw_name
    prefix = ["runuser", "-u", USER, "--"] if root else []
    folder.mkdir()
    if root:
        shutil.chown(folder, USER)
        for parent in (folder, *folder.parents[: len(folder.parents) - 2]):
            parent.chmod(parent.stat().st_mode | 0o011)  # so that its own user gets there
    _run([*prefix, f"{programs}/initdb", "-A", "trust", "-D", str(folder / "data")])
    options = f"-k {folder} -c listen_addresses="
    control = [*prefix, f"{programs}/pg_ctl", "-D", str(folder / "data"), "-w"]
    _run([*control, "-o", options, "-l", str(folder / "log"), "start"])
    try:
        yield f"host={folder} dbname=postgres user={user}"
    finally:
        _run([*control, "-m", "fast", "stop"])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise AbsentError(f"{command[-1]}: {done.stderr.strip()[-300:]}")
