"""Every command of the README does what the README says."""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"scripts/test": "this test is part of it", "scripts/run": "see test_demo.py"}


def blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_each_block_is_executed_here_or_by_another_test():
    assert [block.strip() for block in blocks() if block.strip() in ELSEWHERE] == ["scripts/run", "scripts/test"]
    assert len(blocks()) > len(ELSEWHERE)


@pytest.mark.slow
@pytest.mark.tff
@pytest.mark.timeout(900)
def test_the_way_by_hand_leads_to_an_audited_model(tmp_path: Path):
    """All blocks in order, as one script, in a folder that looks like a clone's."""
    for name in ("scripts", "fl_node", "network", "chaincode"):
        (tmp_path / name).symlink_to(ROOT / name)
    script = "\n".join(block for block in blocks() if block.strip() not in ELSEWHERE)
    script = script.replace("scripts/up\n", f"fedledger network up --base-port {free_ports()}\n")
    script = script.replace("scripts/down\n", "fedledger network down\n").replace(".fedledger/", "$FEDLEDGER_RUN/")
    environment = {
        **os.environ,
        "FEDLEDGER_RUN": str(tmp_path / "run"),
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
    }
    log = tmp_path / "output.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, start_new_session=True,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            process.wait(timeout=850)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # what an unfinished script left in the background
            subprocess.run([ROOT / ".venv/bin/fedledger", "network", "down"], env=environment, check=False)
    assert process.returncode == 0, log.read_text()[-4000:]
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"weights.npz", "lineage.json", "model.keras"}
