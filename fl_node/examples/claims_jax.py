"""Insurance: how often will somebody see a doctor? Counts with an exposure, a Poisson network with Keras 3 on JAX.

    fedledger plan shares claims data insurer-a insurer-b insurer-c insurer-d
    fedledger plan try fl_node/examples/claims_jax.py --data data/insurer-a.csv --split 4

The RAND health insurance experiment (see `packaged`): visits in a year, or the part of it that `time` gives.
"""

from typing import Any

import jax.numpy as jnp
import keras

from fl_node.examples.claims_schema import SCHEMA
from fl_node.plan.arithmetic.averaging import Server
from fl_node.plan.jax.training import Training, sgd
from fl_node.plan.manifest import Batching, Quantisation

RATE = 2.9
"""Near the mean count of a year: the network foretells the logarithm of how many times that there are."""


def deviance(labels: Any, outputs: Any) -> Any:
    """Poisson's deviance of each row, never below zero."""
    count, exposure = labels[:, 0], labels[:, 1]
    expected = RATE * exposure * jnp.exp(outputs[:, 0])
    surplus = jnp.where(count > 0, count * jnp.log(jnp.maximum(count, 1) / expected), 0)
    return 2 * (surplus - count + expected)


def network() -> keras.Model:
    """Two hidden layers, then the logarithm of a rate; it begins at the mean rate."""
    return keras.Sequential(
        [
            keras.layers.Input((SCHEMA.width,)),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(1, kernel_initializer="zeros"),
        ]
    )


def plan() -> Training:
    """Describes the plan.

    Updates weigh alike: a pass over more rows takes more steps, so that weights by rows would count them twice (Wang et
    al., Tackling the Objective Inconsistency Problem, NeurIPS 2020).
    """
    return Training(
        name="claims-jax",
        model=network(),
        loss=deviance,
        optimiser=sgd(0.01),
        schema=SCHEMA,
        batching=Batching(batch=64, epochs=1, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="4", zero_above="20"),
        server=Server(kind="fedavgm", momentum="0.75"),
    )
