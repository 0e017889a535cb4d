"""A Keras 2 network with given weights, saved: `-m fl_node.plan.tff.export WEIGHTS.npz TARGET FILE.py[:function]`."""

import sys
from pathlib import Path

import tensorflow as tf

from fl_node.plan.filled import filled


def main() -> None:
    """Build the network, put the weights in and save it."""
    weights, target, source = sys.argv[1:]
    model = filled(weights, source, lambda model: model.non_trainable_weights)
    if Path(target).suffix == ".keras":
        model.save(target)
    else:
        tf.saved_model.save(model, target)


if __name__ == "__main__":
    main()
