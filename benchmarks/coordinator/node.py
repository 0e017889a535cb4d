"""The synthetic node of `tests/faults`, whose ledger is the coordinator: everything else is a node as it is.

python -m benchmarks.coordinator.node RUN ORG DATA
"""

import sys

from benchmarks.coordinator import client
from fl_node.node import start
from fl_node.round import speaking
from tests.faults import synthetic

if __name__ == "__main__":
    start.open_ledger = client.open_coordinated  # type: ignore[assignment]
    start.Witnesses = client.NoWitnesses  # type: ignore[misc,assignment]
    speaking.carrier = lambda _: None  # a coordinator takes what everybody says, as it comes
    synthetic.main(*sys.argv[1:])
