"""Tumour diagnosis: is a breast mass benign or malignant? A plan for the data that scikit-learn ships.

    fedledger plan build fl_node/examples/tumour.py -o tumour.flplan

Thirty measurements of cell nuclei (Wolberg et al., UCI 1995), a small network, federated averaging by rows. Updates are
clipped and quantised to 18 bits, so that the sum of eight hospitals fits a ring of 2³². The constants that standardise
the features are what the statistics plan (`tumour_statistics.py`) found over the four shares of split 0.
"""

import json
from pathlib import Path

import tensorflow as tf

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.source import PlanSource
from fl_node.plan.tff.algorithms import classifier, fed_avg, learning_plan

HERE = Path(__file__).parent
RANGES = json.loads((HERE / "tumour_ranges.json").read_text())
STATISTICS = json.loads((HERE / "tumour_statistics.json").read_text())

SCHEMA = Schema(
    columns=tuple(Column(name=name, **RANGES[name], **STATISTICS[name]) for name in RANGES),
    label=Label(name="diagnosis", values=("malignant", "benign")),
)


def network() -> tf.keras.Model:
    """Thirty features, one hidden layer, one logit per diagnosis."""
    return tf.keras.Sequential(
        [
            tf.keras.layers.InputLayer((SCHEMA.width,)),
            tf.keras.layers.Dense(16, activation="relu"),
            tf.keras.layers.Dense(2),
        ]
    )


def plan() -> PlanSource:
    """Describes the plan."""
    model = classifier(network, SCHEMA)
    quantisation = Quantisation(bits=18, clip="4", zero_above="20", weight_cap=1024)
    process = fed_avg(model, quantisation, client_rate=0.05)
    batching = Batching(batch=16, epochs=3, holdout_percent=20)
    return learning_plan("tumour", process, model, SCHEMA, batching, quantisation, cohort_max=8)
