"""Peer, chaincode process and orderer killed in each phase: every round ends, none is stuck, the next one works."""

import asyncio
import time
from pathlib import Path

import pytest

from fl_node.demo.federation import opened
from network.bringup import start_one, stop_one
from tests.faults.conftest import TIMES
from tests.faults.stage import NAMES, Nodes, ended, start, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PHASES = ("Keys", "Shares", "Updates", "Unmask", "Attest")
DOWN_S = 1.0
SLACK_S = 40.0
"""For a process that starts again, and for the next in the elected order."""
LONGEST_S = sum(TIMES[f"{phase.lower()}_ms"] for phase in PHASES) / 1000 + SLACK_S


@pytest.mark.parametrize("process", ["peer-hospital-d", "chaincode-hospital-d", "orderer1"])
async def test_a_process_killed_in_every_phase_leaves_no_round_stuck(run: Path, nodes: Nodes, process: str):
    await nodes.ready()
    training = f"killed-{process}"
    async with opened(run) as federation:
        await start(federation, training, len(PHASES) + 1)
        for number, phase in enumerate(PHASES, 1):
            await until(
                federation.first,
                training,
                lambda view, n=number, p=phase: view.round > n or (view.round == n and view.phase == p),
            )
            began = time.monotonic()
            await asyncio.to_thread(stop_one, run, process, kill=True)
            await asyncio.sleep(DOWN_S)
            await asyncio.to_thread(start_one, run, process)
            attempt = 1
            while (view := await ended(federation.first, training, number, attempt)).phase == "Void":
                assert view.revealed == () or view.void_reason, "a round that revealed says why it is void"
                attempt += 1
            assert time.monotonic() - began < attempt * LONGEST_S
            assert (view.phase, len(view.survivors) >= 3) == ("Final", True)
        last = await ended(federation.first, training, len(PHASES) + 1)
    assert last.phase == "Final"
    assert all(process.poll() is None for process in nodes.processes.values()), "no node ended"
    await nodes.ready(*NAMES)
