"""What privacy costs: accuracy on test rows with noise for an ε, without noise, and pooled with the noise of one.

    python benchmarks/privacy.py [--example tumour] [--epsilon 3]... [--rounds 40] [--seeds 10] [--participants 4]
                                 [--unit record] [--rate 0.5] [--epochs 1] [--hidden 0] [--rows N] [--random 0] [--json]

Real plans on JAX (`fedledger plan runtime install jax`): local steps in a child process, noise, integer sums and the
server's step; no ledger and no masks, which change no sum. "pooled" is one participant that holds all rows and adds all
noise itself: central DP-SGD without sampling, at the same ε. Each seed is another split of the rows, and fresh noise.
With `--unit participant` whole updates are protected, and nobody holds all rows. Of `credit`, where few rows are of one
outcome, the score is the area under the curve instead of the accuracy. Several `--epsilon` make a table. `--hidden`
adds a layer, so that there is a model that remembers rows. `--rows` leaves each participant so few, and `--random`
gives that share of all rows a random label, which can only be remembered: so the attack has something to find. It is
asked of training rows and of test rows that were treated alike; accuracy is that of untouched test rows.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from fl_node.examples.credit_schema import SCHEMA as CREDIT
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
    schema = {{"tumour": TUMOUR, "digits": DIGITS, "credit": CREDIT}}["{example}"]
    classes = len(schema.label_columns[0].values)
    hidden = [keras.layers.Dense({hidden}, activation="relu")] if {hidden} else []
    return Training(
        name="{example}",
        model=keras.Sequential(
            [keras.layers.Input((schema.width,)), *hidden, keras.layers.Dense(classes, kernel_initializer="{init}")]
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={{"accuracy": accuracy}},
        optimiser=sgd(0.5),
        server=Server(kind="fedavgm", rate="{rate}", momentum="0.9"),
        schema=schema,
        batching=Batching(batch=64, epochs={epochs}, holdout_percent={held}),
        quantisation=Quantisation(bits=24, clip="1", weight_cap={cap}),
        privacy={goal},
    )
"""
GOAL = 'Goal(epsilon="{epsilon}", unit="{unit}", rounds={rounds}, survivors={survivors}, colluders=1)'


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
    parser.add_argument("--example", default="tumour", choices=["tumour", "digits", "credit"])
    parser.add_argument("--epsilon", action="append")
    parser.add_argument("--unit", default="record", choices=["record", "participant"])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rate", default="0.5")
    parser.add_argument("--hidden", type=int, default=0)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--random", type=float, default=0.0)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.epsilon = arguments.epsilon or ["3"]
    with tempfile.TemporaryDirectory() as folder:
        found = {name: figures(case, epsilon, arguments, Path(folder)) for name, case, epsilon in wanted(arguments)}
    for one in found.values():
        one["lost"] = found["federated"]["mean"] - one["mean"]
    if arguments.json:
        print(json.dumps({**vars(arguments), "cases": found}, indent=2), flush=True)
        return
    title = f"{arguments.example}, unit {arguments.unit}, {arguments.participants} participants"
    print(f"{title}, {arguments.rounds} rounds, {arguments.seeds} seeds")
    for name, one in found.items():
        attack = f"of training rows {one['training']:6.2f} %, membership attack {one['membership']:.3f}"
        print(f"{name:30} {one['mean']:6.2f} ± {one['deviation']:.2f} %, {attack}", flush=True)


def wanted(arguments: argparse.Namespace) -> Iterator[tuple[str, Case, str]]:
    """The rows of the table: what needs no ε once, the others for each."""
    for case in CASES:
        if case.pooled and (arguments.unit == "participant" or arguments.rows):
            continue
        for epsilon in arguments.epsilon if case.private else [""]:
            yield f"{case.name}, ε = {epsilon}" if epsilon else case.name, case, epsilon


def figures(case: Case, epsilon: str, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The score on test rows over the seeds."""
    survivors = 2 if case.pooled else arguments.participants
    goal = GOAL.format(epsilon=epsilon, unit=arguments.unit, rounds=arguments.rounds, survivors=survivors)
    cap = 2048 if case.pooled else 512
    text = SOURCE.format(
        example=arguments.example,
        cap=None if arguments.unit == "participant" else cap,
        epochs=arguments.epochs,
        held=0 if arguments.unit == "participant" or arguments.rows else 15,  # small shares are trained whole
        rate=arguments.rate,
        hidden=arguments.hidden,
        init="glorot_uniform" if arguments.hidden else "zeros",
        goal=goal if case.private else "None",
    )
    name = f"{case.name}-{epsilon}"
    source, plan = folder / f"{name}.py", folder / f"{name}.flplan"
    source.write_text(text)
    write_plan(build(str(source), framework=JAX), plan)
    found = [score(case, arguments, seed, plan, folder / f"{name}-{seed}") for seed in range(arguments.seeds)]
    scores, attacks, known = map(list, zip(*found, strict=True))
    deviation = statistics.stdev(scores) if len(scores) > 1 else 0.0
    return {
        "mean": statistics.fmean(scores),
        "deviation": deviation,
        "scores": scores,
        "membership": statistics.fmean(attacks),
        "training": statistics.fmean(known),
    }


def score(case: Case, arguments: argparse.Namespace, seed: int, plan: Path, folder: Path) -> tuple[float, float, float]:
    """Trains on one split.

    Returns:
        The model's accuracy on test rows, how well its loss tells training rows from them, its accuracy on the former.
    """
    shares, test = deal(arguments.example, arguments.participants, seed)
    draw = np.random.default_rng(seed)
    shares = [treated(share, arguments, draw) for share in shares]
    folder.mkdir()
    parts = [joined(shares)] if case.pooled else shares
    paths = [written(rows, folder / f"{number}.csv") for number, rows in enumerate(parts)]
    tested = written(test, folder / "test.csv")
    alike = written(relabelled(test, arguments.random, draw), folder / "alike.csv")
    with open_plan(plan, data=folder) as runtime:
        assert isinstance(runtime, AveragingRuntime)
        state = runtime.initialize()
        for _ in range(arguments.rounds):
            works = [runtime.work(state, DataSource(path)) for path in paths]
            state = runtime.update(state, summed(runtime, [work.vector for work in works]), counts(works)).state
        right, _ = measured(runtime, state, tested)
        if arguments.example == "credit":
            right = [ranked(runtime, state, tested)]
        learned, known = map(np.concatenate, zip(*(measured(runtime, state, path) for path in paths), strict=True))
        attack = membership(known, measured(runtime, state, alike)[1])
        return 100 * float(np.mean(right)), attack, 100 * float(np.mean(learned))


def treated(rows: Rows, arguments: argparse.Namespace, draw: np.random.Generator) -> Rows:
    """A participant's rows: as many as are asked for, drawn by lot, some with random labels."""
    if arguments.rows:
        kept = draw.permutation(len(rows.labels))[: arguments.rows]
        rows = replace(rows, features=rows.features[kept], labels=tuple(rows.labels[at] for at in kept))
    return relabelled(rows, arguments.random, draw)


def relabelled(rows: Rows, share: float, draw: np.random.Generator) -> Rows:
    """Rows of which a share have a label drawn from all that occur."""
    classes = sorted(set(rows.labels))
    labels = [str(draw.choice(classes)) if draw.random() < share else label for label in rows.labels]
    return replace(rows, labels=tuple(labels))


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
    assert rows.labels is not None
    outputs = answers(runtime, state, rows.features)
    outputs -= outputs.max(axis=1, keepdims=True)
    losses = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(rows.rows), rows.labels]
    return np.argmax(outputs, axis=1) == rows.labels, losses


def answers(runtime: AveragingRuntime, state: bytes, features: Any) -> Any:
    """What the model says of rows: dense layers, with a ramp between them."""
    arrays = read_state(runtime.manifest, state).trained
    found = features
    for at in range(0, len(arrays), 2):
        found = (np.maximum(found, 0) if at else found) @ arrays[at] + arrays[at + 1]
    return found.astype(np.float64)


def ranked(runtime: AveragingRuntime, state: bytes, path: Path) -> float:
    """How often a row of the second class has a higher score than one of the first: the area under the curve."""
    rows = load_examples(path, runtime.manifest.schema_, 0)[0]
    scores = answers(runtime, state, rows.features) @ np.array([-1, 1])
    return 1 - membership(scores[rows.labels == 1], scores[rows.labels == 0])


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
