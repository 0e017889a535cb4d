"""Hospital pictures: a convolutional network with Keras 3 on JAX for the pictures, limits and split of `digits.py`.

fedledger plan shares digits data hospital-a hospital-b hospital-c hospital-d
fedledger plan try fl_node/examples/digits_jax.py --data data/hospital-a.csv --split 2
"""

import keras

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.jax.training import Training, accuracy, sgd
from fl_node.plan.manifest import Batching, Quantisation

SIDE = 8

SCHEMA = Schema(
    columns=tuple(
        Column(name=f"pixel_{row}_{column}", minimum="0", maximum="16", mean="8", deviation="8")
        for row in range(SIDE)
        for column in range(SIDE)
    ),
    label=Label(name="digit", values=tuple(str(digit) for digit in range(10))),
)


def network() -> keras.Model:
    """Two convolutions, one hidden layer, one logit per digit."""
    return keras.Sequential(
        [
            keras.layers.Input((SCHEMA.width,)),
            keras.layers.Reshape((SIDE, SIDE, 1)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


def plan() -> Training:
    """Describes the plan."""
    return Training(
        name="digits-jax",
        model=network(),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": accuracy},
        optimiser=sgd(0.1),
        schema=SCHEMA,
        batching=Batching(batch=16, epochs=2, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="8", zero_above="20", weight_cap=4096),
    )
