"""What federation is worth: the federated model against pooled training and against each node alone.

    python benchmarks/accuracy.py [--example tumour] [--participants 4] [--rounds 15] [--splits 5] [--json]

TFF rounds only, in one process: the plan's work and update, integer sums, no ledger and no masks. Pooled training is
the same plan with one participant that holds every share; a node alone is the same plan with that node's share. All are
measured on the same test rows, which nobody trained on.
"""

import argparse
import json
import os
import signal
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from fl_node.data.examples import Examples
from fl_node.data.schema import Schema
from fl_node.examples.shares import Rows, deal
from fl_node.plan.tff.compile import SEED, first_state, load_source, split_process
from fl_node.plan.tff.execute import Computations, client_data

EXAMPLES = Path(__file__).parent.parent / "fl_node" / "examples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", default="tumour")
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tf.keras.utils.set_random_seed(SEED)
    started = time.perf_counter()
    source = load_source(EXAMPLES / f"{arguments.example}.py", "plan")
    form = split_process(source.process)
    bench = Bench(source, Computations(form.prepare, form.work, form.update), arguments.rounds)
    figures: dict[str, Any] = {"compile_seconds": round(time.perf_counter() - started, 2)}
    splits = [bench.split(arguments.example, arguments.participants, number) for number in range(arguments.splits)]
    figures |= {"example": arguments.example, "participants": arguments.participants, "rounds": arguments.rounds}
    figures |= {"splits": splits, "mean": summary(splits), "seconds": round(time.perf_counter() - started, 1)}
    print(json.dumps(figures, indent=2) if arguments.json else table(figures), flush=True)
    end_helpers()
    os._exit(0)  # TFF's exit hook may wait for its helper process


def end_helpers() -> None:
    """End the processes that TFF started, which outlive a process that ends without its exit hooks."""
    for path in Path("/proc/self/task").glob("*/children"):
        for child in path.read_text().split():
            os.kill(int(child), signal.SIGKILL)


class Bench:
    def __init__(self, source: Any, computations: Computations, rounds: int) -> None:
        self._source, self._computations, self._rounds = source, computations, rounds
        self._initial = first_state(source.process)

    def split(self, example: str, participants: int, number: int) -> dict[str, Any]:
        shares, test = deal(example, participants, number)
        nodes = [examples(share, self._source.schema) for share in shares]
        tested = examples(test, self._source.schema)
        pooled = join(nodes)
        return {
            "split": number,
            "rows": [node.rows for node in nodes],
            "federated": self.train(nodes, tested),
            "pooled": self.train([pooled], tested),
            "alone": [self.train([node], tested) for node in nodes],
        }

    def train(self, nodes: Sequence[Examples], test: Examples) -> float:
        state, metrics = self._initial, {}
        data = [client_data(node, test, self._source.batching, self._computations.data_type) for node in nodes]
        for _ in range(self._rounds + 1):  # the last round only evaluates the state before it
            broadcast = self._computations.broadcast(state)
            works = [self._computations.run_work(broadcast, one) for one in data]
            sums = [np.sum(parts, axis=0, dtype=parts[0].dtype) for parts in zip(*works, strict=True)]
            state, metrics = self._computations.run_update(state, sums)
        return round(100 * metrics["evaluation/accuracy"], 2)


def examples(rows: Rows, schema: Schema) -> Examples:
    means = np.array([float(column.mean or 0) for column in schema.columns])
    deviations = np.array([float(column.deviation or 1) for column in schema.columns])
    assert schema.label
    labels = np.array([schema.label.values.index(label) for label in rows.labels], dtype=np.int32)
    return Examples(((rows.features - means) / deviations).astype(np.float32), labels)


def join(nodes: Sequence[Examples]) -> Examples:
    order = np.random.default_rng(SEED).permutation(sum(node.rows for node in nodes))
    labels = np.concatenate([node.labels for node in nodes if node.labels is not None])
    return Examples(np.concatenate([node.features for node in nodes])[order], labels[order])


def summary(splits: Sequence[dict[str, Any]]) -> dict[str, float]:
    federated = statistics.fmean(split["federated"] for split in splits)
    pooled = statistics.fmean(split["pooled"] for split in splits)
    worst = statistics.fmean(min(split["alone"]) for split in splits)
    below, above = round(pooled - federated, 2), round(federated - worst, 2)
    return {"federated": round(federated, 2), "pooled": round(pooled, 2), "worst_alone": round(worst, 2)} | {
        "points_below_pooled": below,
        "points_above_worst_alone": above,
    }


def table(figures: dict[str, Any]) -> str:
    lines = ["split  federated  pooled  alone (accuracy on the test rows, %)"]
    for split in figures["splits"]:
        alone = "  ".join(f"{accuracy:5.2f}" for accuracy in split["alone"])
        lines.append(f"{split['split']:5}  {split['federated']:9.2f}  {split['pooled']:6.2f}  {alone}")
    return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in figures["mean"].items())])


if __name__ == "__main__":
    main()
