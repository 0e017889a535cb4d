"""What a child does that exports a Keras network, whichever Keras it is: save, read again, compute. Imports neither.

`-m fl_node.plan.FRAMEWORK.export WEIGHTS.npz TARGET FILE.py[:function] SCRATCH`, where SCRATCH may hold `rows.npy`. The
child leaves `outputs.npz` there, of the network and of the file read again; for ONNX `layers.json` and `layers.npz`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.filled import filled

ROWS, OUTPUTS, LAYERS, ARRAYS = "rows.npy", "outputs.npz", "layers.json", "layers.npz"
NOTHING: Final = {"InputLayer", "Dropout", "GaussianNoise", "ActivityRegularization"}
"""Layers that do nothing where nobody trains."""


@dataclass(frozen=True)
class Kit:
    """What one Keras does its own way.

    Attributes:
        kept: From a network to its variables that are not trained, in the state's order.
        save: Writes a network to a path.
        load: From a path to a function of rows.
    """

    kept: Callable[[Any], Sequence[Any]]
    save: Callable[[Any, str], None]
    load: Callable[[str], Callable[[NDArray[Any]], Any]]


def export(arguments: Sequence[str], kit: Kit) -> None:
    """Do what a child is asked for.

    Raises:
        SystemExit: the network does not fit, or a layer has no form in ONNX; the text says why.
    """
    weights, target, source, folder = arguments
    model, scratch, again = filled(weights, source, kit.kept), Path(folder), None
    if Path(target).suffix == ".onnx":
        describe(model, scratch)
    else:
        kit.save(model, target)
        again = kit.load(target)
    if (scratch / ROWS).exists():
        rows = np.load(scratch / ROWS)
        found = {"network": np.asarray(model(rows, training=False))}
        if again is not None:
            found["again"] = np.asarray(again(rows))
        np.savez(scratch / OUTPUTS, **found)


def describe(model: Any, scratch: Path) -> None:
    """Write a network's layers, one after the other, and their arrays."""
    if type(model).__name__ != "Sequential":
        raise SystemExit("ONNX is written of networks whose layers follow one another: keras.Sequential")
    layers: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for layer in model.layers:
        name = type(layer).__name__
        if name in NOTHING:
            continue
        if name not in KINDS:
            raise SystemExit(f"the layer {layer.name} is a {name}, for which there is no form in ONNX here")
        found, its = KINDS[name](layer)
        layers.append({"kind": name, **found})
        arrays |= {f"{len(layers) - 1}/{key}": np.asarray(value) for key, value in its.items()}
    shapes = {"input": model.input_shape, "output": model.output_shape}
    sizes = {name: [int(size) for size in shape[1:]] for name, shape in shapes.items()}
    (scratch / LAYERS).write_text(json.dumps({**sizes, "layers": layers}))
    np.savez(scratch / ARRAYS, **arrays)


Described = tuple[dict[str, Any], dict[str, Any]]


def _dense(layer: Any) -> Described:
    bias = {"bias": layer.bias} if layer.use_bias else {}
    return {"activation": _name(layer.activation)}, {"kernel": layer.kernel, **bias}


def _normalised(layer: Any) -> Described:
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, 1):
        raise SystemExit(f"the layer {layer.name} normalises another axis than the columns")
    parts = {"mean": layer.moving_mean, "variance": layer.moving_variance}
    parts |= {name: getattr(layer, name) for name in ("gamma", "beta") if getattr(layer, name) is not None}
    return {"epsilon": float(layer.epsilon)}, parts


def _activation(layer: Any) -> Described:
    return {"activation": _name(layer.activation)}, {}


def _reshaped(layer: Any) -> Described:
    return {"shape": [int(size) for size in layer.target_shape]}, {}


KINDS: Final[dict[str, Callable[[Any], Described]]] = {
    "Dense": _dense,
    "BatchNormalization": _normalised,
    "Activation": _activation,
    "ReLU": lambda layer: ({"activation": "relu"} if _plain(layer) else {"activation": layer.name}, {}),
    "Softmax": lambda _: ({"activation": "softmax"}, {}),
    "Flatten": lambda _: ({}, {}),
    "Reshape": _reshaped,
}
"""The kinds of layers that have a form in ONNX here (`fl_node.commands.onnx_file`)."""


def _plain(layer: Any) -> bool:
    return layer.max_value is None and not layer.negative_slope and not layer.threshold


def _name(activation: Any) -> str:
    return str(getattr(activation, "__name__", activation))
