"""A network with synthetic nodes as processes of their own, to be killed; four of them unless a test brings more."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import aiohttp

from fl_node.commands.blobs import place
from fl_node.commands.watching import Progress, changes
from fl_node.demo.federation import Federation, opened
from fl_node.ledger.client import Ledger, LedgerError, public_key_hash
from fl_node.ledger.records import OVER, Round
from network.connection import consortium_of, profile
from network.contract_codes import ALREADY_SETTLED, UNKNOWN_TRAINING
from network.folders import folder_of
from tests.faults import synthetic
from tests.waiting import PATIENCE_S

NAMES = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")
ROOT = Path(__file__).resolve().parents[2]
READY_S = 180.0
ROUND_S = 180.0


@dataclass
class Nodes:
    """The node processes of a run folder."""

    run: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    checkouts: Mapping[str, Path] = field(default_factory=dict)
    module: str = "tests.faults.synthetic"

    def data(self, name: str) -> Path:
        return self.run / f"{name}.csv"

    def start(self, name: str, run: Path | None = None, rows: Sequence[object] = (), **environment: str) -> None:
        """Start a node, from the checkout that `checkouts` names for it; the environment tells what it does wrong."""
        rows = rows or [NAMES.index(name) + 1] * synthetic.ROWS
        self.data(name).write_text("\n".join(["number", *map(str, rows)]) + "\n")
        command = [sys.executable, "-m", self.module, str(run or self.run), name, str(self.data(name))]
        with (self.run / f"{name}.log").open("ab") as log:
            where = self.checkouts.get(name, ROOT)
            environment = {**os.environ, "PYTHONPATH": str(where), **environment}
            self.processes[name] = subprocess.Popen(command, cwd=where, stdout=log, stderr=log, env=environment)

    async def ready(self, *names: str) -> None:
        consortium = consortium_of(self.run)
        async with aiohttp.ClientSession() as session:
            for name in names or NAMES:
                port = (consortium.organisation(name).blob_port or 0) + 2
                deadline = time.monotonic() + READY_S
                while not await _healthy(session, port):
                    assert self.processes[name].poll() is None, self.log(name)[-2000:]
                    assert time.monotonic() < deadline, f"{name} is not ready"
                    await asyncio.sleep(0.1)

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self, name: str) -> int:
        self.processes[name].send_signal(signal.SIGTERM)
        return self.processes[name].wait(timeout=PATIENCE_S)

    def journal(self, name: str) -> Path:
        return folder_of(self.run, name).node(name) / "journal"

    def back_up(self, name: str, into: Path) -> None:
        shutil.copytree(self.journal(name), into)

    def restore(self, name: str, backup: Path) -> None:
        shutil.rmtree(self.journal(name))
        shutil.copytree(backup, self.journal(name))

    def log(self, name: str) -> str:
        return (self.run / f"{name}.log").read_text()

    def logged(self, name: str, event: str) -> list[dict[str, object]]:
        lines = (json.loads(line) for line in self.log(name).splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@contextlib.contextmanager
def founded(run: Path, checkouts: Mapping[str, Path] = MappingProxyType({})) -> Iterator[Nodes]:
    """Run four nodes that have founded the federation of a network, each with a participant that is admitted.

    Those whom `checkouts` names run from there.
    """
    nodes = Nodes(run, checkouts=checkouts)

    async def begin() -> None:
        await nodes.ready()
        async with opened(run) as federation:
            await found(federation)

    try:
        for name in NAMES:
            nodes.start(name)
        asyncio.run(begin())
        yield nodes
    finally:
        nodes.close()


async def found(federation: Federation) -> None:
    """Found the federation and admit every member's node."""
    await federation.found()
    for name, ledger in federation.admins.items():
        await ledger.submit(
            "Apply",
            participant=name,
            key_hash=public_key_hash(profile(federation.run, name, "node").cert_pem),
            profile={"rows": synthetic.ROWS, "missing_ppm": 0, "labels": [5, 5], "schema": synthetic.SCHEMA},
            evidence=[],
            stake=2_000_000,
        )
    await federation.vet()


async def start(
    federation: Federation, training: str, rounds: int = 2, cohort: int = 4, holders: int | None = None
) -> None:
    """Register a plan of the training's own and start the training; at least so many hold its files from the start."""
    body = synthetic.registration(training)
    first = next(iter(federation.admins))
    await place(federation.run, first, synthetic.plan_of(training), "admin", holders)
    await place(federation.run, first, synthetic.initial_of(training), "admin", holders)
    await federation.decide("register_plan", body)
    terms = {"training": training, "plan": body["plan"], "rounds": rounds, "cohort": cohort}
    await federation.decide("start_training", terms)


async def newest(ledger: Ledger, training: str) -> Round | None:
    """Return the newest attempt; None where none was opened, or this peer has not yet seen that the training began."""
    try:
        return await ledger.round(training)
    except LedgerError as error:
        if error.code == UNKNOWN_TRAINING:
            return None
        raise


async def attempts(ledger: Ledger, training: str) -> AsyncIterator[Progress]:
    """Yield the newest attempt at every change, for as long as the caller listens."""
    progress: Progress | None = None
    async for _ in changes(ledger):
        view = await newest(ledger, training)
        if view is None or (progress and view == progress.view):
            continue
        if progress is None or progress.view.name != view.name:
            progress = Progress(view)
        progress.see(view)
        yield progress


async def until(ledger: Ledger, training: str, holds: Callable[[Round], bool]) -> Progress:
    """Wait until the newest attempt is as wanted."""
    async with asyncio.timeout(ROUND_S), contextlib.aclosing(attempts(ledger, training)) as seen:
        async for progress in seen:
            if holds(progress.view):
                return progress
    raise AssertionError("the watch ended")


async def ended(ledger: Ledger, training: str, number: int, attempt: int = 1) -> Round:
    """Wait until an attempt is over and return it as it ended."""
    async with asyncio.timeout(ROUND_S):
        async for _ in changes(ledger):
            last = await newest(ledger, training)
            if last is None or (last.round, last.attempt) < (number, attempt):
                continue
            view = await ledger.round(training, number, attempt)
            if view is not None and view.phase in OVER:
                return view
    raise AssertionError("the watch ended")


async def last_attempt(ledger: Ledger, training: str, number: int) -> Round:
    """Wait for the end of a round, whichever of its attempts it is: on a slow machine one may end void."""
    attempt = 1
    while (view := await ended(ledger, training, number, attempt)).phase == "Void":
        attempt += 1
    return view


async def stakes(ledger: Ledger) -> dict[str, int]:
    """Return what every participant has staked."""
    return {record["participant"]: record["stake"] for record in await ledger.everything("ListParticipants")}


async def settled(ledger: Ledger, training: str, number: int) -> None:
    """Settle rounds up to a number where no node has yet: slashes are taken then."""
    for each in range(1, number + 1):
        try:
            await ledger.submit("Settle", training=training, round=each)
        except LedgerError as error:
            if error.code != ALREADY_SETTLED:
                raise


async def _healthy(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/health") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
