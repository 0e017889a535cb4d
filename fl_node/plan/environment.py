"""A framework's own environment: its packages apart from the node's, so that none pins another's.

    fedledger plan runtime install jax

makes it from the locked list of packages that lies beside the framework's code: versions and hashes, no addresses.
It lies in a cache folder, `$FEDLEDGER_RUNTIMES`, else `$XDG_CACHE_HOME/fedledger/runtimes`, else
`~/.cache/fedledger/runtimes`, under a name that holds the list's digest: another list is another environment, and old
ones may be removed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from fl_node import codes
from fl_node.plan.errors import plan_error

SHOWN: Final = 500
"""How many characters of an installer's complaint an error shows."""


@dataclass(frozen=True)
class Environment:
    """One framework's environment.

    Attributes:
        word: Its name on the command line.
        distribution: The package whose version a plan names.
        lock: The locked list of packages.
        settings: Environment variables of every process in it.
        fetched: How much its installation fetches, for people.
    """

    word: str
    distribution: str
    lock: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    fetched: str = "some packages"

    @property
    def folder(self) -> Path:
        """Where it lies, installed or not."""
        digest = hashlib.sha256(self.lock.read_bytes()).hexdigest()
        return _home() / f"{self.word}-{digest[:16]}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def installed(self) -> bool:
        """Whether it is here, whole: its folder gets its name last."""
        return self.python.exists()

    @property
    def version(self) -> str:
        """The version of its distribution, as the list says."""
        found = re.search(rf"^{re.escape(self.distribution)}==(\S+)", self.lock.read_text("utf-8"), re.MULTILINE)
        assert found, "the list names its distribution"
        return found[1]

    def require(self) -> None:
        """Checks that it is installed.

        Raises:
            PlanError: FL3047.
        """
        if not self.installed:
            hint = f"Run `fedledger plan runtime install {self.word}` as the user who runs the node."
            raise plan_error(codes.RUNTIME_MISSING, f"nothing is installed in {self.folder}", self.word, hint)

    def install(self) -> Path:
        """Makes the environment, whole or not at all; done at once where it is here already.

        Returns:
            Its folder.

        Raises:
            PlanError: FL3048, with what the installer said.
        """
        if self.installed:
            return self.folder
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(mkdtemp(prefix=f".{self.word}-", dir=self.folder.parent))
        try:
            for command in _commands(scratch, self.lock):
                _run(command, self.folder.parent)
            try:
                scratch.rename(self.folder)
            except OSError:
                if not self.installed:  # somebody else was quicker, otherwise
                    raise
        except OSError as error:
            raise plan_error(codes.RUNTIME_NOT_INSTALLED, str(error), self.word) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return self.folder


def _commands(folder: Path, lock: Path) -> list[tuple[str, ...]]:
    """The commands that make an environment: with uv where the machine has it, else with the pip that Python brings."""
    wanted = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock))
    python = str(folder / "bin" / "python")
    if uv := shutil.which("uv"):
        bare = (sys.executable, "-m", "venv", "--without-pip", str(folder))
        # With bytecode, as pip does: a child that runs a plan may write none.
        return [bare, (uv, "pip", "install", "--quiet", "--compile-bytecode", "--no-deps", "--python", python, *wanted)]
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", *wanted)
    return [(sys.executable, "-m", "venv", str(folder)), pip]


def _run(command: tuple[str, ...], folder: Path) -> None:
    """Runs a command in a folder that is no project: an installer would take that project's own rules over."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-SHOWN:]
        raise plan_error(codes.RUNTIME_NOT_INSTALLED, f"{Path(command[0]).name} failed: {said}")


def _home() -> Path:
    if own := os.environ.get("FEDLEDGER_RUNTIMES"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fedledger" / "runtimes"
