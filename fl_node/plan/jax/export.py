"""A Keras 3 network with given weights, saved: `-m fl_node.plan.jax.export WEIGHTS.npz TARGET FILE.py[:function]`."""

import sys
from pathlib import Path
from typing import Any

from fl_node.plan.filled import filled
from fl_node.plan.jax.model import is_seed


def main() -> None:
    """Build the network, put the weights in and save it."""
    weights, target, source = sys.argv[1:]
    if Path(target).suffix != ".keras":
        raise SystemExit("Keras 3 on JAX writes no SavedModel: take --format keras")
    filled(weights, source, _kept).save(target)


def _kept(model: Any) -> list[Any]:
    return [variable for variable in model.non_trainable_variables if not is_seed(variable)]


if __name__ == "__main__":
    main()
