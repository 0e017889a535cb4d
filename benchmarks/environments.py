"""Environments of their own for what is measured beside this project: made once, below `.build/benchmarks`."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / ".build" / "benchmarks"


class AbsentError(Exception):
    """What is measured beside this project cannot be had here; the text says why."""


def python_of(name: str, *requirements: str) -> Path:
    """Return the Python of an environment with these packages; AbsentError where they cannot be installed."""
    folder = FOLDER / name
    python, done = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join(requirements)
    if done.exists() and done.read_text() == wanted:
        return python
    venv.create(folder, with_pip=shutil.which("uv") is None, clear=True)
    uv = shutil.which("uv")
    install = (
        [uv, "pip", "install", "-q", "--compile-bytecode", "-p", str(python)]
        if uv
        else [str(python), "-m", "pip", "install", "-q"]
    )
    made = subprocess.run([*install, *requirements], capture_output=True, text=True, check=False)
    if made.returncode:
        raise AbsentError(f"{' '.join(requirements)}: {made.stderr.strip()[-300:]}")
    done.write_text(wanted)
    return python


def note(text: str) -> None:
    """Say what is under way, beside the figures."""
    sys.stderr.write(text + "\n")
