"""What a round costs beside training: seconds by phase, with four nodes whose plan is plain arithmetic.

    python benchmarks/rounds.py [--rounds 10] [--fabric] [--rules 2] [--json]

Goal: at most 0.6 s on devnet, at most 1.6 s on real Fabric with 200 ms batches.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import yaml

from fl_node.commands.watching import watch
from fl_node.demo.federation import opened
from network import processes
from network.bringup import Request, down, up
from network.interrupt import interruptible
from network.pids import processor
from network.rules import NEWEST_RULES
from network.topology import DEFAULT_DEFINITION
from tests.faults.stage import NAMES, Nodes, found, start

BASE_PORT = 31800
PHASES = ("Keys", "Shares", "Updates", "Unmask", "Attest", "total")


def measure(rounds: int, kind: str, rules: int = NEWEST_RULES) -> dict[str, Any]:
    """Bring a network up, train, and return the medians over all rounds but the first."""
    with interruptible(), tempfile.TemporaryDirectory() as folder:
        definition = Path(folder) / "definition.yaml"
        raw = yaml.safe_load(DEFAULT_DEFINITION.read_text())
        raw.pop("base_port")
        raw["federation"]["rules"] = rules
        definition.write_text(yaml.safe_dump(raw))
        run = Path(folder) / "run"
        up(Request(run, kind, definition, BASE_PORT), lambda _: None)
        nodes = Nodes(run)
        try:
            for name in NAMES:
                nodes.start(name)
            return asyncio.run(_train(nodes, run, rounds)) | {"network": kind, "rules": rules}
        finally:
            nodes.close()
            down(run)


async def _train(nodes: Nodes, run: Path, rounds: int) -> dict[str, Any]:
    await nodes.ready()
    async with opened(run) as federation:
        await found(federation)
        await start(federation, "measured", rounds)
        records, before = {}, processor_seconds(nodes)
        async for progress in watch(federation.first, "measured"):
            records[progress.view.name] = progress.as_json()
        spent = {
            kind: round((after - before[kind]) / len(records), 3) for kind, after in processor_seconds(nodes).items()
        }
    return {**final_medians(list(records.values())), "processor_seconds_per_round": spent}


def final_medians(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the attempts, those that are Final, and the medians of their phases' seconds but the first one's."""
    final = [record["seconds"] for record in records if record["status"] == "Final"]
    warm = final[1:] or final
    medians = {phase: round(statistics.median(seconds.get(phase, 0.0) for seconds in warm), 3) for phase in PHASES}
    return {"rounds": len(records), "final": len(final), "median_seconds": medians}


def processor_seconds(nodes: Nodes) -> dict[str, float]:
    """Return the processor time that nodes and network have used, which a busy machine does not change."""
    network = {path.name: processes.pid(nodes.run, path.name) for path in (nodes.run / "pids").glob("[!.]*")}
    used: dict[str, float] = {}
    for name, pid in (*network.items(), *(("node", process.pid) for process in nodes.processes.values())):
        kind = name.partition("-")[0].rstrip("0123456789")
        used[kind] = used.get(kind, 0.0) + (processor(pid) if pid else 0.0)
    return used


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fabric", action="store_true")
    parser.add_argument("--rules", type=int, default=NEWEST_RULES, help="the version of the rules")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.rounds, "fabric" if arguments.fabric else "devnet", arguments.rules)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"{result['network']}: {result['final']} of {result['rounds']} rounds Final; median seconds")
        for phase, seconds in result["median_seconds"].items():
            print(f"  {phase:8} {seconds:.2f}")
        print(f"processor seconds a round: {result['processor_seconds_per_round']}")


if __name__ == "__main__":
    main()
