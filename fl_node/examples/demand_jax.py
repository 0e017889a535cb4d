"""Supply chain: how much will a store sell next week? Windows of weekly sales, a quantile, Keras 3 on JAX.

    fedledger plan shares demand data retailer-a retailer-b retailer-c retailer-d
    fedledger plan try fl_node/examples/demand_jax.py --data data/retailer-a.csv --data data/retailer-b

Eleven orange juices in 83 stores (see `packaged`). From eight weeks of sales, prices, deals and advertisements the
model foretells what is enough in four weeks of five.
"""

from typing import Any

import jax.numpy as jnp
import keras

from fl_node.examples.demand_schema import DEVIATION, MEAN, SCHEMA
from fl_node.plan.jax.training import Training, adam
from fl_node.plan.manifest import Batching, Quantisation

QUANTILE = 0.8


def foretold(outputs: Any) -> Any:
    """The logarithm of what is enough."""
    return MEAN + DEVIATION * outputs[:, 0]


def shortfall(labels: Any, outputs: Any) -> Any:
    """The quantile loss of each row (Koenker and Bassett, Econometrica 46(1), 1978), in logarithms."""
    missing = labels - foretold(outputs)
    return jnp.maximum(QUANTILE * missing, (QUANTILE - 1) * missing)


def enough(labels: Any, outputs: Any) -> Any:
    """Whether it was enough."""
    return (labels <= foretold(outputs)).astype(jnp.float32)


def network() -> keras.Model:
    """Two hidden layers over the whole window."""
    return keras.Sequential(
        [
            keras.layers.Input((SCHEMA.width,)),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(1, kernel_initializer="zeros"),
        ]
    )


def plan() -> Training:
    """Describes the plan."""
    return Training(
        name="demand-jax",
        model=network(),
        loss=shortfall,
        metrics={"enough": enough},
        optimiser=adam(0.01),
        schema=SCHEMA,
        batching=Batching(batch=128, epochs=3, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="8", zero_above="20", weight_cap=32768),
    )
