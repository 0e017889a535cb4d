"""A plan without a framework: sums of small integers, so that what a round costs beside training can be seen.

`python tests/faults/synthetic.py RUN ORG DATA` runs a node with it; DATA is a file that holds one number.
"""

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from fl_node.canonical import canonical_json
from fl_node.config import NodeConfig
from fl_node.observe import configure_logs
from fl_node.plan.errors import plan_error
from fl_node.plan.layout import Layout
from fl_node.plan.runtime import DataSource, UpdateResult, WorkResult
from fl_node.running import run_node

SLOTS = 64
ROWS = 10
SCHEMA = hashlib.sha256(b"one number").hexdigest()
LAYOUT = Layout.model_validate(
    {
        "segments": [
            {"name": "count", "kind": "count", "word": 64, "ring": 64, "max": 1000, "slots": 1, "path": ["count"],
             "shape": [1], "dtype": "int64"},
            {"name": "values", "kind": "value", "word": 32, "ring": 32, "max": 65535, "slots": SLOTS,
             "path": ["values"], "shape": [SLOTS], "dtype": "int32"},
        ],
        "count": {"segment": "count", "numerator": 1, "denominator": 1},
    }
)  # fmt: skip


def initial_of(name: str) -> bytes:
    """Return a plan's initial state: each training its own, since sums on one base state must not differ by few."""
    return hashlib.sha256(name.encode()).digest() * 2


def plan_of(name: str) -> bytes:
    """Return a plan file."""
    return canonical_json({"layout": LAYOUT.model_dump(mode="json"), "initial": initial_of(name).hex()})


def registration(name: str) -> dict[str, Any]:
    """Return the body of a `register_plan` proposal."""
    return {
        "plan": hashlib.sha256(plan_of(name)).hexdigest(),
        "name": name,
        "layout": LAYOUT.model_dump(mode="json"),
        "initial_state": hashlib.sha256(initial_of(name)).hexdigest(),
        "schema": SCHEMA,
    }


class SyntheticRunner:
    """The node's interface to a plan, over plain arithmetic."""

    def __init__(self, path: Path, digest: str) -> None:
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != digest:
            raise plan_error("FL3002", "another plan")
        described = json.loads(raw)
        self._initial = bytes.fromhex(described["initial"])
        layout = Layout.model_validate(described["layout"])
        initial = hashlib.sha256(self._initial).hexdigest()
        self.manifest = SimpleNamespace(layout=layout, layout_digest=layout.digest(), initial_state=initial)

    def initialize(self) -> bytes:
        return self._initial

    def prepare(self, state: bytes) -> None:
        assert state

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        number = int(data.path.read_text())
        values = np.full(SLOTS, number + state[0], dtype=np.int32)
        vector = self.manifest.layout.pack([np.array([ROWS], dtype=np.int64), values])
        return WorkResult(vector, ROWS, {}, 0.0)

    def update(self, state: bytes, aggregate: bytes, survivors: int) -> UpdateResult:
        _, values = self.manifest.layout.unpack(aggregate, survivors)
        after = hashlib.sha256(state + aggregate).digest() * 2
        return UpdateResult(after, {"mean": float(values[0]) / survivors}, 0.0)

    def evaluate(self, state: bytes, data: DataSource) -> dict[str, float]:  # noqa: ARG002  # nothing to measure
        return {}

    def compare_states(self, first: bytes, second: bytes) -> float:
        if first != second:
            raise plan_error("FL3021", "the states differ")
        return 0.0

    def close(self) -> None:
        pass


class Liar(SyntheticRunner):
    """Computes a state of its own: what a dishonest aggregator would publish."""

    def update(self, state: bytes, aggregate: bytes, survivors: int) -> UpdateResult:
        honest = super().update(state, aggregate, survivors)
        return UpdateResult(hashlib.sha256(honest.state).digest() * 2, honest.metrics, 0.0)


if __name__ == "__main__":
    run, org, data = sys.argv[1:]
    opener = Liar if os.environ.get("LIAR") else SyntheticRunner
    configure_logs()
    asyncio.run(run_node(NodeConfig(Path(run), org, Path(data)), opener))
