"""A researcher's Keras network with given weights: what the exports of both Kerases do alike. Imports neither."""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def filled(weights: str, source: str, kept: Callable[[Any], Sequence[Any]]) -> Any:
    """Builds a network and puts weights in.

    Args:
        weights: A .npz file of `trainable/0` … and `non_trainable/0` …; `frozen/N` is number N of those not trained.
        source: FILE.py[:function]; the function's default name is `network`.
        kept: From the network to its variables that are not trained, in the state's order.
    """
    model, arrays = network_of(source)(), dict(np.load(weights))
    others = list(kept(model))
    frozen = {_place(name): arrays[name] for name in arrays if name.startswith("frozen/")}
    if any(at >= len(others) or others[at].shape != array.shape for at, array in frozen.items()):
        raise SystemExit("the network's frozen weights have other shapes than the plan's")
    for at, array in frozen.items():
        others[at].assign(array)
    moving = [variable for at, variable in enumerate(others) if at not in frozen]
    for kind, variables in (("trainable", model.trainable_weights), ("non_trainable", moving)):
        names = sorted((name for name in arrays if name.startswith(f"{kind}/")), key=_place)
        if [tuple(arrays[name].shape) for name in names] != [tuple(variable.shape) for variable in variables]:
            raise SystemExit(f"the network's {kind} weights have other shapes than the state's")
        for name, variable in zip(names, variables, strict=True):
            variable.assign(arrays[name])
    return model


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


def _place(name: str) -> int:
    return int(name.rpartition("/")[2])
