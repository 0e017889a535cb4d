"""The audit of a network, by its own command."""

import json
import subprocess
import sys
from typing import Any

from tests.contract.harness.ledger import Ledger

AUDIT_S = 120


def audit(ledger: Ledger, *arguments: str) -> tuple[int, Any]:
    """Run a command of the audit; its exit code and its answer."""
    command = [sys.executable, "-m", "fl_node", "audit", *arguments, "--run", str(ledger.run), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_S, check=False)
    return done.returncode, json.loads(done.stdout)
