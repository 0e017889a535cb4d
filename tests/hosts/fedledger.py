"""The command `fedledger` as the hosts have it: a node's plans are plain arithmetic, all else is the real command."""

import functools
import os
import sys

from fl_node import cli

TRAINING_S = "2"
"""What a training takes at least: rounds go on for as long as a test needs them, and leave it the machine."""


def _train_plainly() -> None:
    from fl_node.commands import node
    from fl_node.node import start
    from tests.faults.synthetic import SyntheticRunner

    os.environ.setdefault("TRAINING_S", TRAINING_S)
    node.run_node = functools.partial(start.run_node, opener=SyntheticRunner)  # type: ignore[attr-defined]


if __name__ == "__main__":
    if sys.argv[1:2] == ["node"]:  # of the other commands none needs the half second that this import takes
        _train_plainly()
    cli.main()
