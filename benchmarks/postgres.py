"""What the ledger costs: rounds of four members on it, and of the same nodes with a coordinator on PostgreSQL.

    python -m benchmarks.postgres [--rounds 10] [--slots 64] [--fabric]

Both on the same network's identities and blob services, one after the other. The coordinator runs the contract's rules
in one process that everybody must trust, and commits each transaction to PostgreSQL before it answers: no endorsement,
no ordering, no second copy, and what endorsers would recompute is taken as it comes. Goal: the ledger's round takes at
most 1.5 times the coordinator's, and at most 3 % of a minute more.
"""

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.coordinator import client
from benchmarks.coordinator.certificate import self_signed
from benchmarks.coordinator.cluster import cluster
from benchmarks.environments import AbsentError, note, python_of
from benchmarks.rounds import final_medians, processor_seconds
from fl_node.commands.watching import watch
from fl_node.demo import federation
from fl_node.ledger.client import open_ledger
from network.bringup import Request, down, up
from network.build import build_chaincode
from network.connection import profile
from network.folders import folder_of
from network.interrupt import interruptible
from network.topology import DEFAULT_DEFINITION
from tests.faults.stage import NAMES, Nodes, found, start
from tests.ports import free_ports

SERVER = Path(__file__).parent / "coordinator" / "server.py"
DRIVER = "psycopg[binary]==3.3.9"
MINUTE = 60.0


def measure(rounds: int, slots: int, kind: str) -> dict[str, Any]:
    """Return the figures of both, and how they relate."""
    with interruptible(), tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        definition = Path(folder) / "definition.yaml"
        raw = yaml.safe_load(DEFAULT_DEFINITION.read_text())
        raw.pop("base_port")
        definition.write_text(yaml.safe_dump(raw))
        up(Request(run, kind, definition, free_ports()), note)  # type: ignore[arg-type]
        try:
            report: dict[str, Any] = {"network": kind, "slots": slots, "ledger": _rounds(run, slots, rounds)}
            try:
                with _coordinator(run, Path(folder)):
                    report["coordinator"] = _rounds(run, slots, rounds, "benchmarks.coordinator.node")
            except AbsentError as error:
                return report | {"absent": str(error)}
        finally:
            down(run)
    ours, theirs = (report[one]["median_seconds"]["total"] for one in ("ledger", "coordinator"))
    return report | {
        "ledger_over_coordinator": round(ours / theirs, 2),
        "percent_of_a_minute": round(100 * (ours - theirs) / MINUTE, 2),
        "load": os.getloadavg()[0],
    }


def _rounds(run: Path, slots: int, rounds: int, module: str = "tests.faults.synthetic") -> dict[str, Any]:
    nodes = Nodes(run, module=module)
    try:
        for name in NAMES:
            nodes.start(name)
        return asyncio.run(_train(nodes, f"{module.split('.')[1]}-{slots}-slots", rounds))
    finally:
        nodes.close()


async def _train(nodes: Nodes, training: str, rounds: int) -> dict[str, Any]:
    await nodes.ready()
    async with federation.opened(nodes.run) as opened:
        await found(opened)
        await start(opened, training, rounds)
        records, before = {}, processor_seconds(nodes)
        async for progress in watch(opened.first, training):
            records[progress.view.name] = progress.as_json()
        after = processor_seconds(nodes)
    spent = {kind: round((after[kind] - before[kind]) / len(records), 3) for kind in after}
    return {**final_medians(list(records.values())), "processor_seconds_per_round": spent}


@contextmanager
def _coordinator(run: Path, folder: Path) -> Iterator[None]:
    """Run the coordinator on a PostgreSQL server; nodes and federation speak to it as long as this is open."""
    with ExitStack() as stack:
        database = stack.enter_context(cluster(folder / "postgres"))
        python = python_of("postgres", DRIVER)
        port, own = free_ports(), profile(run, NAMES[0], "admin")
        pair, root = self_signed(folder)
        callers, place = folder / "callers.pem", folder / "place.json"
        callers.write_bytes(b"\n".join(own.tls_roots.values()))
        place.write_text(json.dumps({"port": port, "certificate": str(root), "folder": str(folder)}))
        settings = {
            "rules": str(build_chaincode("cmd/replay")), "blobs": str(folder_of(run, NAMES[0]).blobs),
            "database": database, "port": port, "callers": str(callers), "certificate": str(pair),
            "channel": own.channel, "chaincode": own.chaincode,
        }  # fmt: skip
        (folder / "coordinator.json").write_text(json.dumps(settings))
        server = subprocess.Popen([python, SERVER, folder / "coordinator.json"], stdout=subprocess.PIPE)
        stack.callback(server.wait)
        stack.callback(server.terminate)
        assert server.stdout
        if server.stdout.readline() != b"ready\n":
            raise AbsentError("the coordinator does not start")
        os.environ[client.PLACE] = str(place)
        stack.callback(setattr, federation, "open_ledger", open_ledger)
        setattr(federation, "open_ledger", client.open_coordinated)  # noqa: B010  # as nodes of `coordinator.node` do
        yield


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--fabric", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    report = measure(arguments.rounds, arguments.slots, "fabric" if arguments.fabric else "devnet")
    print(json.dumps(report | {"seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
