"""Finds the programs of a Fabric release and checks their version."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from network import codes
from network.checkout import BUILD
from network.errors import NetworkError

PROGRAMS = ("peer", "orderer", "configtxgen")
MINIMUM = (3, 1, 5)  # earlier 3.x had bugs in BFT ordering: a deliverer race, panics on re-commit
INSTALLED = BUILD / "fabric"
VERSION_TIMEOUT_S = 30


@dataclass(frozen=True)
class Binaries:
    """The folder of Fabric's programs, and their version."""

    folder: Path
    version: tuple[int, int, int]

    def path(self, program: str) -> str:
        """Return the path of peer, orderer or configtxgen."""
        return str(self.folder / program)


def find_binaries() -> Binaries:
    """Look in FABRIC_BIN, else on PATH, else where `fedledger network install-fabric` puts them.

    Raises:
        NetworkError: FL1050 if they are nowhere or incomplete, FL1051 if they are not 3.1.5 or a later 3.1.
    """
    folder = _folder()
    missing = [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]
    if missing:
        hint = "Set FABRIC_BIN to the bin folder of a Fabric 3.1 release, or run `fedledger network install-fabric`."
        raise NetworkError(
            codes.FABRIC_NOT_FOUND, f"Fabric's {' and '.join(missing)} cannot be found", where=str(folder), hint=hint
        )
    return Binaries(folder, _version(folder))


def _folder() -> Path:
    chosen = os.environ.get("FABRIC_BIN")
    if chosen:
        return Path(chosen)
    on_path = shutil.which("peer")
    return Path(on_path).parent if on_path else INSTALLED / "bin"


def _version(folder: Path) -> tuple[int, int, int]:
    try:
        command = [str(folder / "peer"), "version"]
        output = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, timeout=VERSION_TIMEOUT_S
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NetworkError(codes.FABRIC_VERSION, f"`peer version` fails: {error}", where=str(folder)) from None
    found = re.search(r"Version:\s*v?(\d+)\.(\d+)\.(\d+)", output)
    version = tuple(map(int, found.groups())) if found else (0, 0, 0)
    if version[:2] != MINIMUM[:2] or version < MINIMUM:
        shown = ".".join(map(str, version)) if found else "of an unknown version"
        hint = "Set FABRIC_BIN to version 3.1.5 or a later 3.1, or run `fedledger network install-fabric`."
        raise NetworkError(
            codes.FABRIC_VERSION, f"this Fabric is {shown}, which is not supported", where=str(folder), hint=hint
        )
    return version  # type: ignore[return-value]
