"""Handwritten digits: which digit is an 8 by 8 picture? A plan for the data that scikit-learn ships.

    fedledger plan build fl_node/examples/digits.py -o digits.flplan

A small convolutional network (Alpaydin and Kaynak's pictures, UCI 1998), federated averaging by rows. Pixels range from
0 to 16, so that no statistics are needed: fixed constants bring them near -1 … 1.
"""

import tensorflow as tf

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.source import PlanSource
from fl_node.plan.tff.algorithms import classifier, fed_avg, learning_plan

SIDE = 8

SCHEMA = Schema(
    columns=tuple(
        Column(name=f"pixel_{row}_{column}", minimum="0", maximum="16", mean="8", deviation="8")
        for row in range(SIDE)
        for column in range(SIDE)
    ),
    label=Label(name="digit", values=tuple(str(digit) for digit in range(10))),
)


def network() -> tf.keras.Model:
    """Two convolutions, one hidden layer, one logit per digit."""
    return tf.keras.Sequential(
        [
            tf.keras.layers.InputLayer((SCHEMA.width,)),
            tf.keras.layers.Reshape((SIDE, SIDE, 1)),
            tf.keras.layers.Conv2D(8, 3, activation="relu"),
            tf.keras.layers.Conv2D(16, 3, activation="relu"),
            tf.keras.layers.MaxPool2D(2),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(32, activation="relu"),
            tf.keras.layers.Dense(10),
        ]
    )


def plan() -> PlanSource:
    """Describes the plan."""
    model = classifier(network, SCHEMA)
    quantisation = Quantisation(bits=18, clip="8", zero_above="20", weight_cap=4096)
    process = fed_avg(model, quantisation, client_rate=0.1)
    batching = Batching(batch=16, epochs=2, holdout_percent=20)
    return learning_plan("digits", process, model, SCHEMA, batching, quantisation, cohort_max=8)
