"""Bank: who will not pay the credit card? Three columns, few who default, a network with Keras 3 on JAX.

    fedledger plan shares credit data bank-a bank-b bank-c bank-d
    fedledger plan try fl_node/examples/credit_jax.py --data data/bank-a.csv --split 4

Ten thousand holders of cards (see `packaged`).
"""

import keras

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.arithmetic.averaging import Server
from fl_node.plan.jax.training import Training, accuracy, sgd
from fl_node.plan.manifest import Batching, Quantisation

SCHEMA = Schema(
    columns=(
        Column(name="student", type="boolean"),
        Column(name="balance", minimum="0", maximum="5000", mean="840", deviation="480"),
        Column(name="income", minimum="0", maximum="200000", mean="34000", deviation="13000"),
    ),
    label=Label(name="default", values=("No", "Yes")),
)


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
    """Describes the plan."""
    return Training(
        name="credit-jax",
        model=network(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": accuracy},
        optimiser=sgd(0.5),
        schema=SCHEMA,
        batching=Batching(batch=512, epochs=1, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="4", zero_above="20", weight_cap=8192),
        server=Server(kind="fedavgm", momentum="0.5"),
    )
