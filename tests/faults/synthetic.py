"""A plan without a framework: sums of small integers, so that what a round costs beside training can be seen.

`python tests/faults/synthetic.py RUN ORG DATA` runs a node with it; DATA is a table with one column, `number`.
"""

import asyncio
import hashlib
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.data.examples import load_examples
from fl_node.data.schema import Column, Schema
from fl_node.node.config import NodeConfig
from fl_node.node.observe import configure_logs
from fl_node.node.start import run_node
from fl_node.plan.child import Child
from fl_node.plan.container import load_plan, pack_plan
from fl_node.plan.errors import plan_error
from fl_node.plan.frames import Message
from fl_node.plan.layout import TensorLayout
from fl_node.plan.manifest import Batching
from fl_node.plan.runtime import DataSource, UpdateResult, WorkResult
from fl_node.plan.sandbox import Sandbox
from fl_node.plan.tff.manifest import TffManifest
from fl_node.plan.weights import WeightRule
from fl_node.round.consent import Consent
from fl_node.secagg.layout import Vector
from network.errors import FedledgerError
from tests.faults import misdeeds
from tests.faults.adversary import MIDDLE

SLOTS = 64
ROWS = 10
EPOCHS = 2
GARBAGE = {"raises": 60_000, "no number": 50_000}
"""Values within their slots that no honest node sends: the update fails on one, and gives no number for the other."""
OVERREACHES: dict[str, list[int]] = {"allocate": [1 << 20, 1 << 30], "loop": []}
"""What a plan does that takes more than it may, and its arguments."""
TIGHT = Sandbox(memory=256 << 20, cpu_s=1)
CALL_S = 120.0
COLUMNS = Schema(columns=(Column(name="number", type="integer", minimum="0", maximum="9"),))
SCHEMA = COLUMNS.digest()
LAYOUT = TensorLayout.model_validate(
    {
        "segments": [
            {"name": "count", "kind": "count", "word": 64, "ring": 64, "max": 1000, "slots": 1, "path": ["count"],
             "shape": [1], "dtype": "int64"},
            {"name": "values", "kind": "value", "word": 32, "ring": 32, "max": 65535, "slots": SLOTS,
             "path": ["values"], "shape": [SLOTS], "dtype": "int32"},
            {"name": "weight", "kind": "weight", "word": 32, "ring": 32, "max": 127, "slots": 1,
             "path": ["weight"], "shape": [1], "dtype": "int32"},
        ],
        "count": {"segment": "count", "numerator": 1, "denominator": EPOCHS},
    }
)  # fmt: skip


RULE = WeightRule(segment="weight", numerator=EPOCHS, denominator=1, cap=100)
ALIKE = WeightRule(segment="weight", numerator=1, denominator=1, cap=1)


def layout_of(name: str) -> TensorLayout:
    """Return a plan's layout: participants of one whose name begins with "alike" weigh the same.

    A name that ends in "-slots" has as many values as the number before says: "large-1000000-slots".
    """
    sized = re.search(r"-(\d+)-slots$", name)
    if not sized and not name.startswith("alike"):
        return LAYOUT
    fields = LAYOUT.model_dump(mode="json")
    _, values, weight = fields["segments"]
    if sized:
        values["slots"], values["shape"] = int(sized[1]), [int(sized[1])]
    if name.startswith("alike"):
        weight["max"] = 1
    if "from-the-middle" in name:
        values["max"] = 2 * MIDDLE
    return TensorLayout.model_validate(fields)


def rule_of(name: str) -> WeightRule:
    """Return what a participant of a plan weighs."""
    return ALIKE if name.startswith("alike") else RULE


def zero_of(name: str, state: bytes) -> int:
    """Return what stands for zero in a value: the middle where the plan's name says so, else the state's first byte."""
    return MIDDLE if "from-the-middle" in name else state[0]


def initial_of(name: str) -> bytes:
    """Return a plan's initial state: each training its own, since sums on one base state must not differ by few."""
    return hashlib.sha256(name.encode()).digest() * 2


def plan_of(name: str) -> bytes:
    """Return a plan file: a real one, whose computations nobody runs."""
    files = {"initial.state": initial_of(name), **{f"{part}.pb": b"none" for part in ("prepare", "update", "work")}}
    manifest = TffManifest(
        name=name,
        framework_version="none",
        cohort_max=64,
        layout=layout_of(name),
        layout_digest=layout_of(name).digest(),
        weights=(rule_of(name),),
        schema=COLUMNS,
        schema_digest=SCHEMA,
        batching=Batching(batch=1, epochs=1, holdout_percent=0),
        evaluation=False,
        metrics=("mean",),
        state=(),
        files={entry: hashlib.sha256(content).hexdigest() for entry, content in files.items()},
    )
    return pack_plan(manifest, files)


def registration(name: str) -> dict[str, Any]:
    """Return the body of a `register_plan` proposal."""
    return {
        "plan": hashlib.sha256(plan_of(name)).hexdigest(),
        "name": name,
        "layout": layout_of(name).model_dump(mode="json"),
        "initial_state": hashlib.sha256(initial_of(name)).hexdigest(),
        "schema": SCHEMA,
    }


class SyntheticRunner:
    """The node's interface to a plan, over plain arithmetic."""

    def __init__(self, path: Path, digest: str) -> None:
        plan = load_plan(path, digest)
        self._initial = plan.initial_state
        self.manifest = plan.manifest

    def initialize(self) -> bytes:
        return self._initial

    def prepare(self, state: bytes) -> None:
        assert state

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        number = _number(data.path)
        time.sleep(float(os.environ.get("TRAINING_S", "0")))
        slots = self.manifest.layout.segments[1].slots
        values = np.broadcast_to(np.int32(number + zero_of(self.manifest.name, state)), slots)
        return WorkResult(self.packed(ROWS * EPOCHS, values, self.manifest.weights[0].weight(ROWS)), ROWS, {}, 0.0)

    def packed(self, count: int, values: NDArray[np.int32], weight: int) -> Vector:
        tensors = [np.array([count], dtype=np.int64), values, np.array([weight], dtype=np.int32)]
        return self.manifest.layout.pack(tensors)

    def update(self, state: bytes, aggregate: Vector, counts: Sequence[int]) -> UpdateResult:
        _, values, weight = self.manifest.tensors(aggregate, counts)
        if values.max() >= GARBAGE["raises"]:
            raise plan_error("FL3042", "a division by zero")
        mean = float(values[0]) / len(counts) if values.max() < GARBAGE["no number"] else float("nan")
        following = hashlib.sha256(state)
        at = self.manifest.layout.flat.segment("weight")
        for part in (memoryview(aggregate)[: at.start], weight.data, memoryview(aggregate)[at.end :]):
            following.update(part)
        after = following.digest() * 2
        return UpdateResult(after, {"mean": mean}, 0.0)

    def evaluate(self, state: bytes, data: DataSource) -> dict[str, float]:  # noqa: ARG002  # nothing to measure
        return {}

    def compare_states(self, first: bytes, second: bytes) -> float:
        if first != second:
            raise plan_error("FL3021", "the states differ")
        return 0.0

    def close(self) -> None:
        pass


def _number(path: Path) -> int:
    """Return the first number of the rows; those that no reader could refuse are read without one, and its memory."""
    if path.suffix == ".csv":
        header, *rows = path.read_text().split("\n")
        if header == "number" and len(rows) > 1 and not rows.pop() and all(re.fullmatch("[0-9]", row) for row in rows):
            return int(rows[0])
    examples, _ = load_examples(path, COLUMNS, 0)
    return int(examples.features[0, 0])


class Liar(SyntheticRunner):
    """Computes a state of its own: what a dishonest aggregator would publish."""

    def update(self, state: bytes, aggregate: Vector, counts: Sequence[int]) -> UpdateResult:
        honest = super().update(state, aggregate, counts)
        return UpdateResult(hashlib.sha256(honest.state).digest() * 2, honest.metrics, 0.0)


class Garbler(SyntheticRunner):
    """Sends what lies within every slot's range and yet is garbage, as GARBAGE in its environment says."""

    def packed(self, count: int, values: NDArray[np.int32], weight: int) -> Vector:
        kind = os.environ["GARBAGE"]
        if kind == "half a row":
            return super().packed(count + 1, values, weight)
        if kind == "overweight":
            return super().packed(count, values, weight + 1)
        return super().packed(count, np.full_like(values, GARBAGE[kind]), weight)


class Shouter(SyntheticRunner):
    """Sends the largest number that each slot holds."""

    def packed(self, count: int, values: NDArray[np.int32], weight: int) -> Vector:
        return super().packed(count, np.full_like(values, self.manifest.layout.segments[1].max), weight)


class Inflater(SyntheticRunner):
    """Says that it has several times its rows, as INFLATES in its environment says, everywhere alike."""

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        rows = ROWS * int(os.environ["INFLATES"])
        values = np.full(SLOTS, _number(data.path) + state[0], dtype=np.int32)
        return WorkResult(self.packed(rows * EPOCHS, values, self.manifest.weights[0].weight(rows)), rows, {}, 0.0)


class Failing(SyntheticRunner):
    """Fails in its training, as a plan does that divides by zero."""

    def work(self, state: bytes, data: DataSource) -> WorkResult:  # noqa: ARG002  # it never gets to them
        raise plan_error("FL3042", "a division by zero")


class Overreacher(SyntheticRunner):
    """Runs plans whose name begins with "overreaching" in a real child process once they have left their first state.

    There they take more than they may, as OVERREACHES in its environment says.
    """

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        if self.manifest.name.startswith("overreaching") and state != self._initial:
            deed = os.environ["OVERREACHES"]
            child = Child(TIGHT, data=[data.path], module="tests.unit.plan.hostile")
            try:
                child.call(Message({"op": deed, "with": OVERREACHES[deed]}), CALL_S)
            finally:
                child.kill()
        return super().work(state, data)


OPENERS = {
    "LIAR": Liar,
    "GARBAGE": Garbler,
    "SHOUTS": Shouter,
    "INFLATES": Inflater,
    "OVERREACHES": Overreacher,
    "FAILS": Failing,
}


def main(run: str, org: str, data: str) -> None:
    opener = next((OPENERS[name] for name in OPENERS if os.environ.get(name)), SyntheticRunner)
    misdeeds.commit()
    accepted = frozenset(filter(None, os.environ.get("ACCEPTED", "").split(",")))
    consent = Consent(accepted, show_updates=bool(os.environ.get("SHOWS_UPDATES")))
    configure_logs()
    try:
        asyncio.run(run_node(_second(NodeConfig(Path(run), org, Path(data), consent=consent)), opener))
    except FedledgerError as error:  # as `fedledger node run` does
        sys.exit(str(error))


def _second(config: NodeConfig) -> NodeConfig:
    """Return the settings of an organisation's second node, where the environment names its participant."""
    if name := os.environ.get("PARTICIPANT"):
        return replace(config, participant=name, user=name, serves=False, observe_port=int(os.environ["OBSERVE_PORT"]))
    return config


if __name__ == "__main__":
    main(*sys.argv[1:])
