"""One organisation's own folder out of a run folder that holds everybody's, and its units as a host runs them."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from network.units.places import Places


def own_folder(run: Path, organisation: str, into: Path) -> Path:
    """Copy what one organisation would have: everything public, its own keys, its own ledgers and blobs."""
    shutil.copytree(run, into, ignore=shutil.ignore_patterns("pids", "logs", ".lock", "*.sock"))
    for path in (into / "identities").rglob("*.*"):
        other = path.relative_to(into / "identities").parts[0] != organisation
        if other and path.is_file() and (path.suffix == ".key" or path.name == "key.pem"):
            path.unlink()
    for path in [*into.glob("fabric/peer-*"), *into.glob("data/peer-*")]:
        if path.name != f"peer-{organisation}":
            shutil.rmtree(path)  # a peer of Fabric keeps its connection file, which holds a key, beside its ledger
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
