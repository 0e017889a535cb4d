"""What lies beside the code in a checkout of the repository, and where it goes when fedledger is an installed package.

A wheel holds no Go sources: commands that build the chaincode need a checkout, beside the code or named by an
environment variable.
"""

import os
from pathlib import Path
from typing import Final

from network import codes
from network.errors import NetworkError

VARIABLE: Final = "FEDLEDGER_CHECKOUT"


def _checkout() -> Path | None:
    """Return the checkout that the variable names, else the one that this file lies in, else None."""
    named = os.environ.get(VARIABLE)
    root = Path(named).absolute() if named else Path(__file__).resolve().parent.parent
    return root if (root / "chaincode" / "go.mod").exists() else None


CHECKOUT: Final = _checkout()
BUILD: Final = (
    CHECKOUT / ".build" if CHECKOUT else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fedledger"
)
"""What is built or fetched once and used by every run folder."""
DEFAULT_RUN: Final = (CHECKOUT or Path.cwd()) / ".fedledger"


def shim_sources() -> Path:
    """Return the folder of the Go module that holds the shim: the checkout's chaincode, else what the wheel brings."""
    return CHECKOUT / "chaincode" if CHECKOUT else Path(__file__).with_name("shim")


def chaincode_sources() -> Path:
    """Return the folder of the Go sources.

    Raises:
        NetworkError: FL1042, this is an installed package and no checkout is named.
    """
    if CHECKOUT is None:
        hint = f"Clone the repository and name its folder: {VARIABLE}=FOLDER."
        raise NetworkError(codes.NO_CHECKOUT, "the chaincode's sources are not part of an installed package", hint=hint)
    return CHECKOUT / "chaincode"
