"""The tumour example with Keras 3 on JAX: the same rows, network and limits as `tumour.py`.

fedledger plan runtime install jax
fedledger plan build fl_node/examples/tumour_jax.py --framework jax -o tumour-jax.flplan
"""

import json
from pathlib import Path

import keras

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.jax.training import Training, accuracy, sgd
from fl_node.plan.manifest import Batching, Quantisation

HERE = Path(__file__).parent
RANGES = json.loads((HERE / "tumour_ranges.json").read_text())
STATISTICS = json.loads((HERE / "tumour_statistics.json").read_text())

SCHEMA = Schema(
    columns=tuple(Column(name=name, **RANGES[name], **STATISTICS[name]) for name in RANGES),
    label=Label(name="diagnosis", values=("malignant", "benign")),
)


def network() -> keras.Model:
    """Thirty features, one hidden layer, one logit per diagnosis."""
    return keras.Sequential(
        [keras.layers.Input((SCHEMA.width,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)]
    )


def plan() -> Training:
    """Describes the plan."""
    return Training(
        name="tumour-jax",
        model=network(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": accuracy},
        optimiser=sgd(0.05),
        schema=SCHEMA,
        batching=Batching(batch=16, epochs=3, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="4", zero_above="20", weight_cap=1024),
    )
