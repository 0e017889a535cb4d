"""An ONNX file computes what the layers compute; what has no form in ONNX is refused by its name."""

import asyncio
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fl_node.commands.export import export
from fl_node.commands.onnx_file import ACTIVATIONS, outputs_of, write_onnx
from fl_node.errors import NodeError
from fl_node.plan.arithmetic.averaging import KEPT, TRAINED
from fl_node.plan.exporting import ARRAYS, LAYERS, describe
from fl_node.plan.state_codec import Leaf, encode_state

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


NETWORK = """
import tensorflow as tf

def network():
    layers = tf.keras.layers
    hidden = [layers.Dense(3, "relu"), layers.BatchNormalization(), layers.Dropout(0.5)]
    return tf.keras.Sequential([layers.Input((4,)), *hidden, layers.Dense(2, "softmax")])
"""
SHAPES = [(4, 3), (3,), (3,), (3,), (3, 2), (2,)]


def state() -> bytes:
    trained = [Leaf(f"{TRAINED}{at}", DRAW.normal(size=one).astype(np.float32)) for at, one in enumerate(SHAPES)]
    kept = [Leaf(f"{KEPT}{at}", np.abs(DRAW.normal(size=3)).astype(np.float32)) for at in range(2)]
    return encode_state([*trained, *kept])


async def exported(folder: Path, forms: tuple[str, ...]) -> list[dict[str, Any]]:
    source, content = folder / "network.py", state()
    source.write_text(NETWORK)
    made_by = {"state": hashlib.sha256(content).hexdigest()}
    return await asyncio.gather(*(export(content, made_by, form, folder / form, str(source), ROWS) for form in forms))


@pytest.mark.tff
@pytest.mark.lengthy
@pytest.mark.timeout(900)
async def test_each_form_computes_what_the_network_computes(tmp_path: Path):
    found = await exported(tmp_path, ("onnx", "keras", "savedmodel"))
    assert [(one["compared"], one["deviation"] <= 1e-5) for one in found] == [(20, True)] * 3
    assert found[0]["opset"] == 17
    told = json.loads((tmp_path / "onnx" / "lineage.json").read_text())
    assert told["deviation"] == found[0]["deviation"]


async def test_a_file_that_computes_something_else_is_no_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def child(_arrays: Path, _target: Path, _source: str, scratch: Path) -> None:
        np.savez(scratch / "outputs.npz", network=np.ones(3), again=np.ones(3) + 1e-4)

    monkeypatch.setattr("fl_node.commands.export._with_keras", child)
    with pytest.raises(NodeError, match=r"FL4502.*apart"):
        await exported(tmp_path, ("keras",))
