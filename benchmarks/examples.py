"""What federation is worth on the examples for JAX: federated, pooled and each member alone, over fixed splits.

    python benchmarks/examples.py [--example claims] [--participants 4] [--split 0] [--rounds 60] [--holdout] [--json]

The plan's own work, integer sums and steps, in one process of JAX's environment; no ledger, no masks. All models train
for as many rounds and are measured on the same test rows, which nobody trained on. Goals: federated within 2 points (or
2 % of the loss) of pooled, and better than the best member alone in the mean. Which member that is differs from split
to split, and only the test rows tell: the mean of each split's best is the harder goal, the best of the members' means
the one without hindsight.

`--holdout` reads no test rows: it trains without the rows that the plan holds out and measures on those of all members.
Settings and ROUNDS of claims, credit and demand were chosen on such rows, by a simulation without quantisation.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = {"claims": 40, "credit": 60, "demand": 10, "digits": 20, "tumour": 20}
"""How many rounds each example trains."""

SPLITS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", action="append", choices=[*ROUNDS])
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--rounds", type=int, help=f"instead of {ROUNDS}")
    parser.add_argument("--split", type=int, action="append", choices=range(SPLITS), help="instead of all five")
    parser.add_argument("--holdout", action="store_true", help="measure on held-out rows, to choose settings")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found, splits = [], arguments.split or range(SPLITS)
    for example in arguments.example or ROUNDS:
        rounds = arguments.rounds or ROUNDS[example]
        found.append(measured(example, arguments.participants, rounds, splits, arguments.holdout))
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for figures in found:
        print(table(figures), flush=True)


def measured(example: str, participants: int, rounds: int, splits: Iterable[int], holdout: bool) -> dict[str, Any]:
    """Write every split's shares, then let one process of JAX train on all of them."""
    from fl_node.examples.catalogue import EXAMPLES
    from fl_node.examples.shares import _write_csv, deal
    from fl_node.plan.author import api
    from fl_node.plan.frameworks import JAX

    assert JAX.environment
    JAX.environment.install()
    started = time.perf_counter()
    with TemporaryDirectory(prefix="fedledger-examples-") as scratch:
        folder = Path(scratch)
        for split in splits:
            shares, test = deal(example, participants, split)
            for name, rows in [*((f"member-{at}", share) for at, share in enumerate(shares)), ("test", test)]:
                _write_csv(folder / str(split) / name, rows)
        api.build(ROOT / "fl_node" / "examples" / f"{example}_jax.py", folder / "example.flplan")
        done = subprocess.run(
            [
                str(JAX.environment.python),
                str(Path(__file__)),
                "--inside",
                scratch,
                str(rounds),
                EXAMPLES[example].metric,
                str(holdout),
            ],
            env={**os.environ, **JAX.environment.settings, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    figures = {
        "example": example,
        "measure": EXAMPLES[example].metric,
        "rounds": rounds,
        "splits": json.loads(done.stdout),
    }
    figures["on"] = "held-out rows" if holdout else "test rows"
    return {**figures, "mean": summary(figures), "seconds": round(time.perf_counter() - started, 1)}


def inside(folder: Path, rounds: int, measure: str, holdout: bool) -> None:
    """Train on every split; in JAX's environment."""
    from fl_node.data.examples import Examples, load_examples
    from fl_node.plan.container import load_plan
    from fl_node.plan.jax.loaded import LoadedPlan

    plan = load_plan(folder / "example.flplan")
    loaded = LoadedPlan(plan.manifest.canonical(), *plan.computations.values())
    at = loaded.manifest.averaging.measured.index(measure)

    def score(participants: Sequence[Examples], test: Examples) -> float:
        state = trained(loaded, plan.initial_state, participants, rounds)
        return loaded.measure(state, test)[at] / test.rows

    found = []
    for split in sorted(path for path in folder.iterdir() if path.is_dir()):
        percent = loaded.manifest.batching.holdout_percent if holdout else 0
        parts = [load_examples(path, loaded.manifest.schema_, percent) for path in sorted(split.glob("member-*"))]
        rows = [part[0] for part in parts]
        if holdout:
            test = joined([part[1] for part in parts])
        else:
            test = load_examples(split / "test.csv", loaded.manifest.schema_, 0)[0]
        alone = [score([one], test) for one in rows]
        found.append({"federated": score(rows, test), "pooled": score([joined(rows)], test), "alone": alone})
    print(json.dumps(found))


def trained(loaded: Any, state: bytes, participants: Sequence[Any], rounds: int) -> bytes:
    """The state after rounds in which everybody takes part: the nodes' arithmetic."""
    from fl_node.plan.arithmetic.state import read_model, read_state
    from fl_node.plan.arithmetic.update import next_state
    from fl_node.plan.arithmetic.work import Worked, vector_of
    from fl_node.plan.author.trial import summed

    manifest = loaded.manifest
    for _ in range(rounds):
        base, vectors = read_state(manifest, state), []
        for rows in participants:
            step = loaded.train(state, rows)
            nothing = {"train": step.sums, "evaluation": [0.0] * len(step.sums)}
            worked = Worked(*read_model(step.model), rows.rows, 1, nothing)
            vectors.append(vector_of(manifest, base, worked))
        counts = [manifest.layout.rows(vector) for vector in vectors]
        state, _ = next_state(manifest, state, summed(manifest.layout, vectors), counts)
    return state


def joined(parts: Sequence[Any]) -> Any:
    """All rows in an order that mixes the members'."""
    import numpy as np

    from fl_node.data.examples import Examples

    order = np.random.default_rng(2017).permutation(sum(part.rows for part in parts))
    labels = np.concatenate([part.labels for part in parts])
    return Examples(np.concatenate([part.features for part in parts])[order], labels[order])


def summary(figures: dict[str, Any]) -> dict[str, Any]:
    loss, splits = figures["measure"] == "loss", figures["splits"]
    better = min if loss else max
    federated = statistics.fmean(split["federated"] for split in splits)
    pooled = statistics.fmean(split["pooled"] for split in splits)
    best = statistics.fmean(better(split["alone"]) for split in splits)
    member = better(map(statistics.fmean, zip(*(split["alone"] for split in splits), strict=True)))
    behind, *ahead = (100 * _by(loss, federated, other) for other in (pooled, best, member))
    means = {"federated": federated, "pooled": pooled, "best_alone_of_each_split": best, "best_member": member}
    rounded = {name: round(mean, 4) for name, mean in means.items()}
    of_each_split, of_all = (round(-value, 2) for value in ahead)
    return {
        **rounded,
        "behind_percent": round(behind, 2),
        "ahead_percent": of_all,
        "ahead_of_each_split": of_each_split,
    }


def _by(loss: bool, value: float, other: float) -> float:
    """By how much a value is worse than another: a part of that loss, or a difference of accuracies."""
    return (value - other) / other if loss else other - value


def table(figures: dict[str, Any]) -> str:
    lines = [
        f"{figures['example']}: {figures['measure']} on the {figures['on']}, {figures['rounds']} rounds",
        "split  federated  pooled  alone",
    ]
    for at, split in enumerate(figures["splits"]):
        alone = "  ".join(f"{value:.4f}" for value in split["alone"])
        lines.append(f"{at:5}     {split['federated']:.4f}  {split['pooled']:.4f}  {alone}")
    return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in figures["mean"].items()), ""])


if __name__ == "__main__":
    if "--inside" in sys.argv:
        inside(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5] == "True")
    else:
        main()
