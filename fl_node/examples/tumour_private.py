"""The tumour example with differential privacy for every patient: ε = 3 for 40 rounds of four hospitals.

fedledger plan runtime install jax
fedledger plan build fl_node/examples/tumour_private.py --framework jax -o tumour-private.flplan
"""

import keras

from fl_node.examples.tumour_jax import SCHEMA
from fl_node.plan.arithmetic.averaging import Server
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.jax.training import Training, accuracy, sgd
from fl_node.plan.manifest import Batching, Quantisation


def network() -> keras.Model:
    """Thirty features, one logit per diagnosis: few weights, for each of them gets noise."""
    return keras.Sequential([keras.layers.Input((SCHEMA.width,)), keras.layers.Dense(2, kernel_initializer="zeros")])


def plan() -> Training:
    """Describes the plan."""
    return Training(
        name="tumour-private",
        model=network(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": accuracy},
        optimiser=sgd(1.0),
        server=Server(kind="fedavgm", rate="0.5", momentum="0.9"),
        schema=SCHEMA,
        batching=Batching(batch=64, epochs=1, holdout_percent=20),
        quantisation=Quantisation(bits=24, clip="1", weight_cap=256),
        privacy=Goal(epsilon="3", delta="0.00001", rounds=40),
    )
