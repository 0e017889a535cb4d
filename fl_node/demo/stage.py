"""The processes of the demonstration: the network's and one node for each participant, each ended with the story."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from fl_node import codes
from fl_node.demo.options import Options
from fl_node.demo.report import Report
from fl_node.errors import NodeError
from fl_node.plan.frameworks import JAX
from network import processes
from network.bringup import Request, down, up
from network.connection import consortium_of
from network.plan import Process
from network.topology import DEFAULT_DEFINITION

MARK: Final = "DEMONSTRATION"
READY_S: Final = 120.0
WARM_S: Final = 300.0
POLL_S: Final = 0.2
TIMES: Final = {"updates_ms": 20_000, "aggregator_lease_ms": 15_000}
"""Shorter than the defaults: the story waits out one deadline for a node that it killed."""
QUICK: Final = {**TIMES, "updates_ms": 10_000}
"""Of plans on JAX, whose work takes milliseconds once a node is warm."""
PATIENT: Final = dict.fromkeys(("keys_ms", "shares_ms", "updates_ms", "unmask_ms", "attest_ms"), 60_000)
"""Of many nodes on one machine, in groups that cannot spare a member."""


class Stage:
    """A run folder with its network and nodes."""

    def __init__(self, options: Options, report: Report) -> None:
        self.options = options
        self.run = options.run
        self._report = report
        self._data: Mapping[str, Path] = {}

    @contextlib.asynccontextmanager
    async def network(self) -> AsyncIterator[None]:
        """Bring the network up; at the end everything goes down, unless it shall be kept."""
        definition = self.run / "definition.yaml"
        definition.write_text(definition_of(self.options))
        request = Request(
            self.run, "fabric" if self.options.fabric else "devnet", definition, self.options.base_port, None
        )
        try:
            await asyncio.to_thread(up, request, lambda text: self._report.say(f"[dim]{text}[/]"))
            yield
        finally:
            if not self.options.keep:
                await asyncio.to_thread(down, self.run)

    async def start_nodes(self, data: Mapping[str, Path]) -> None:
        """Start every participant's node on its own data and wait until all serve."""
        self._data = dict(data)
        for name in data:
            self._start(name)
        await asyncio.gather(*(self._until(name, READY_S, bool) for name in data))

    async def warm(self, plan: str) -> None:
        """Wait until every node has started the framework for a plan."""
        await asyncio.gather(
            *(self._until(name, WARM_S, lambda health: plan in health.get("plans", ())) for name in self._data)
        )

    def kill(self, name: str) -> None:
        """End a node at once, as a power cut would."""
        self._signal(name, signal.SIGKILL)

    def restart(self, name: str) -> None:
        """Start a node that was killed; its journal says where it was."""
        if processes.pid(self.run, f"node-{name}") is None:
            self._start(name)

    @contextlib.contextmanager
    def paused(self, name: str) -> Any:
        """Hold a node still."""
        self._signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(name, signal.SIGCONT)

    def memory(self) -> int:
        """Return the bytes resident in all processes of the run folder and their children."""
        pids = {processes.pid(self.run, path.name) for path in (self.run / "pids").glob("[!.]*")}
        return sum(_resident(pid) for pid in _with_children({pid for pid in pids if pid}))

    def _start(self, name: str) -> None:
        data = str(self._data[name])
        module: tuple[str, ...] = ("fl_node", "node", "run", "--org", name, "--run", str(self.run), "--data", data)
        if name == self.options.attacker:
            module = ("fl_node.demo.attacker", str(self.run), name, data, self.options.attack)
        port = consortium_of(self.run).organisation(name).blob_port
        assert port, "every participant is a member"
        process = Process(f"node-{name}", (sys.executable, "-m", *module), port, other_ports=(port + 2,))
        processes.start(self.run, process)

    def _signal(self, name: str, which: signal.Signals) -> None:
        pid = processes.pid(self.run, f"node-{name}")
        if pid is not None:
            os.kill(pid, which)

    async def _until(self, name: str, patience_s: float, holds: Any) -> None:
        port = (consortium_of(self.run).organisation(name).blob_port or 0) + 2
        deadline = time.monotonic() + patience_s
        async with aiohttp.ClientSession() as session:
            while not holds(await _health(session, port)):
                log = processes.log_path(self.run, f"node-{name}")
                if processes.pid(self.run, f"node-{name}") is None:
                    tail = " ".join(log.read_text().splitlines()[-3:])[-500:]
                    raise NodeError(codes.DEMO_FAILED, f"the node of {name} ended: {tail}", where=str(log))
                if time.monotonic() > deadline:
                    raise NodeError(
                        codes.DEMO_FAILED, f"the node of {name} is not ready after {patience_s:.0f} s", where=str(log)
                    )
                await asyncio.sleep(POLL_S)


@contextlib.contextmanager
def claimed(run: Path) -> Iterator[None]:
    """Have a folder for one demonstration alone: an earlier one that was left there is ended and removed.

    Raises:
        NodeError: FL4001, the folder holds something else; FL4602, a demonstration is under way in it.
    """
    if run.exists() and any(run.iterdir()) and not (run / MARK).exists():
        hint = "Choose another folder with --run."
        raise NodeError(
            codes.INPUT_UNUSABLE, "the folder holds something else than a demonstration", where=str(run), hint=hint
        )
    run.mkdir(parents=True, exist_ok=True)
    with (run / MARK).open("a") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "Wait for its end, or give --run and --base-port."
            raise NodeError(
                codes.DEMO_UNDER_WAY, "a demonstration is under way here", where=str(run), hint=hint
            ) from None
        if not mark.tell():
            mark.write("A demonstration of fedledger; the next one removes this folder.\n")
            mark.flush()
        down(run)
        for path in run.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != MARK:  # the mark outlives an interrupted removal
                path.unlink()
        yield


def definition_of(options: Options) -> str:
    """Return the consortium of the demonstration: as many members as asked for, and a regulator."""
    raw = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    others = [entry for entry in raw["organisations"] if entry["role"] != "member"]
    members = [{"name": name, "role": "member"} for name in options.names]
    raw["organisations"] = [*others[:1], *members, *others[1:]]
    times = QUICK if options.framework == JAX.word else TIMES
    raw["federation"]["parameters"] |= times if options.example == "tumour" else {}
    raw["federation"]["parameters"] |= PATIENT if options.settings else {}
    raw.pop("base_port", None)
    return yaml.safe_dump(raw, sort_keys=False)


async def _health(session: aiohttp.ClientSession, port: int) -> dict[str, Any]:
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with session.get(f"http://127.0.0.1:{port}/health", timeout=aiohttp.ClientTimeout(total=5)) as response:
            return dict(await response.json())
    return {}


def _with_children(pids: set[int]) -> set[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found, grown = set(pids), True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
