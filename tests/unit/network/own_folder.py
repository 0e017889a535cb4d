"""One organisation's own folder out of a test network's, and its units as a host runs them."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from network.folders import folder_of
from network.units.places import Places


def own_folder(run: Path, organisation: str, into: Path) -> Path:
    """Copy an organisation's own folder out of a test network's, as when it moves to a host of its own."""
    shutil.copytree(folder_of(run, organisation).root, into, ignore=shutil.ignore_patterns("*.sock"))
    return into


def programs(places: Places, *compiled: Path) -> None:
    """Put the programs where units look for them: this interpreter's environment, and compiled ones."""
    places.bin.mkdir(parents=True, exist_ok=True)
    (places.programs / "venv").symlink_to(Path(sys.executable).parent.parent)
    for program in compiled:
        (places.bin / program.name).symlink_to(program)


def service(text: str) -> tuple[dict[str, str], list[str]]:
    """Return environment and command of a service unit, read as systemd reads them (systemd.service(5))."""
    lines = [line.partition("=")[::2] for line in text.splitlines() if "=" in line]
    words = {key: [_words(value) for name, value in lines if name == key] for key in ("Environment", "ExecStart")}
    (command,) = words["ExecStart"]
    return dict(word.split("=", 1) for group in words["Environment"] for word in group), command


def _words(line: str) -> list[str]:
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


@contextmanager
def started(unit: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a unit's command with its environment and no other, and end it by SIGTERM as systemd does."""
    environment, command = service(unit.read_text())
    folder = next(line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith("WorkingDir"))
    bare = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8"}
    bare |= {"HOME": "/nonexistent", "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env={**bare, **environment}, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            finally:
                process.kill()
