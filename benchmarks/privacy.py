"""What privacy costs: accuracy on test rows with noise for an ε, without noise, and pooled with the noise of one.

    python benchmarks/privacy.py [--example tumour] [--epsilon 3] [--rounds 40] [--seeds 10] [--participants 4] [--json]

Real plans on JAX (`fedledger plan runtime install jax`): local steps in a child process, noise, integer sums and the
server's step; no ledger and no masks, which change no sum. "pooled" is one participant that holds all rows and adds all
noise itself: central DP-SGD without sampling, at the same ε. Each seed is another split of the rows, and fresh noise.
"""

import argparse
import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fl_node.data.examples import load_examples
from fl_node.examples.shares import Rows, deal
from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.arithmetic.state import read_state
from fl_node.plan.build import build, write_plan
from fl_node.plan.frameworks import JAX
from fl_node.plan.runtime import DataSource, open_plan

SOURCE = """
import keras
from fl_node.data.schema import Column, Label, Schema
from fl_node.examples.tumour_jax import SCHEMA as TUMOUR
from fl_node.plan.arithmetic.averaging import Server
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.jax.training import Training, accuracy, sgd
from fl_node.plan.manifest import Batching, Quantisation

DIGITS = Schema(
    columns=tuple(Column(name=f"pixel_{{at // 8}}_{{at % 8}}", minimum="0", maximum="16", mean="4.9", deviation="6")
                  for at in range(64)),
    label=Label(name="digit", values=tuple(map(str, range(10)))),
)

def plan():
    schema = {{"tumour": TUMOUR, "digits": DIGITS}}["{example}"]
    classes = len(schema.label_columns[0].values)
    return Training(
        name="{example}",
        model=keras.Sequential(
            [keras.layers.Input((schema.width,)), keras.layers.Dense(classes, kernel_initializer="zeros")]
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={{"accuracy": accuracy}},
        optimiser=sgd(0.5),
        server=Server(kind="fedavgm", rate="{rate}", momentum="0.9"),
        schema=schema,
        batching=Batching(batch=64, epochs=1, holdout_percent=15),
        quantisation=Quantisation(bits=24, clip="1", weight_cap={cap}),
        privacy={goal},
    )
"""
GOAL = 'Goal(epsilon="{epsilon}", rounds={rounds}, survivors={survivors}, colluders=1)'


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    pooled: bool
    private: bool


CASES = (
    Case("federated", pooled=False, private=False),
    Case("federated, private", pooled=False, private=True),
    Case("pooled, private", pooled=True, private=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", default="tumour", choices=["tumour", "digits"])
    parser.add_argument("--epsilon", default="3")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--rate", default="0.5")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {case.name: figures(case, arguments, Path(folder)) for case in CASES}
    if arguments.json:
        print(json.dumps({**vars(arguments), "cases": found}, indent=2), flush=True)
        return
    print(f"{arguments.example}, ε = {arguments.epsilon}, {arguments.rounds} rounds, {arguments.seeds} seeds")
    for name, one in found.items():
        figures_of = f"{one['mean']:6.2f} ± {one['deviation']:.2f} %, membership attack {one['membership']:.3f}"
        print(f"{name:20} {figures_of}", flush=True)


def figures(case: Case, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Accuracy on test rows over the seeds."""
    survivors = 2 if case.pooled else arguments.participants
    goal = GOAL.format(epsilon=arguments.epsilon, rounds=arguments.rounds, survivors=survivors)
    text = SOURCE.format(
        example=arguments.example,
        cap=2048 if case.pooled else 512,
        rate=arguments.rate,
        goal=goal if case.private else "None",
    )
    source, plan = folder / f"{case.name}.py", folder / f"{case.name}.flplan"
    source.write_text(text)
    write_plan(build(str(source), framework=JAX), plan)
    found = [score(case, arguments, seed, plan, folder / f"{case.name}-{seed}") for seed in range(arguments.seeds)]
    scores, attacks = [accuracy for accuracy, _ in found], [attack for _, attack in found]
    deviation = statistics.stdev(scores) if len(scores) > 1 else 0.0
    return {
        "mean": statistics.fmean(scores),
        "deviation": deviation,
        "scores": scores,
        "membership": statistics.fmean(attacks),
    }


def score(case: Case, arguments: argparse.Namespace, seed: int, plan: Path, folder: Path) -> tuple[float, float]:
    """Trains on one split; the model's accuracy on test rows, and how well its loss tells training rows from them."""
    shares, test = deal(arguments.example, arguments.participants, seed)
    folder.mkdir()
    parts = [joined(shares)] if case.pooled else shares
    paths = [written(rows, folder / f"{number}.csv") for number, rows in enumerate(parts)]
    tested = written(test, folder / "test.csv")
    with open_plan(plan, data=folder) as runtime:
        assert isinstance(runtime, AveragingRuntime)
        state = runtime.initialize()
        for _ in range(arguments.rounds):
            works = [runtime.work(state, DataSource(path)) for path in paths]
            state = runtime.update(state, summed(runtime, [work.vector for work in works]), counts(works)).state
        right, strange = measured(runtime, state, tested)
        known = np.concatenate([measured(runtime, state, path)[1] for path in paths])
        return 100 * float(np.mean(right)), membership(known, strange)


def counts(works: list[Any]) -> list[int]:
    return [work.examples for work in works]


def summed(runtime: AveragingRuntime, vectors: list[bytes]) -> bytes:
    """The sum of vectors, as secure aggregation gives it."""
    layout = runtime.manifest.layout.flat
    total = bytearray(layout.length)
    for segment in layout.segments:
        segment.view(total)[:] = np.sum([segment.view(vector) for vector in vectors], axis=0, dtype=segment.dtype)
    return bytes(total)


def measured(runtime: AveragingRuntime, state: bytes, path: Path) -> tuple[Any, Any]:
    """Whether each row's class is found, and its loss."""
    rows = load_examples(path, runtime.manifest.schema_, 0)[0]
    weights, bias = read_state(runtime.manifest, state).trained
    assert rows.labels is not None
    outputs = (rows.features @ weights + bias).astype(np.float64)
    outputs -= outputs.max(axis=1, keepdims=True)
    losses = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(rows.rows), rows.labels]
    return np.argmax(outputs, axis=1) == rows.labels, losses


def membership(known: Any, strange: Any) -> float:
    """The area under the curve of an attacker that takes rows of a small loss for training rows (Yeom et al., 2018)."""
    order = np.concatenate([known, strange]).argsort().argsort() + 1
    ranks = order[: len(known)].sum() - len(known) * (len(known) + 1) / 2
    return 1 - float(ranks) / (len(known) * len(strange))


def joined(shares: list[Rows]) -> Rows:
    features = np.concatenate([share.features for share in shares])
    return Rows(shares[0].columns, features, tuple(label for share in shares for label in share.labels))


def written(rows: Rows, path: Path) -> Path:
    lines = [
        ",".join([*map(repr, map(float, row)), label]) for row, label in zip(rows.features, rows.labels, strict=True)
    ]
    path.write_text("\n".join([",".join(rows.columns), *lines]) + "\n")
    return path


if __name__ == "__main__":
    main()
