"""A network whose layers follow one another as an ONNX file; needs the package `onnx` (extra `onnx`)."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.plan.exporting import ARRAYS, LAYERS

OPSET: Final = 17
IR_VERSION: Final = 8
"""The format of that opset's time: ONNX Runtime 1.12 and whatever came since reads both."""
ACTIVATIONS: Final = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax", "elu": "Elu", "selu": "Selu",
    "softplus": "Softplus", "softsign": "Softsign", "exponential": "Exp",
}  # fmt: skip
"""Keras's name → ONNX's operator, with the same defaults."""
INPUT, OUTPUT = "rows", "outputs"


def write_onnx(scratch: Path, path: Path) -> None:
    """Write the network that a child described.

    Raises:
        NodeError: FL4502, `onnx` is not installed, or an activation has no operator.
    """
    onnx = _onnx()
    said = json.loads((scratch / LAYERS).read_bytes())
    graph = _Graph(onnx)
    arrays: dict[str, NDArray[Any]] = dict(np.load(scratch / ARRAYS))
    for at, layer in enumerate(said["layers"]):
        graph.add(layer, {name.partition("/")[2]: arrays[name] for name in arrays if name.startswith(f"{at}/")})
    path.write_bytes(graph.made(said["input"], said["output"]).SerializeToString())


def outputs_of(path: Path, rows: NDArray[np.float32]) -> NDArray[Any]:
    """Return what an ONNX file computes of rows, by ONNX's own reference implementation."""
    _onnx()
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415  # optional

    found: list[Any] = ReferenceEvaluator(str(path)).run(None, {INPUT: rows})  # type: ignore[assignment]
    return np.asarray(found[0])


def _onnx() -> Any:
    try:
        import onnx  # noqa: PLC0415  # optional
    except ModuleNotFoundError:
        hint = "Install it: pip install 'fedledger[onnx]'."
        raise NodeError(codes.EXPORT_REFUSED, "the package onnx is not installed", hint=hint) from None
    return onnx


class _Graph:
    """A graph in the making: each layer reads what the one before gives."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._arrays: list[Any] = []
        self._last = INPUT

    def add(self, layer: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Add a layer with its arrays."""
        match layer["kind"]:
            case "Dense":
                self._node("MatMul", arrays["kernel"])
                if "bias" in arrays:
                    self._node("Add", arrays["bias"])
            case "BatchNormalization":
                scale, shift = _affine(layer["epsilon"], arrays)
                self._node("Mul", scale)
                self._node("Add", shift)
            case "Conv":
                parts = [arrays["kernel"]] + ([arrays["bias"]] if "bias" in arrays else [])
                self._channels_first(layer, ("group", "dilations", "strides", "pads"), *parts)
            case "MaxPool" | "AveragePool":
                self._channels_first(layer, ("kernel_shape", "strides", "pads"))
            case "ReduceMax" | "ReduceMean":
                self._node(layer["kind"], axes=layer["axes"], keepdims=layer["keepdims"])
            case "Flatten":
                self._node("Flatten", axis=1)
            case "Reshape":
                self._node("Reshape", np.array([0, *layer["shape"]], np.int64))
        self._activate(layer.get("activation", "linear"))

    def _activate(self, name: str) -> None:
        if name == "linear":
            return
        if name not in ACTIVATIONS:
            raise NodeError(codes.EXPORT_REFUSED, f"the activation {name} has no operator in ONNX here")
        self._node(ACTIVATIONS[name], **({"axis": -1} if name == "softmax" else {}))

    def _channels_first(self, layer: dict[str, Any], names: Collection[str], *arrays: NDArray[Any]) -> None:
        """Add an operator that wants the channels before the places, and Keras's order again after it."""
        places = len(layer["strides"])
        self._node("Transpose", perm=[0, places + 1, *range(1, places + 1)])
        self._node(layer["kind"], *arrays, **{name: layer[name] for name in names})
        self._node("Transpose", perm=[0, *range(2, places + 2), 1])

    def _node(self, operator: str, *arrays: NDArray[Any], **attributes: Any) -> None:
        name, inputs = f"{operator}_{len(self._nodes)}", [self._last]
        for at, array in enumerate(arrays):
            inputs.append(f"{name}_{at}")
            self._arrays.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), inputs[-1]))
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], name, **attributes))
        self._last = name

    def made(self, shape: list[int], given: list[int]) -> Any:
        """Return the whole model, checked."""
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        self._nodes.append(helper.make_node("Identity", [self._last], [OUTPUT], "last"))
        rows = helper.make_tensor_value_info(INPUT, kind, ["n", *shape])
        outputs = helper.make_tensor_value_info(OUTPUT, kind, ["n", *given])
        graph = helper.make_graph(self._nodes, "network", [rows], [outputs], self._arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="fedledger")
        model.ir_version = IR_VERSION
        self._onnx.checker.check_model(model)
        return model


def _affine(epsilon: float, arrays: dict[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return factor and summand to which BatchNormalization comes down where nobody trains."""
    one, nothing = np.ones_like(arrays["mean"]), np.zeros_like(arrays["mean"])
    scale = arrays.get("gamma", one) / np.sqrt(arrays["variance"] + np.float32(epsilon))
    shift = arrays.get("beta", nothing) - arrays["mean"] * scale
    return scale.astype(np.float32), shift.astype(np.float32)
