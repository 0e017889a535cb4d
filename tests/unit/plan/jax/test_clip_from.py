"""`plan build --clip-from`: the clip that rows of one's own give is the one that a few lines of numpy give."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fl_node.data.examples import Examples, load_examples
from fl_node.examples.shares import write_shares
from fl_node.plan.author.clipping import clip_from
from fl_node.plan.cli import app
from fl_node.plan.container import load_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import JAX

pytestmark = [pytest.mark.jax, pytest.mark.lengthy]
SOURCE = """
import keras
from fl_node.examples.tumour_jax import SCHEMA
from fl_node.plan.jax.training import Training, sgd
from fl_node.plan.manifest import Batching, Quantisation

def plan():
    return Training(
        name="small",
        model=keras.Sequential(
            [keras.layers.Input((SCHEMA.width,)), keras.layers.Dense(2, kernel_initializer="zeros")]
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimiser=sgd(0.5),
        schema=SCHEMA,
        batching=Batching(batch=512, epochs=1, holdout_percent=20),
        quantisation=Quantisation(bits=24, clip="1", weight_cap=WEIGHT),
    )
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shares("tumour", tmp_path_factory.mktemp("rows"), ("one", "two", "three", "four"))["one"]


def source(folder: Path, unit: str) -> Path:
    file = folder / f"{unit}.py"
    file.write_text(SOURCE.replace("WEIGHT", "256" if unit == "record" else "None"))
    return file


def gradients(rows: Examples) -> np.ndarray:
    """Of a layer of zeros, both classes are equally likely: (1/2 - the right one) times each input and the constant."""
    assert rows.labels is not None
    wrong = 0.5 - np.eye(2)[rows.labels]
    inputs = np.hstack([rows.features, np.ones((rows.rows, 1))])
    return np.einsum("ri,rc->ric", inputs, wrong).reshape(rows.rows, -1)


@pytest.mark.parametrize("unit", ["record", "participant"])
def test_the_clip_is_the_norm_that_the_rows_give(unit: str, rows: Path, tmp_path: Path):
    assert JAX.environment
    JAX.environment.install()
    plan = tmp_path / "small.flplan"
    asked = ["build", str(source(tmp_path, unit)), "--epsilon", "3", "--unit", unit, "--clip-from", str(rows)]
    answer = CliRunner().invoke(app, [*asked, "-o", str(plan), "--json"])
    assert answer.exit_code == 0, answer.output
    manifest, said = load_plan(plan).manifest, json.loads(answer.stdout)
    found = gradients(load_examples(rows, manifest.schema_, 20)[0])
    due = np.median(np.linalg.norm(found, axis=1)) if unit == "record" else 0.5 * np.linalg.norm(found.mean(axis=0))
    assert float(said["clip"]) == pytest.approx(due, rel=1e-3)
    assert manifest.averaging.quantisation.clip == said["clip"]  # type: ignore[attr-defined]
    assert str(rows) in said["clip_from"]
    assert (f"{len(found)} training rows" in said["clip_from"]) == (unit == "record")


def test_without_an_epsilon_no_clip_is_found(rows: Path, tmp_path: Path):
    with pytest.raises(PlanError, match="no ε is given") as caught:
        clip_from(str(source(tmp_path, "record")), rows, framework=JAX, goal=None)
    assert caught.value.code == "FL3050"
