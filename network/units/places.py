"""Where an organisation's folder and the programs lie on the hosts that run its processes."""

import sys
from dataclasses import dataclass
from pathlib import Path

from network.folders import OrganisationFolder

FABRIC_PROGRAMS = ("peer", "orderer")


@dataclass(frozen=True)
class Places:
    """Two folders of a host; they need not be there where units are written.

    Attributes:
        folder: The organisation's own folder.
        programs: `bin/` with Fabric's programs and the chaincode's, `venv/` with this project.
    """

    folder: Path = Path("/var/lib/fedledger")
    programs: Path = Path("/opt/fedledger")

    def organisation(self, name: str) -> OrganisationFolder:
        """Return the organisation's folder with its parts."""
        return OrganisationFolder(self.folder, name)

    @property
    def bin(self) -> Path:
        """Return the folder of compiled programs."""
        return self.programs / "bin"

    @property
    def fedledger(self) -> str:
        """Return the command `fedledger`."""
        return str(self.programs / "venv" / "bin" / "fedledger")

    def program(self, word: str) -> str:
        """Return a word of a command as it is on the host: this machine's interpreter becomes the host's."""
        return str(self.programs / "venv" / "bin" / "python") if word == sys.executable else word
