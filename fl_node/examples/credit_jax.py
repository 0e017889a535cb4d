"""Bank: who will not pay the credit card? Three columns, few who default, a network with Keras 3 on JAX.

    fedledger plan shares credit data bank-a bank-b bank-c bank-d
    fedledger plan try fl_node/examples/credit_jax.py --data data/bank-a.csv --split 4

Ten thousand holders of cards (see `packaged`).
"""

import keras

from fl_node.examples.credit_schema import SCHEMA
from fl_node.plan.arithmetic.averaging import Server
from fl_node.plan.jax.training import Training, accuracy, sgd
from fl_node.plan.manifest import Batching, Quantisation


def network() -> keras.Model:
    """A hidden layer, then a logit for each outcome."""
    return keras.Sequential(
        [
            keras.layers.Input((SCHEMA.width,)),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(2),
        ]
    )


def plan() -> Training:
    """Describes the plan.

    Banks differ in how many default, so that short steps are left to them and long ones to the server. Updates weigh
    alike, as in `claims_jax`.
    """
    return Training(
        name="credit-jax",
        model=network(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": accuracy},
        optimiser=sgd(0.03),
        schema=SCHEMA,
        batching=Batching(batch=64, epochs=1, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="4", zero_above="20"),
        server=Server(kind="fedadam", rate="0.1"),
    )
