"""A Keras network with given weights, saved: `-m fl_node.plan.tff.export WEIGHTS.npz TARGET FILE.py[:function]`."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def network_of(source: str) -> Callable[[], Any]:
    """Return the function (default `network`) of a Python file."""
    path, _, function = source.partition(":")
    spec = importlib.util.spec_from_file_location("network_source", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[], Any] = getattr(module, function or "network")
    return found


def main() -> None:
    """Build the network, put the weights in and save it."""
    weights, target, source = sys.argv[1:]
    model = network_of(source)()
    arrays = dict(np.load(weights))
    for kind, variables in (("trainable", model.trainable_weights), ("non_trainable", model.non_trainable_weights)):
        names = sorted((name for name in arrays if name.startswith(f"{kind}/")), key=_place)
        if [tuple(arrays[name].shape) for name in names] != [tuple(variable.shape) for variable in variables]:
            raise SystemExit(f"the network's {kind} weights have other shapes than the state's")
        for name, variable in zip(names, variables, strict=True):
            variable.assign(arrays[name])
    if Path(target).suffix == ".keras":
        model.save(target)
    else:
        tf.saved_model.save(model, target)


def _place(name: str) -> int:
    return int(name.rpartition("/")[2])


if __name__ == "__main__":
    main()
