"""What running a federation costs: seconds, disk and memory of a round beside training, and of adding an organisation.

    python benchmarks/operations.py [--rounds 30] [--training-s 2] [--fabric] [--json]

Four nodes train a plan that does nothing but take a given time, so that all beyond that time is the ledger's. Rounds of
the first half warm up; figures are of the second half. docs/operations.md shows how to read them.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from fl_node.commands.watching import watch
from fl_node.demo.federation import opened
from network import processes
from network.bringup import Request, down, up
from network.joining import Newcomer, add_organisation
from network.pids import memory
from network.topology import DEFAULT_DEFINITION
from tests.faults.stage import NAMES, Nodes, found, start
from tests.ports import free_ports

TRAINING = "operations"
PHASES_S = 60
MONTH_S = 30 * 86_400
NEWCOMER = "hospital-e"


def measure(rounds: int, training_s: float, kind: str) -> dict[str, Any]:
    """Bring a network up, train, add an organisation, and return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        definition = Path(folder) / "definition.yaml"
        definition.write_text(yaml.safe_dump(_definition()))
        run = Path(folder) / "run"
        up(Request(run, kind, definition, free_ports()), _note)
        nodes = Nodes(run)
        try:
            for name in NAMES:
                nodes.start(name, TRAINING_S=str(training_s))
            figures = asyncio.run(_train(nodes, rounds))
            joined = add_organisation(run, Newcomer(NEWCOMER), _note)
        finally:
            nodes.close()
            down(run)
    overhead = figures["round_s"] - training_s
    return {
        "network": kind,
        "training_s": training_s,
        **figures,
        "overhead_s": round(overhead, 2),
        "overhead_percent": {f"{each} s": round(100 * overhead / (each + overhead), 1) for each in (60, 600)},
        "mb_a_month_and_organisation": _month(figures["bytes_a_round"]),
        "adding_an_organisation_s": round(joined.seconds, 1),
    }


def _definition() -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    raw.pop("base_port")
    phases = {f"{phase}_ms": PHASES_S * 1000 for phase in ("keys", "shares", "updates", "unmask", "attest")}
    raw["federation"]["parameters"] |= phases
    return raw


async def _train(nodes: Nodes, rounds: int) -> dict[str, Any]:
    """Train and return what rounds of the second half took, wrote and held."""
    await nodes.ready()
    seconds: list[float] = []
    before: dict[str, int] = {}
    async with opened(nodes.run) as federation:
        await found(federation)
        await start(federation, TRAINING, rounds)
        ended: set[str] = set()
        async for progress in watch(federation.first, TRAINING):
            if not progress.over or progress.view.name in ended:
                continue
            ended.add(progress.view.name)
            if len(ended) == rounds // 2:
                before = written(nodes.run)
            elif len(ended) > rounds // 2:
                seconds.append(progress.as_json()["seconds"]["total"])
    after, counted = written(nodes.run), len(ended) - rounds // 2
    return {
        "rounds": len(ended),
        "round_s": round(statistics.median(seconds), 2),
        "bytes_a_round": {kind: round((after[kind] - before[kind]) / counted) for kind in after},
        "resident_mb": resident(nodes),
    }


def written(run: Path) -> dict[str, int]:
    """Return the bytes that one member has on disk: its peer's ledger, blobs and journal, and its processes' logs.

    An orderer's ledger stands apart: of the first orderer, where there are several.
    """
    own = run / "orgs" / NAMES[0]
    orderers = sorted((run / "orgs" / "orderer" / "data").glob("*"))
    return {
        "peer's ledger": _bytes(own / "data"),
        "orderer's ledger": _bytes(orderers[0]) if orderers else 0,
        "blobs": _bytes(own / "blobs"),
        "node": _bytes(own / "nodes"),
        "logs": sum(_bytes(path) for path in _logs(run)),
    }


def _logs(run: Path) -> Iterator[Path]:
    yield from (run / "logs").glob(f"*{NAMES[0]}*")
    yield run / f"{NAMES[0]}.log"


def _bytes(path: Path) -> int:
    paths = [path] if path.is_file() else path.rglob("*")
    return sum(each.stat().st_size for each in paths if each.is_file())


def resident(nodes: Nodes) -> dict[str, int]:
    """Return the resident memory of the largest process of each kind, in MB."""
    pids = {path.name: processes.pid(nodes.run, path.name) for path in (nodes.run / "pids").glob("[!.]*")}
    named = [(name.partition("-")[0].rstrip("0123456789"), pid) for name, pid in pids.items()]
    named += [("node", process.pid) for process in nodes.processes.values()]
    largest: dict[str, int] = {}
    for kind, pid in named:
        largest[kind] = max(largest.get(kind, 0), (memory(pid) or 0) >> 20 if pid else 0)
    return largest


def _month(bytes_a_round: dict[str, int]) -> dict[str, float]:
    """Return the megabytes of 30 days by how often a round begins: bytes a round x rounds a month."""
    total = sum(bytes_a_round.values())
    return {f"a round every {every} s": round(total * MONTH_S / every / 1e6, 1) for every in (60, 600, 3600)}


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--training-s", type=float, default=2.0)
    parser.add_argument("--fabric", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.rounds, arguments.training_s, "fabric" if arguments.fabric else "devnet")
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
