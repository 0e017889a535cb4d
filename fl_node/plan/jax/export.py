"""A Keras 3 network with given weights, saved: see `fl_node.plan.exporting`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from fl_node.plan.exporting import Kit, export
from fl_node.plan.jax.model import is_seed


def save(model: Any, target: str) -> None:
    """Write a Keras file."""
    if Path(target).suffix != ".keras":
        raise SystemExit("Keras 3 on JAX writes no SavedModel: take --format keras")
    model.save(target)


def load(target: str) -> Callable[[Any], Any]:
    """Read it again, and return what it computes."""
    model = keras.saving.load_model(target, compile=False)
    return lambda rows: model(rows, training=False)


def _kept(model: Any) -> list[Any]:
    return [variable for variable in model.non_trainable_variables if not is_seed(variable)]


if __name__ == "__main__":
    export(sys.argv[1:], Kit(_kept, save, load))
