"""How long until a node is ready: from its process's start to its word that it attends, on a network that is up.

    python -m benchmarks.ready [--repeat 5]

The node is the one of `tests/faults`, which imports what every node does and starts no framework.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.environments import note
from network.bringup import Request, down, up
from network.interrupt import interruptible
from network.pids import processor
from network.topology import DEFAULT_DEFINITION
from tests.faults.stage import NAMES, Nodes
from tests.ports import free_ports

PATIENCE_S = 120.0


def measure(repeat: int) -> dict[str, Any]:
    """Bring a network up and start a node of one member again and again."""
    with interruptible(), tempfile.TemporaryDirectory() as folder:
        raw = yaml.safe_load(DEFAULT_DEFINITION.read_text())
        definition, run = Path(folder) / "definition.yaml", Path(folder) / "run"
        raw.pop("base_port")
        definition.write_text(yaml.safe_dump(raw))
        up(Request(run, "devnet", definition, free_ports()), note)
        try:
            taken = [_started(run, number) for number in range(repeat)]
        finally:
            down(run)
    seconds, spent = zip(*taken, strict=True)
    return {"ready_seconds": statistics.median(seconds), "ready_processor_seconds": statistics.median(spent)}


def _started(run: Path, number: int) -> tuple[float, float]:
    nodes = Nodes(run)
    began = time.monotonic()
    try:
        nodes.start(NAMES[0])
        while len(nodes.logged(NAMES[0], "ready")) <= number:
            if time.monotonic() - began > PATIENCE_S:
                raise SystemExit(nodes.log(NAMES[0])[-1000:])
            time.sleep(0.01)
        return time.monotonic() - began, processor(nodes.processes[NAMES[0]].pid)
    finally:
        nodes.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    print(json.dumps(measure(parser.parse_args().repeat)))


if __name__ == "__main__":
    main()
