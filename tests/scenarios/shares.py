"""Four nodes with a share of rows each: founded, admitted, given plans to train; what the audit says in the end."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from fl_node.demo.federation import Federation, opened
from fl_node.demo.regulator import audit
from network.connection import consortium_of
from tests.faults.stage import NAMES

ROOT = Path(__file__).resolve().parents[2]
READY_S = 180.0
PATIENT = dict.fromkeys(("keys_ms", "shares_ms", "updates_ms", "unmask_ms", "attest_ms"), 60_000)
"""Phases end when everybody has done his part; only a node that is held still, or a very slow one, is waited for."""


@dataclass
class Stage:
    """The network's folder and the nodes' processes."""

    folder: Path
    nodes: dict[str, subprocess.Popen[bytes]]


@contextlib.contextmanager
def begun(folder: Path, plan: Path, data: Mapping[str, Path], *options: str) -> Iterator[Stage]:
    """Run a node beside each one's rows, on a network that is up; each applies for a plan and is admitted."""
    with contextlib.ExitStack() as stack:
        stage = Stage(folder, {})
        for name, path in data.items():
            command = [sys.executable, "-m", "fl_node", "node", "run", "--org", name, "--run", str(folder)]
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            stage.nodes[name] = subprocess.Popen(
                [*command, "--data", str(path), *options], cwd=ROOT, stdout=log, stderr=log
            )
            stack.callback(stage.nodes[name].wait)
            stack.callback(stage.nodes[name].terminate)
        asyncio.run(_found(folder, plan, data))
        yield stage


async def _found(folder: Path, plan: Path, data: Mapping[str, Path]) -> None:
    """Found the federation and admit everybody while the nodes start."""
    async with opened(folder) as federation:
        await federation.found()
        await federation.apply(plan, dict(data))
        await federation.vet()
    await asyncio.gather(*(until(folder, name, bool) for name in NAMES))


async def until(run: Path, name: str, holds: Callable[[Any], object]) -> None:
    """Wait until what a node says of itself is as wanted."""
    port = (consortium_of(run).organisation(name).blob_port or 0) + 2
    deadline = time.monotonic() + READY_S
    async with aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with session.get(f"http://127.0.0.1:{port}/health") as response:
                    if holds(await response.json()):
                        return
            assert time.monotonic() < deadline, (run / f"{name}.log").read_text()[-2000:]
            await asyncio.sleep(0.1)


async def start(run: Path, federation: Federation, plan: Path, training: str, rounds: int) -> None:
    """Vote for a plan and a training of it, which begins when every node is ready for it."""
    digest = await federation.register(plan)
    await asyncio.gather(*(until(run, one, lambda health: digest in health.get("plans", ())) for one in NAMES))
    await federation.decide("start_training", {"training": training, "plan": digest, "rounds": rounds, "cohort": 4})


async def derived(run: Path, steps: int) -> None:
    """Let the auditor read the blocks: every step is made again and nothing is found."""
    verdict = await audit(run)
    assert verdict["exit"] == 0, verdict
    assert verdict["models"] == {"steps": steps, "derived": steps}
