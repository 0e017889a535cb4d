"""What a public part of each update costs in accuracy: an example for JAX with whole updates and with a share of them.

    python -m benchmarks.compression [--example digits] [--keep 0.1] [--rounds 20 60] [--split 0]

The plan's own work, integer sums and steps, in one process of JAX's environment, as `examples` does; no ledger, no
masks. Every model is measured on the same test rows, which nobody trained on.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.examples import ROOT, ROUNDS, SPLITS, trained

WHOLE = "1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", default="digits", choices=[*ROUNDS])
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--keep", nargs="+", default=["0.1"], help="the shares that travel, beside the whole")
    parser.add_argument("--rounds", type=int, nargs="+", default=[20, 60])
    parser.add_argument("--split", type=int, default=0, choices=range(SPLITS))
    arguments = parser.parse_args()
    for figures in measured(arguments):
        print(json.dumps(figures), flush=True)


def measured(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Write the shares of a split, then let one process of JAX train every plan on them."""
    from fl_node.examples.shares import _write_csv, deal
    from fl_node.plan.frameworks import JAX

    assert JAX.environment
    JAX.environment.install()
    with TemporaryDirectory(prefix="fedledger-compression-") as scratch:
        shares, test = deal(arguments.example, arguments.participants, arguments.split)
        for name, rows in [*((f"member-{at}", share) for at, share in enumerate(shares)), ("test", test)]:
            _write_csv(Path(scratch) / name, rows)
        settings = json.dumps([arguments.example, [WHOLE, *arguments.keep], sorted(arguments.rounds)])
        done = subprocess.run(
            [str(JAX.environment.python), "-m", "benchmarks.compression", "--inside", scratch, settings],
            env={**os.environ, **JAX.environment.settings, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return list(json.loads(done.stdout.splitlines()[-1]))


def inside(folder: Path, example: str, shares: list[str], rounds: list[int]) -> None:
    """Train with every share, and measure after so many rounds; in JAX's environment."""
    from dataclasses import replace

    import keras

    from fl_node.data.examples import load_examples
    from fl_node.plan.arithmetic.averaging import Compression
    from fl_node.plan.arithmetic.compiling import SEED, described_training
    from fl_node.plan.container import read_plan
    from fl_node.plan.jax.compile import compile_training
    from fl_node.plan.jax.loaded import LoadedPlan

    found = []
    for keep in shares:
        keras.utils.set_random_seed(SEED)  # all begin with the same weights
        training = described_training(ROOT / "fl_node" / "examples" / f"{example}_jax.py", "plan")
        training = replace(training, compression=None if keep == WHOLE else Compression(keep=keep))
        plan = read_plan(compile_training(training))
        loaded = LoadedPlan(plan.manifest.canonical(), *plan.computations.values())
        schema, averaging = loaded.manifest.schema_, loaded.manifest.averaging
        members = [load_examples(path, schema, 0)[0] for path in sorted(folder.glob("member-*"))]
        test, state, before = load_examples(folder / "test.csv", schema, 0)[0], plan.initial_state, 0
        for until in rounds:
            state, before = trained(loaded, state, members, until - before), until
            sums = zip(averaging.measured, loaded.measure(state, test), strict=True)
            slots = sum(one.slots for one in loaded.manifest.layout.segments)
            measures = {name: round(total / test.rows, 4) for name, total in sums}
            found.append({"keep": keep, "rounds": until, "slots": slots, **measures})
    print(json.dumps(found))


if __name__ == "__main__":
    if "--inside" in sys.argv:
        inside(Path(sys.argv[2]), *json.loads(sys.argv[3]))
    else:
        main()
