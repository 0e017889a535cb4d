"""A node like any other, but for what it sends: `python -m fl_node.demo.attacker RUN ORG DATA ATTACK`."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from fl_node.demo.attacks import changed
from fl_node.node.config import NodeConfig
from fl_node.node.observe import configure_logs
from fl_node.node.start import run_node
from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.container import load_plan
from fl_node.plan.interface import DataSource, WorkResult
from network.errors import FedledgerError


class Attacker(AveragingRuntime):
    """Trains as agreed and sends something else."""

    attack = ""

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        """Changes what honest work gave."""
        honest = super().work(state, data)
        return replace(honest, vector=changed(self.manifest.layout.flat, honest.vector, self.attack))


def main(run: str, org: str, data: str, attack: str) -> None:
    """Runs the node until SIGTERM."""

    def opened(path: Path, digest: str) -> Attacker:
        return Attacker(load_plan(path, digest), data=Path(data), log=path.with_suffix(".log"))

    Attacker.attack = attack
    configure_logs()
    try:
        asyncio.run(run_node(NodeConfig(Path(run), org, Path(data)), opened))
    except FedledgerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
