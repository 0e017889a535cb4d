"""What federation is worth on the examples for JAX: federated, pooled and each member alone, over fixed splits.

    python benchmarks/examples.py [--example claims] [--participants 4] [--rounds 20] [--splits 5] [--json]

The plan's own work, integer sums and steps, in one process of JAX's environment; no ledger, no masks. All models are
measured on the same test rows, which nobody trained on. Goals: federated within 2 points (or 2 % of the loss) of
pooled, and better than the best member alone in the mean.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = {"claims": "loss", "credit": "loss", "digits": "accuracy", "tumour": "accuracy"}
"""Example → what is compared: a loss, of which less is better, or an accuracy in points."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", action="append", choices=[*EXAMPLES])
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = [
        measured(example, arguments.participants, arguments.rounds, arguments.splits)
        for example in arguments.example or EXAMPLES
    ]
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for figures in found:
        print(table(figures), flush=True)


def measured(example: str, participants: int, rounds: int, splits: int) -> dict[str, Any]:
    """Write every split's shares, then let one process of JAX train on all of them."""
    from fl_node.examples.shares import _write_csv, deal
    from fl_node.plan.author import api
    from fl_node.plan.frameworks import JAX

    assert JAX.environment
    JAX.environment.install()
    started = time.perf_counter()
    with TemporaryDirectory(prefix="fedledger-examples-") as scratch:
        folder = Path(scratch)
        for split in range(splits):
            shares, test = deal(example, participants, split)
            for name, rows in [*((f"member-{at}", share) for at, share in enumerate(shares)), ("test", test)]:
                _write_csv(folder / str(split) / name, rows)
        api.build(ROOT / "fl_node" / "examples" / f"{example}_jax.py", folder / "example.flplan")
        done = subprocess.run(
            [str(JAX.environment.python), str(Path(__file__)), "--inside", scratch, str(rounds), EXAMPLES[example]],
            env={**os.environ, **JAX.environment.settings, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    figures = {"example": example, "measure": EXAMPLES[example], "rounds": rounds, "splits": json.loads(done.stdout)}
    return {**figures, "mean": summary(figures), "seconds": round(time.perf_counter() - started, 1)}


def inside(folder: Path, rounds: int, measure: str) -> None:
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
        rows = [load_examples(path, loaded.manifest.schema_, 0)[0] for path in sorted(split.glob("member-*"))]
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
            vectors.append(vector_of(manifest, (base.trained, base.kept), worked))
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
    better = min if figures["measure"] == "loss" else max
    federated = statistics.fmean(split["federated"] for split in figures["splits"])
    pooled = statistics.fmean(split["pooled"] for split in figures["splits"])
    best = statistics.fmean(better(split["alone"]) for split in figures["splits"])
    if figures["measure"] == "loss":
        within, ahead = (federated - pooled) / pooled <= 0.02, federated < best
    else:
        within, ahead = pooled - federated <= 0.02, federated > best
    means = {"federated": federated, "pooled": pooled, "best_alone": best}
    return {**{name: round(mean, 4) for name, mean in means.items()}, "within": within, "ahead": ahead}


def table(figures: dict[str, Any]) -> str:
    lines = [f"{figures['example']}: {figures['measure']} on the test rows", "split  federated  pooled  alone"]
    for at, split in enumerate(figures["splits"]):
        alone = "  ".join(f"{value:.4f}" for value in split["alone"])
        lines.append(f"{at:5}     {split['federated']:.4f}  {split['pooled']:.4f}  {alone}")
    return "\n".join([*lines, ", ".join(f"{name} {value}" for name, value in figures["mean"].items()), ""])


if __name__ == "__main__":
    if "--inside" in sys.argv:
        inside(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main()
