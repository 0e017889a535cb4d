"""A Keras 2 network with given weights, saved: see `fl_node.plan.exporting`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from fl_node.plan.exporting import Kit, export


def save(model: Any, target: str) -> None:
    """Write a Keras file or a SavedModel, whichever the name asks for."""
    if Path(target).suffix == ".keras":
        model.save(target)
    else:
        tf.saved_model.save(model, target)


def load(target: str) -> Callable[[Any], Any]:
    """Read it again, and return what it computes."""
    if Path(target).suffix == ".keras":
        model = tf.keras.models.load_model(target, compile=False)
        return lambda rows: model(rows, training=False)
    serving = tf.saved_model.load(target).signatures["serving_default"]
    return lambda rows: next(iter(serving(tf.constant(rows)).values()))


if __name__ == "__main__":
    export(sys.argv[1:], Kit(lambda model: model.non_trainable_weights, save, load))
