"""Real Fabric still gives the answers that stand in tests/vectors/fabric, asked of one orderer and one peer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.harness.ledger import fabric_program

RECORDER = Path(__file__).parents[1] / "vectors" / "fabric" / "record.py"
PATIENCE_S = 400


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize("name", ["identities", "signatures", "policies", "updates", "reads"])
def test_fabric_gives_the_answers_that_were_recorded(kind: str, ordering: str, name: str):
    if kind != "fabric" or ordering != "bft":
        pytest.skip("the answers are those of Fabric 3.1.5: --network fabric asks it")
    environment = {**os.environ, "FABRIC_BIN": str(Path(fabric_program("orderer") or "").parent)}
    command = [sys.executable, str(RECORDER), "--check", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
