"""`train watch` and `node status --watch` in a real terminal, while a round waits, goes on and ends."""

import asyncio
import json
import os
import pty
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from fl_node.metrics import Health, Metrics
from fl_node.node.observe import serve
from tests.ports import free_ports
from tests.scenarios.federation import Federation
from tests.scenarios.rounds import Attempt
from tests.waiting import PATIENCE_S

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What moves the cursor or changes colours."""
COLUMNS = "180"


@dataclass
class Screen:
    """A command in a terminal of its own, and all that it has drawn."""

    process: Process
    drawn: str = ""
    _read: list[bytes] = field(default_factory=list)

    def take(self, raw: bytes) -> None:
        """Take in what the command writes."""
        self._read.append(raw)
        self.drawn = ESCAPES.sub("", b"".join(self._read).decode(errors="replace"))

    async def shows(self, *texts: str) -> None:
        """Wait until all texts were drawn; then begin to look anew."""

        async def until() -> None:
            while not all(text in self.drawn for text in texts):
                assert self.process.returncode in (None, 0), self.drawn
                await asyncio.sleep(0.1)

        try:
            await asyncio.wait_for(until(), PATIENCE_S)
        except TimeoutError:
            raise AssertionError(f"{texts} is nowhere in: {self.drawn[-3000:]}") from None
        self._read.clear()
        self.drawn = ""


IN_FRONT = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "fl_node", *sys.argv[1:]])
"""
"""Lets Ctrl-C end fedledger: what a shell runs in the background, as tests may be, is born deaf to it."""


@asynccontextmanager
async def terminal(*line: str) -> AsyncIterator[Screen]:
    """Run a command of fedledger in a terminal of 180 columns; end it as Ctrl-C does."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": COLUMNS, "LINES": "60", "TERM": "xterm", "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        IN_FRONT,
        *line,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=variables,
    )
    os.close(theirs)
    screen, loop = Screen(process), asyncio.get_running_loop()

    def readable() -> None:
        try:
            screen.take(os.read(ours, 65536))
        except OSError:  # the command has ended
            loop.remove_reader(ours)

    loop.add_reader(ours, readable)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), PATIENCE_S)
        loop.remove_reader(ours)
        os.close(ours)


@asynccontextmanager
async def lines(*line: str) -> AsyncIterator[Callable[[], Any]]:
    """Run a command that writes a line of JSON for each change; yield what reads the next one."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", IN_FRONT, *line, "--json", stdout=PIPE)
    assert process.stdout
    stream = process.stdout

    async def following() -> dict[str, Any]:
        return dict(json.loads(await asyncio.wait_for(stream.readline(), PATIENCE_S)))

    try:
        yield following
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), PATIENCE_S)


@asynccontextmanager
async def observed(health: Health) -> AsyncIterator[str]:
    """Serve the health of a node whose ledger answers all the time; yield the port."""

    async def answers() -> None:
        while True:
            health.ledger_answered()
            await asyncio.sleep(1)

    port = free_ports()
    runner = await serve(Metrics(), health, port)
    answering = asyncio.create_task(answers())
    try:
        yield str(port)
    finally:
        answering.cancel()
        await runner.cleanup()


@pytest.mark.timeout(600)
async def test_who_is_waited_for_is_seen_in_the_terminal_while_the_round_waits(federation: Federation) -> None:
    await federation.ready(rounds=1)
    attempt = await Attempt.open(federation, "tumour")
    attempt.simulation.publish_keys()
    *early, late = attempt.simulation.keys
    where = ("--org", federation.members[0], "--run", str(federation.run))
    health = Health()
    async with observed(health) as port:
        status = ("node", "status", "--watch", "--observe-port", port, *where)
        async with (
            terminal("train", "watch", "tumour", *where) as train,
            terminal(*status) as node,
            lines(*status) as told,
        ):
            await train.shows("Keys: ", " and 1 more, not there yet")
            await node.shows("healthy", "True", "tumour", " and 1 more, not there yet")
            assert (await told())["rounds"][0]["status"] == "Keys"
            await attempt.keys(early)
            for screen in (train, node):
                await screen.shows(f"Keys: {late}, not there yet")
            await attempt.keys([late])
            await attempt.all_shares()
            for screen in (train, node):
                await screen.shows("Updates: ", "not there yet")
            health.note("disk", "the disk is full")
            await node.shows("the disk is full")
            health.note("disk", "")
            await attempt.updates()
            await attempt.unmask()
            await attempt.finish()
            await train.shows("Final", "4 of 4")
            await node.shows("Final", "4 of 4")
            assert await asyncio.wait_for(train.process.wait(), PATIENCE_S) == 0, "the training has ended"
            assert node.process.returncode is None, "a node is watched until somebody ends it"
            while (found := await told())["rounds"][0]["status"] != "Final":
                pass
            assert found["node"]["problem"] == ""
