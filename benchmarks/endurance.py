"""Many rounds in a row while nodes are killed at random: does anything grow, and does every round end?

    python benchmarks/endurance.py [--participants 8] [--rounds 200] [--kill-every 4] [--fabric] [--json]

Nodes train the synthetic plan of tests/faults. One node is never killed: what grows in a process shows there and in the
network's own processes. Counted are resident memory, threads, open descriptors, and files of the node's journal.
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from fl_node.commands.watching import watch
from fl_node.demo.federation import opened
from fl_node.ledger.records import Round
from network import processes
from network.bringup import Request, down, up
from network.interrupt import interruptible
from network.topology import DEFAULT_DEFINITION
from tests.faults import synthetic
from tests.faults.stage import Nodes, found, start
from tests.ports import free_ports

TRAINING = "endurance"
PHASES_MS = {f"{phase}_ms": 20_000 for phase in ("keys", "shares", "updates", "unmask", "attest")}
KEEP = "hospital-a"


def names_of(participants: int) -> list[str]:
    """Return the members' names: hospital-a, hospital-b and so on."""
    return [f"hospital-{chr(ord('a') + place)}" for place in range(participants)]


def definition_of(participants: int) -> dict[str, Any]:
    """Return the default consortium with so many members, and phases long enough for a node to come back."""
    raw: dict[str, Any] = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    raw.pop("base_port")
    others = [organisation for organisation in raw["organisations"] if organisation["role"] != "member"]
    raw["organisations"] = [*others, *({"name": name, "role": "member"} for name in names_of(participants))]
    parameters = {"epoch_rounds": 20, "aggregator_lease_ms": 5000}
    raw["federation"]["parameters"] |= PHASES_MS | parameters
    return raw


class Endurance:
    """A network with nodes, what is done to them, and what was counted."""

    def __init__(self, nodes: Nodes, names: list[str], kill_every: int, seed: int) -> None:
        self.nodes = nodes
        self.names = names
        self.kill_every = kill_every
        self.random = random.Random(seed)
        self.kills = 0
        self.counts: list[dict[str, Any]] = []

    async def run(self, rounds: int) -> dict[str, Any]:
        """Train, kill and count; return the figures."""
        for name in self.names:  # one after the other: twenty that start together keep every peer busy for too long
            self._start(name)
            await self.nodes.ready(name)
        phases: dict[str, str] = {}
        began = time.monotonic()
        async with opened(self.nodes.run) as federation:
            await found(federation)
            await start(federation, TRAINING, rounds, cohort=len(self.names))
            killer = asyncio.create_task(self._kill())
            try:
                async for progress in watch(federation.first, TRAINING):
                    if phases.get(progress.view.name) != progress.view.phase:
                        phases[progress.view.name] = progress.view.phase
                        self._seen(progress.view)
            finally:
                killer.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await killer
        ended = list(phases.values())
        return {
            "participants": len(self.names),
            "rounds": rounds,
            "attempts": {phase: ended.count(phase) for phase in sorted(set(ended))},
            "kills": self.kills,
            "seconds": round(time.monotonic() - began, 1),
            "counts": self.counts,
            "growth": growth(self.counts),
        }

    async def _kill(self) -> None:
        """Kill a random node at a random moment, again and again, and start it anew a moment later."""
        while True:
            await asyncio.sleep(self.random.uniform(0.5, 1.5) * self.kill_every)
            name = self.random.choice([name for name in self.names if name != KEEP])
            self.nodes.kill(name)
            self.kills += 1
            self._start(name)

    def _start(self, name: str) -> None:
        self.nodes.start(name, rows=[self.names.index(name) % 9 + 1] * synthetic.ROWS)

    def _seen(self, view: Round) -> None:
        if view.phase == "Final" and view.round % 10 == 0:
            counted = {name: used(pid) for name, pid in self._lasting().items()}
            counted["journal"] = {"files": files(self.nodes.journal(KEEP))}
            self.counts.append({"round": view.round, "used": counted})

    def _lasting(self) -> dict[str, int]:
        """Return the processes that are never killed."""
        network = {
            path.name: processes.pid(self.nodes.run, path.name) for path in (self.nodes.run / "pids").glob("[!.]*")
        }
        return {**{name: pid for name, pid in network.items() if pid}, "node": self.nodes.processes[KEEP].pid}


def used(pid: int) -> dict[str, int]:
    """Return what a process uses: resident memory in MB, threads, open descriptors."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return {
        "mb": int(status["VmRSS"].split()[0]) // 1024,
        "threads": int(status["Threads"]),
        "descriptors": descriptors,
    }


def files(folder: Path) -> int:
    """Count the files below a folder."""
    return sum(1 for path in folder.rglob("*") if path.is_file())


def growth(counts: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return by process and figure the median of the last third less that of the middle third; start-up is left out."""
    third = len(counts) // 3
    if not third:
        return {}
    middle, last = counts[third : 2 * third], counts[-third:]

    def change(name: str, figure: str) -> float:
        return _median(last, name, figure) - _median(middle, name, figure)

    return {name: {figure: change(name, figure) for figure in kinds} for name, kinds in counts[-1]["used"].items()}


def _median(counts: list[dict[str, Any]], name: str, figure: str) -> float:
    return statistics.median(count["used"][name][figure] for count in counts if name in count["used"])


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Bring the network up, run and take it down."""
    names = names_of(arguments.participants)
    with interruptible(), tempfile.TemporaryDirectory() as folder:
        definition = Path(folder) / "definition.yaml"
        definition.write_text(yaml.safe_dump(definition_of(arguments.participants)))
        run = Path(folder) / "run"
        up(Request(run, "fabric" if arguments.fabric else "devnet", definition, free_ports()), lambda _: None)
        nodes = Nodes(run)
        try:
            endurance = Endurance(nodes, names, arguments.kill_every, arguments.seed)
            return asyncio.run(endurance.run(arguments.rounds))
        finally:
            nodes.close()
            down(run)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--kill-every", type=int, default=4, help="seconds between two kills, about")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fabric", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{result['attempts']} in {result['seconds']} s, {result['kills']} kills")
    for name, change in result["growth"].items():
        print(f"  {name:24} " + ", ".join(f"{figure} {value:+g}" for figure, value in change.items()))


if __name__ == "__main__":
    main()
