"""The command `fedledger` as the hosts have it: a node's plans are plain arithmetic, all else is the real command."""

import functools
import os
import time

from fl_node import cli
from fl_node.commands import node
from fl_node.plan.runtime import DataSource, WorkResult
from tests.faults.synthetic import SyntheticRunner

TRAINING_S = 2.0
"""What a training of the example takes at least: rounds go on for as long as a test needs, and leave it the machine."""


class Patient(SyntheticRunner):
    """Trains for some seconds."""

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        time.sleep(float(os.environ.get("TRAINING_S", TRAINING_S)))
        return super().work(state, data)


if __name__ == "__main__":
    node.run_node = functools.partial(node.run_node, opener=Patient)  # type: ignore[assignment]
    cli.main()
