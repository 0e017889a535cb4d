"""What a child does that exports a Keras network, whichever Keras it is: save, read again, compute. Imports neither.

`-m fl_node.plan.FRAMEWORK.export FILE.py[:function] SCRATCH TARGET…`, where SCRATCH holds `weights.npz` and may hold
`rows.npy`. The child leaves `outputs.npz` there, of the network and of each file read again; for ONNX `layers.json` and
`layers.npz`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.convolutions import Described, convolution, depthwise, pooling, reduction
from fl_node.plan.filled import filled
from fl_node.plan.settled import settle

WEIGHTS, ROWS, OUTPUTS = "weights.npz", "rows.npy", "outputs.npz"
LAYERS, ARRAYS = "layers.json", "layers.npz"
NETWORK: Final = "network"
"""The network's own outputs among OUTPUTS; the others have their targets' names."""
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
    source, folder, *names = arguments
    scratch, targets = Path(folder), [Path(name) for name in names]
    model = filled(str(scratch / WEIGHTS), source, kit.kept)
    for target in targets:
        if target.suffix == ".onnx":
            describe(model, scratch)
        else:
            kit.save(model, str(target))
        if target.suffix == ".keras":
            settle(target)
    if (scratch / ROWS).exists():
        rows = np.load(scratch / ROWS)
        found = {NETWORK: np.asarray(model(rows, training=False))}
        again = [target for target in targets if target.suffix != ".onnx"]
        np.savez(scratch / OUTPUTS, **found, **{one.name: np.asarray(kit.load(str(one))(rows)) for one in again})


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


def _dense(layer: Any) -> Described:
    bias = {"bias": layer.bias} if layer.use_bias else {}
    return {"activation": _name(layer.activation)}, {"kernel": layer.kernel, **bias}


def _normalised(layer: Any) -> Described:
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, len(layer.input.shape) - 1):
        raise SystemExit(f"the layer {layer.name} normalises another axis than the last")
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
    "Conv1D": convolution,
    "Conv2D": convolution,
    "Conv3D": convolution,
    "DepthwiseConv1D": depthwise,
    "DepthwiseConv2D": depthwise,
    **{f"MaxPooling{at}D": partial(pooling, "MaxPool") for at in (1, 2, 3)},
    **{f"AveragePooling{at}D": partial(pooling, "AveragePool") for at in (1, 2, 3)},
    **{f"GlobalMaxPooling{at}D": partial(reduction, "ReduceMax") for at in (1, 2, 3)},
    **{f"GlobalAveragePooling{at}D": partial(reduction, "ReduceMean") for at in (1, 2, 3)},
    "Flatten": lambda _: ({}, {}),
    "Reshape": _reshaped,
}
"""The kinds of layers that have a form in ONNX here (`fl_node.plan.onnx_file`)."""


def _plain(layer: Any) -> bool:
    return layer.max_value is None and not layer.negative_slope and not layer.threshold


def _name(activation: Any) -> str:
    return str(getattr(activation, "__name__", activation))
