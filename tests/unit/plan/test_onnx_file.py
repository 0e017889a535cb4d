"""An ONNX file computes what the layers compute; what has no form in ONNX is refused by its name."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fl_node.errors import NodeError
from fl_node.plan.exporting import ARRAYS, LAYERS, describe
from fl_node.plan.onnx_file import ACTIVATIONS, outputs_of, write_onnx

DRAW = np.random.default_rng(3)
ROWS = DRAW.normal(size=(20, 4)).astype(np.float32)
KERNEL, BIAS = DRAW.normal(size=(4, 3)).astype(np.float32), DRAW.normal(size=3).astype(np.float32)
MOMENTS = {"mean": BIAS, "variance": np.abs(BIAS) + 1, "gamma": BIAS + 2, "beta": BIAS - 1}


def written(folder: Path, layers: list[dict[str, Any]], arrays: dict[str, Any]) -> Path:
    (folder / LAYERS).write_text(json.dumps({"input": [4], "output": [3], "layers": layers}))
    np.savez(folder / ARRAYS, **arrays)
    write_onnx(folder, folder / "model.onnx")
    return folder / "model.onnx"


def test_the_file_computes_the_layers_and_says_its_opset(tmp_path: Path):
    import onnx

    layers = [{"kind": "Dense", "activation": "relu"}, {"kind": "BatchNormalization", "epsilon": 0.001}]
    layers += [{"kind": "Reshape", "shape": [3, 1]}, {"kind": "Flatten"}, {"kind": "Softmax", "activation": "softmax"}]
    arrays = {"0/kernel": KERNEL, "0/bias": BIAS, **{f"1/{name}": one for name, one in MOMENTS.items()}}
    path = written(tmp_path, layers, arrays)
    hidden = np.maximum(ROWS @ KERNEL + BIAS, 0)
    normal = (hidden - MOMENTS["mean"]) / np.sqrt(MOMENTS["variance"] + 0.001) * MOMENTS["gamma"] + MOMENTS["beta"]
    powers = np.exp(normal - normal.max(axis=1, keepdims=True))
    np.testing.assert_allclose(outputs_of(path, ROWS), powers / powers.sum(axis=1, keepdims=True), atol=1e-6)
    model = onnx.load(str(path))
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    assert model.ir_version == 8


@pytest.mark.parametrize("name", [*ACTIVATIONS, "linear"])
def test_every_activation_has_an_operator(tmp_path: Path, name: str):
    path = written(tmp_path, [{"kind": "Dense", "activation": name}], {"0/kernel": KERNEL})
    assert np.isfinite(outputs_of(path, ROWS)).all()


def test_what_has_no_form_in_onnx_is_refused(tmp_path: Path):
    with pytest.raises(NodeError, match=r"FL4502.*swish"):
        written(tmp_path, [{"kind": "Dense", "activation": "swish"}], {"0/kernel": KERNEL})
    lstm = type("LSTM", (), {"name": "memory"})()
    sequential = type("Sequential", (), {"layers": [lstm]})()
    with pytest.raises(SystemExit, match="memory is a LSTM"):
        describe(sequential, tmp_path)
    with pytest.raises(SystemExit, match=r"keras\.Sequential"):
        describe(SimpleNamespace(layers=[]), tmp_path)


def naive(rows: Any, kernel: Any, stride: int, pads: tuple[int, int], dilation: int = 1) -> Any:
    """A convolution as its definition has it, over one axis."""
    padded = np.pad(rows, ((0, 0), pads, (0, 0)))
    reach = (len(kernel) - 1) * dilation + 1
    places = range(0, padded.shape[1] - reach + 1, stride)
    cut = [padded[:, at : at + reach : dilation] for at in places]
    return np.stack([np.einsum("nkc,kco->no", one, kernel) for one in cut], axis=1)


def layer(kind: str, sizes: tuple[int, ...], **said: Any) -> Any:
    """A layer as Keras has it, as far as its description asks."""
    usual = {"name": "one", "data_format": "channels_last", "padding": "valid", "strides": (1,), "dilation_rate": (1,)}
    usual |= {"use_bias": False, "activation": "linear", "groups": 1, "input": SimpleNamespace(shape=(None, *sizes))}
    return type(kind, (), usual | said)()


def computed(folder: Path, one: Any, rows: Any, given: list[int]) -> Any:
    """What the file of a network of one layer computes."""
    network = type(
        "Sequential", (), {"layers": [one], "input_shape": (None, *rows.shape[1:]), "output_shape": (None, *given)}
    )
    describe(network(), folder)
    write_onnx(folder, folder / "model.onnx")
    return outputs_of(folder / "model.onnx", rows)


SERIES = DRAW.normal(size=(5, 8, 4)).astype(np.float32)


@pytest.mark.parametrize(("padding", "stride", "dilation", "pads"), [
    ("valid", 1, 1, (0, 0)), ("valid", 2, 1, (0, 0)), ("same", 1, 1, (1, 1)), ("same", 2, 1, (0, 1)),
    ("same", 1, 2, (2, 2)),
])  # fmt: skip
def test_a_convolution_pads_and_strides_as_keras_does(
    tmp_path: Path, padding: str, stride: int, dilation: int, pads: tuple[int, int]
):
    kernel = DRAW.normal(size=(3, 4, 6)).astype(np.float32)
    wanted = naive(SERIES, kernel, stride, pads, dilation)
    one = layer("Conv1D", (8, 4), kernel=kernel, padding=padding, strides=(stride,), dilation_rate=(dilation,))
    np.testing.assert_allclose(computed(tmp_path, one, SERIES, list(wanted.shape[1:])), wanted, atol=1e-5)


def test_a_depthwise_convolution_has_each_channel_for_itself(tmp_path: Path):
    kernel = DRAW.normal(size=(3, 4, 2)).astype(np.float32)
    each = [naive(SERIES[..., at : at + 1], kernel[:, at : at + 1], 1, (0, 0)) for at in range(4)]
    one = layer("DepthwiseConv1D", (8, 4), depthwise_kernel=kernel)
    np.testing.assert_allclose(computed(tmp_path, one, SERIES, [6, 8]), np.concatenate(each, axis=2), atol=1e-5)


def test_an_average_at_the_edge_is_of_what_is_there(tmp_path: Path):
    rows = np.arange(5, dtype=np.float32).reshape(1, 5, 1)
    one = layer("AveragePooling1D", (5, 1), pool_size=2, strides=2, padding="same")
    assert computed(tmp_path, one, rows, [3, 1]).ravel().tolist() == [0.5, 2.5, 4.0]
    one = layer("GlobalMaxPooling1D", (5, 1), keepdims=False)
    assert computed(tmp_path, one, rows, [1]).ravel().tolist() == [4.0]


@pytest.mark.parametrize("said", [{"data_format": "channels_first"}, {"padding": "causal"}])
def test_a_convolution_that_is_another_one_in_onnx_is_refused(tmp_path: Path, said: dict[str, Any]):
    with pytest.raises(SystemExit, match="the layer one"):
        computed(tmp_path, layer("Conv1D", (8, 4), kernel=np.ones((3, 4, 6)), **said), SERIES, [6, 6])
