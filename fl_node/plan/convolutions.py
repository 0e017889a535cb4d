"""Keras's convolutions and poolings in ONNX's words: kernels with the channels first, and padding counted out."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Described = tuple[dict[str, Any], dict[str, Any]]
"""What a layer is in ONNX, and its arrays."""


def convolution(layer: Any) -> Described:
    """Return Conv1D, Conv2D or Conv3D, its groups too: a kernel (…, in, out) becomes (out, in, …)."""
    kernel = np.moveaxis(np.asarray(layer.kernel), (-1, -2), (0, 1))
    return _conv(layer, kernel, layer.groups)


def depthwise(layer: Any) -> Described:
    """Return DepthwiseConv1D or DepthwiseConv2D: each channel is a group of its own."""
    found = getattr(layer, "depthwise_kernel", None)  # Keras 2; what Keras 3 and 2 both have is `kernel`
    kernel = np.asarray(layer.kernel if found is None else found)
    channels, each = kernel.shape[-2:]
    kernel = np.moveaxis(kernel, (-2, -1), (0, 1)).reshape(channels * each, 1, *kernel.shape[:-2])
    return _conv(layer, kernel, channels)


def _conv(layer: Any, kernel: Any, groups: int) -> Described:
    window = kernel.shape[2:]
    reach = [(size - 1) * step + 1 for size, step in zip(window, layer.dilation_rate, strict=True)]
    said = {"kind": "Conv", "group": groups, "dilations": list(layer.dilation_rate), **_moves(layer, reach)}
    bias = {"bias": layer.bias} if layer.use_bias else {}
    name = getattr(layer.activation, "__name__", layer.activation)
    return said | {"activation": str(name)}, {"kernel": kernel, **bias}


def pooling(operator: str, layer: Any) -> Described:
    """Return a pooling with a window."""
    window = _each(layer.pool_size)
    return {"kind": operator, "kernel_shape": window, **_moves(layer, window)}, {}


def reduction(operator: str, layer: Any) -> Described:
    """Return a pooling over everything but the channels."""
    _channels_last(layer)
    axes = list(range(1, len(layer.input.shape) - 1))
    return {"kind": operator, "axes": axes, "keepdims": int(layer.keepdims)}, {}


def _moves(layer: Any, reach: Sequence[int]) -> dict[str, Any]:
    """Return strides and padding, all begins, then all ends, as TensorFlow pads: the odd one goes to the end."""
    _channels_last(layer)
    strides, sizes = _each(layer.strides), list(layer.input.shape)[1:-1]
    if layer.padding == "valid":
        return {"strides": strides, "pads": [0] * (2 * len(strides))}
    if layer.padding != "same" or None in sizes:
        raise SystemExit(f"the layer {layer.name} pads as there is no form for in ONNX here: {layer.padding}")
    wanted = [
        max(0, (math.ceil(size / stride) - 1) * stride + wide - size)
        for size, stride, wide in zip(sizes, strides, reach, strict=True)
    ]
    return {"strides": strides, "pads": [one // 2 for one in wanted] + [one - one // 2 for one in wanted]}


def _each(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else [int(one) for one in value]


def _channels_last(layer: Any) -> None:
    if layer.data_format != "channels_last":
        raise SystemExit(f"the layer {layer.name} has its channels first")
