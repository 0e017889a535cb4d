"""Finds the programs of a Fabric release and checks their version."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from network import codes
from network.checkout import BUILD
from network.errors import NetworkError

if TYPE_CHECKING:
    from network.topology import Ordering

PROGRAMS = ("peer", "orderer", "configtxgen")
Version = tuple[int, int, int]
# The first good release of each line. Earlier 3.1 had bugs in BFT ordering: a deliverer race, panics on re-commit.
BFT_LINES: tuple[Version, ...] = ((3, 1, 5),)
RAFT_LINES: tuple[Version, ...] = ((3, 1, 5), (2, 5, 12))
INSTALLED = BUILD / "fabric"
VERSION_TIMEOUT_S = 30
UNKNOWN: Version = (0, 0, 0)


@dataclass(frozen=True)
class Binaries:
    """The folder of Fabric's programs, and their version."""

    folder: Path
    version: Version

    def path(self, program: str) -> str:
        """Return the path of peer, orderer or configtxgen."""
        return str(self.folder / program)


def find_binaries(ordering: "Ordering") -> Binaries:
    """Look in FABRIC_BIN, else on PATH, else where `fedledger network install-fabric` puts them.

    Raises:
        NetworkError: FL1050 if they are nowhere or incomplete, FL1051 if they are of a release that does not order so:
            3.1.5 or a later 3.1, and for Raft 2.5.12 or a later 2.5 too.
    """
    folder = _folder()
    missing = [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]
    if missing:
        hint = "Set FABRIC_BIN to the bin folder of a Fabric 3.1 release, or run `fedledger network install-fabric`."
        raise NetworkError(
            codes.FABRIC_NOT_FOUND, f"Fabric's {' and '.join(missing)} cannot be found", where=str(folder), hint=hint
        )
    version = _version(folder)
    _require_line(version, ordering, folder)
    return Binaries(folder, version)


def _folder() -> Path:
    chosen = os.environ.get("FABRIC_BIN")
    if chosen:
        return Path(chosen)
    on_path = shutil.which("peer")
    return Path(on_path).parent if on_path else INSTALLED / "bin"


def _version(folder: Path) -> Version:
    try:
        command = [str(folder / "peer"), "version"]
        output = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True, timeout=VERSION_TIMEOUT_S
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NetworkError(codes.FABRIC_VERSION, f"`peer version` fails: {error}", where=str(folder)) from None
    found = re.search(r"Version:\s*v?(\d+)\.(\d+)\.(\d+)", output)
    return (int(found[1]), int(found[2]), int(found[3])) if found else UNKNOWN


def _require_line(version: Version, ordering: "Ordering", folder: Path) -> None:
    lines = RAFT_LINES if ordering == "raft" else BFT_LINES
    if any(version[:2] == line[:2] and version >= line for line in lines):
        return
    shown = ".".join(map(str, version)) if version != UNKNOWN else "of an unknown version"
    if any(version[:2] == line[:2] and version >= line for line in RAFT_LINES):
        why, hint = "which orders by Raft alone", "Write `ordering: raft` in the definition, or set"
    else:
        why, hint = "which is not supported", "Set"
    wanted = " or ".join(f"{'.'.join(map(str, line))} or a later {line[0]}.{line[1]}" for line in lines)
    hint += f" FABRIC_BIN to version {wanted}, or run `fedledger network install-fabric`."
    raise NetworkError(codes.FABRIC_VERSION, f"this Fabric is {shown}, {why}", where=str(folder), hint=hint)
