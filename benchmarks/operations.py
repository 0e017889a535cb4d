"""What running a federation costs: seconds, disk and memory of a round beside training, and of adding an organisation.

    python benchmarks/operations.py [--rounds 100] [--training-s 2] [--fabric] [--json]
    python benchmarks/operations.py --of FOLDER --log NODE.LOG --training-s 2 [--json]

Four nodes train a plan that only takes a given time, so that all beyond that time is the ledger's. The second
form reads the same figures from a member's own folder and its node's log. docs/operations.md shows how to read them.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from fl_node.commands.watching import watch
from fl_node.demo.federation import opened
from network import processes
from network.bringup import Request, down, up
from network.connection import consortium_of
from network.folders import folder_of, owner_of
from network.interrupt import interruptible
from network.joining import Newcomer, add_organisation
from network.pids import memory
from network.topology import DEFAULT_DEFINITION
from tests.faults.stage import NAMES, Nodes, found, start
from tests.ports import free_ports

TRAINING = "operations"
PHASES_S = 60
MONTH_S = 30 * 86_400
TRAININGS_S = (60, 600)
INTERVALS_S = (60, 600, 3600)
NEWCOMER = "hospital-e"


def measure(rounds: int, training_s: float, kind: str) -> dict[str, Any]:
    """Bring a network up, train, add an organisation, and return the figures."""
    with interruptible(), tempfile.TemporaryDirectory() as folder:
        definition = Path(folder) / "definition.yaml"
        definition.write_text(yaml.safe_dump(_definition()))
        run = Path(folder) / "run"
        up(Request(run, kind, definition, free_ports()), _note)  # type: ignore[arg-type]
        nodes = Nodes(run)
        try:
            for name in NAMES:
                nodes.start(name, TRAINING_S=str(training_s))
            asyncio.run(_found(nodes))
            member, log, orderer = folder_of(run, NAMES[0]).root, run / f"{NAMES[0]}.log", _orderer(run)
            before, ordered = written(member, log), _bytes(orderer)
            asyncio.run(_train(nodes, rounds))
            figures = read(member, log, training_s, before)
            figures["orderer_bytes_a_round"] = round((_bytes(orderer) - ordered) / rounds)
            figures["bytes_of_the_founding"] = before
            held = resident(nodes)
            joined = add_organisation(run, Newcomer(NEWCOMER), _note)
        finally:
            nodes.close()
            down(run)
    figures |= {"resident_mb": held, "adding_an_organisation_s": round(joined.seconds, 1)}
    return {"network": kind, "load": [round(each, 1) for each in os.getloadavg()], **figures}


def read(folder: Path, log: Path, training_s: float, before: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Return the figures of a member's folder and its node's log.

    What was on disk before the rounds counts with them unless it is given.
    """
    ends = _ends(log)
    seconds = statistics.median((b - a).total_seconds() for a, b in pairwise(ends))
    overhead = seconds - training_s
    had = before or {}
    wrote = {kind: round((size - had.get(kind, 0)) / len(ends)) for kind, size in written(folder, log).items()}
    return {
        "rounds": len(ends),
        "training_s": training_s,
        "round_s": round(seconds, 2),
        "overhead_s": round(overhead, 2),
        "overhead_percent": {f"{each} s": round(100 * overhead / (each + overhead), 1) for each in TRAININGS_S},
        "bytes_a_round": wrote,
        "mb_a_month": {f"every {each} s": round(sum(wrote.values()) * MONTH_S / each / 1e6) for each in INTERVALS_S},
    }


def written(folder: Path, log: Path) -> dict[str, int]:
    """Return the bytes that a member has on disk: ledgers of its peer and orderers, blobs, its node's folder, logs."""
    return {
        "ledgers": _bytes(folder / "data"),
        "blobs": _bytes(folder / "blobs"),
        "node": _bytes(folder / "nodes"),
        "logs": _bytes(log) + (_bytes(folder / "logs") if owner_of(folder) else 0),
    }


def resident(nodes: Nodes) -> dict[str, int]:
    """Return the resident memory of the largest process of each kind, in MB."""
    pids = {path.name: processes.pid(nodes.run, path.name) for path in (nodes.run / "pids").glob("[!.]*")}
    named = [(name.partition("-")[0].rstrip("0123456789"), pid) for name, pid in pids.items()]
    named += [("node", process.pid) for process in nodes.processes.values()]
    largest: dict[str, int] = {}
    for kind, pid in named:
        largest[kind] = max(largest.get(kind, 0), (memory(pid) or 0) >> 20 if pid else 0)
    return largest


def _ends(log: Path) -> list[datetime]:
    """Return when each round became Final, as a node's log has it."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    final = [line for line in lines if line["event"] == "phase" and line["phase"] == "Final"]
    return sorted(datetime.fromisoformat(line["timestamp"]) for line in final)


def _definition() -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    raw.pop("base_port")
    phases = {f"{phase}_ms": PHASES_S * 1000 for phase in ("keys", "shares", "updates", "unmask", "attest")}
    raw["federation"]["parameters"] |= phases
    return raw


def _orderer(run: Path) -> Path:
    """Return what the first orderer keeps."""
    organisation, orderer = consortium_of(run).orderers[0]
    return folder_of(run, organisation.name).data(orderer.name)


async def _found(nodes: Nodes) -> None:
    await nodes.ready()
    async with opened(nodes.run) as federation:
        await found(federation)


async def _train(nodes: Nodes, rounds: int) -> None:
    async with opened(nodes.run) as federation:
        await start(federation, TRAINING, rounds)
        async for _ in watch(federation.first, TRAINING):
            pass


def _bytes(path: Path) -> int:
    paths = [path] if path.is_file() else path.rglob("*")
    return sum(each.stat().st_size for each in paths if each.is_file())


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--training-s", type=float, default=2.0)
    parser.add_argument("--fabric", action="store_true")
    parser.add_argument("--of", type=Path, help="a member's folder, instead of a network of this benchmark's own")
    parser.add_argument("--log", type=Path, help="its node's log")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.of:
        result = read(arguments.of, arguments.log, arguments.training_s)
    else:
        result = measure(arguments.rounds, arguments.training_s, "fabric" if arguments.fabric else "devnet")
    if arguments.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
