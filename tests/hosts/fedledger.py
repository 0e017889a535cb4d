"""The command `fedledger` as the hosts have it: a node's plans are plain arithmetic, all else is the real command."""

import functools
import os

from fl_node import cli
from fl_node.commands import node
from tests.faults.synthetic import SyntheticRunner

TRAINING_S = "2"
"""What a training takes at least: rounds go on for as long as a test needs them, and leave it the machine."""

if __name__ == "__main__":
    os.environ.setdefault("TRAINING_S", TRAINING_S)
    node.run_node = functools.partial(node.run_node, opener=SyntheticRunner)  # type: ignore[assignment]
    cli.main()
