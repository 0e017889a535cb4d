"""A model that was trained on JAX, exported as a Keras 3 file that Keras reads."""

import asyncio
import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fl_node.commands.export import export
from fl_node.errors import NodeError
from fl_node.plan.arithmetic.averaging import KEPT, TRAINED
from fl_node.plan.frameworks import JAX
from fl_node.plan.state_codec import Leaf, encode_state

pytestmark = pytest.mark.jax
NETWORK = """
import keras
from fl_node.plan.jax.training import Training

def network():
    layers = keras.layers
    return keras.Sequential([layers.Input((3,)), layers.Dense(2), layers.BatchNormalization(), layers.Dropout(0.1)])
"""
SHAPES = [(3, 2), (2,), (2,), (2,)]


def state(kept: int) -> bytes:
    leaves = [Leaf(f"{TRAINED}{at}", np.full(shape, at + 0.5, np.float32)) for at, shape in enumerate(SHAPES)]
    return encode_state([*leaves, *(Leaf(f"{KEPT}{at}", np.full(2, at + 7.0, np.float32)) for at in range(kept))])


async def exported(folder: Path, content: bytes, form: str = "keras") -> Path:
    assert JAX.environment
    JAX.environment.install()
    (folder / "net.py").write_text(NETWORK)
    made_by = {"state": hashlib.sha256(content).hexdigest()}
    written = await export(content, made_by, form, folder / "out", str(folder / "net.py"))
    return Path(written["file"])


def read(path: Path) -> list[float]:
    """The mean of each weight of a saved network, as Keras reads it."""
    program = """
import sys, json, keras
model = keras.saving.load_model(sys.argv[1])
print(json.dumps([float(one.numpy().mean()) for one in model.trainable_weights + model.non_trainable_weights]))
"""
    assert JAX.environment
    command = [JAX.environment.python, "-c", program, path]
    variables = {**os.environ, **JAX.environment.settings}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


async def test_a_model_of_jax_is_exported_as_a_file_that_keras_reads_with_its_weights(tmp_path: Path):
    path = await exported(tmp_path, state(2))
    assert await asyncio.to_thread(read, path) == [0.5, 1.5, 2.5, 3.5, 7.0, 8.0]
    assert json.loads((tmp_path / "out" / "lineage.json").read_text())["network"]["source"].endswith("net.py")


@pytest.mark.parametrize(("kept", "form", "why"), [(1, "keras", "other shapes"), (2, "savedmodel", "no SavedModel")])
async def test_a_network_of_other_shapes_or_another_form_is_refused(tmp_path: Path, kept: int, form: str, why: str):
    with pytest.raises(NodeError, match=f"FL4502.*{why}"):
        await exported(tmp_path, state(kept), form)
