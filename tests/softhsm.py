"""Tokens of SoftHSM, made once in a process: its library reads where they lie when it is loaded."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
LIBRARY = os.environ.get("SOFTHSM2_LIB") or next((path for path in LIBRARIES if Path(path).exists()), "")
TOOL = shutil.which("softhsm2-util")
PIN = "7421-pin"


@dataclass(frozen=True)
class Tokens:
    """Tokens with one PIN, of which nobody ever logs into `closed`; `gateway` is of the client's own tests."""

    library: str
    pin_file: Path
    labels: tuple[str, ...] = ("fedledger", "other", "closed", "gateway")


def present() -> bool:
    """Say whether there is SoftHSM, and the package that reaches it."""
    return bool(LIBRARY and TOOL and importlib.util.find_spec("pkcs11"))


def tokens() -> Tokens:
    """Return the tokens; skips the test where there is no SoftHSM."""
    if not present():
        pytest.skip("no SoftHSM or no python-pkcs11: `apt install softhsm2`")
    return _made()


@cache
def _made() -> Tokens:
    folder = Path(tempfile.mkdtemp(prefix="fedledger-softhsm-"))
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    for label in Tokens.labels:
        command = [str(TOOL), "--init-token", "--free", "--label", label, "--so-pin", "0000-so", "--pin", PIN]
        subprocess.run(command, check=True, capture_output=True)
    (folder / "pin").write_text(PIN + "\n")
    return Tokens(LIBRARY, folder / "pin")
