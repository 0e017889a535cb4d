"""Plans for trials: on JAX, as researchers write them, one of them with columns that nobody scaled."""

import keras

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.jax.training import Training, accuracy, sgd
from fl_node.plan.manifest import Batching, Quantisation

NAMES = ("x0", "x1")
SCALES = {"x0": ("10", "2"), "x1": ("100", "20")}


def training(name: str, *, scaled: bool, zero_above: str = "20") -> Training:
    columns = [
        Column(name=each, mean=SCALES[each][0], deviation=SCALES[each][1]) if scaled else Column(name=each)
        for each in NAMES
    ]
    network = keras.Sequential(
        [keras.layers.Input((2,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)]
    )
    return Training(
        name=name,
        model=network,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics={"accuracy": accuracy},
        optimiser=sgd(0.3 if scaled else 5.0),
        schema=Schema(columns=tuple(columns), label=Label(name="y", values=("no", "yes"))),
        batching=Batching(batch=16, epochs=2, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="4", zero_above=zero_above, weight_cap=4096),
    )


def scaled() -> Training:
    return training("scaled", scaled=True)


def unscaled() -> Training:
    return training("unscaled", scaled=False)
