"""SavedModel, Keras and ONNX of one network: each computes what the network computes, and is made again to the byte."""

import asyncio
import json
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl_node.errors import NodeError
from fl_node.plan.forms import TARGETS, deviation, write_forms
from fl_node.plan.frameworks import JAX
from fl_node.plan.settled import CONFIG, METADATA, settle

DRAW = np.random.default_rng(3)
ROWS = DRAW.normal(size=(20, 9, 9, 2)).astype(np.float32)
NETWORK = """
import tensorflow as tf

def network():
    layers = tf.keras.layers
    return tf.keras.Sequential([
        layers.Input((9, 9, 2)),
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        layers.MaxPooling2D(2, padding="same"),
        layers.Conv2D(6, 2, groups=2, use_bias=False),
        layers.AveragePooling2D(2, strides=1, padding="same"),
        layers.Dropout(0.5),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, "softmax"),
    ])
"""
SHAPES = [(3, 3, 2, 4), (4,), (4,), (4,), (3, 3, 4, 2), (8,), (2, 2, 4, 6), (6, 2), (2,)]


def weights() -> dict[str, NDArray[Any]]:
    """The network's, at random."""
    trained = {f"trainable/{at}": DRAW.normal(size=one).astype(np.float32) for at, one in enumerate(SHAPES)}
    return trained | {f"non_trainable/{at}": np.abs(DRAW.normal(size=4)).astype(np.float32) for at in range(2)}


def digests(folder: Path) -> dict[str, str]:
    """Every file of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


IN_KERAS_3 = "from fl_node.plan.jax.training import Training\n" + NETWORK.replace(
    "import tensorflow as tf", "import keras"
).replace("tf.keras", "keras")
FORMS = [
    pytest.param(NETWORK, tuple(TARGETS), marks=pytest.mark.tff, id="tensorflow"),
    pytest.param(IN_KERAS_3, ("keras", "onnx"), marks=pytest.mark.jax, id="jax"),
]


@pytest.mark.lengthy
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("text", "forms"), FORMS)
async def test_each_form_computes_what_the_network_computes_and_is_made_again_to_the_byte(
    tmp_path: Path, text: str, forms: tuple[str, ...]
):
    source, made = tmp_path / "network.py", weights()
    source.write_text(text)
    if "jax" in text:
        assert JAX.environment
        JAX.environment.install()
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
    told = await write_forms(made, str(source), forms, tmp_path / "first", ROWS)
    await write_forms(made, str(source), forms, tmp_path / "again")
    assert {form: said["compared"] for form, said in told.items()} == dict.fromkeys(forms, 20)
    assert max(said["deviation"] for said in told.values()) <= 1e-5
    assert told["onnx"]["opset"] == 17
    assert {name.partition("/")[0] for name in digests(tmp_path / "first")} == {TARGETS[form] for form in forms}
    assert digests(tmp_path / "first") == digests(tmp_path / "again")


async def test_a_file_that_computes_something_else_is_no_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def child(_source: str, scratch: Path, _targets: object) -> None:
        np.savez(scratch / "outputs.npz", network=np.ones(3), **{"model.keras": np.ones(3) + 1e-4})

    monkeypatch.setattr("fl_node.plan.forms._child", child)
    with pytest.raises(NodeError, match=r"FL4502.*apart"):
        await write_forms({}, "network.py", ["keras"], tmp_path, ROWS)


def test_outputs_of_another_shape_or_that_are_no_numbers_are_no_export():
    for found in (np.ones(2), np.array([1, 1, np.nan])):
        with pytest.raises(NodeError, match="FL4502"):
            deviation(np.ones(3), found)


def archive(path: Path, entries: Mapping[str, str], saved: str, address: int) -> None:
    one = {"dtype": {"shared_object_id": address}}
    config = {"layers": [one, {"dtype": {"shared_object_id": address + 64}}, one], "shared_object_id": None}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in entries.items():
            file.writestr(name, text)
        file.writestr(METADATA, json.dumps({"keras_version": "3", "date_saved": saved}))
        file.writestr(CONFIG, json.dumps(config))


def test_a_keras_file_does_not_say_when_or_in_which_process_it_was_saved(tmp_path: Path):
    entries = {"model.weights.h5": "weights", "assets/words.txt": "a"}
    archive(tmp_path / "a.keras", entries, "2026-11-30@02:00:00", 140671680215184)
    archive(tmp_path / "b.keras", dict(reversed(entries.items())), "2026-11-30@03:00:00", 139749233707536)
    for name in ("a.keras", "b.keras"):
        settle(tmp_path / name)
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.keras") as file:
        assert {name: file.read(name).decode() for name in entries} == entries
        assert json.loads(file.read(METADATA))["keras_version"] == "3"
        found = json.loads(file.read(CONFIG))
    assert [layer["dtype"]["shared_object_id"] for layer in found["layers"]] == [1, 2, 1]


async def test_a_source_of_no_keras_network_is_refused(tmp_path: Path):
    (tmp_path / "network.py").write_text("from fl_node.plan.torch.training import Training\n")
    with pytest.raises(NodeError, match=r"FL4502.*no Keras network"):
        await asyncio.wait_for(write_forms({}, str(tmp_path / "network.py"), ["keras"], tmp_path), 10)
