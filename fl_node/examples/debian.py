"""One file of a Debian package: the installed one, else one fetched as an ordinary user. Nothing is installed."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from fl_node import codes
from fl_node.plan.errors import PlanError, plan_error


def debian_file(package: str, path: str, kept: Path) -> Path:
    """Returns where a package's file lies.

    Args:
        package: The package.
        path: The file in it, without the first slash.
        kept: Where a fetched one is kept.

    Raises:
        PlanError: FL3048 where it is neither here nor can be fetched.
    """
    installed = Path("/") / path
    if installed.is_file():
        return installed
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".debian-", dir=kept.parent) as scratch:
            _fetch(package, Path(scratch), kept)
            (Path(scratch) / "content" / path).replace(kept)
    return kept


def _fetch(package: str, scratch: Path, kept: Path) -> None:
    """Fetches and unpacks a package, by the machine's lists of packages, or by new ones where those do not have it."""
    own = [f"{key}={scratch / folder}" for key, folder in (("Dir::State::Lists", "lists"), ("Dir::Cache", "cache"))]
    options = [word for setting in own for word in ("-o", setting)]
    for folder in ("lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    try:
        try:
            _run(["apt-get", "download", package], scratch)
        except PlanError:
            _run(["apt-get", *options, "update"], scratch)
            _run(["apt-get", *options, "download", package], scratch)
        (found,) = scratch.glob("*.deb")
        _run(["dpkg-deb", "-x", str(found), "content"], scratch)
    except (PlanError, OSError) as error:
        said = error.message if isinstance(error, PlanError) else str(error)
        hint = f"Install {package}, or put the file that it ships at {kept}."
        raise plan_error(codes.RUNTIME_NOT_INSTALLED, said, package, hint) from error


def _run(command: list[str], folder: Path) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise plan_error(codes.RUNTIME_NOT_INSTALLED, f"there is no {command[0]}")
    done = subprocess.run(  # noqa: S603 - our own commands
        [program, *command[1:]], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        raise plan_error(codes.RUNTIME_NOT_INSTALLED, f"{command[0]} failed: {said}")
