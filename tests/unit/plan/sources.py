"""Processes of every kind that plans are made of. Imported only where TFF runs."""

from collections import OrderedDict

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.source import PlanSource
from fl_node.plan.tff.algorithms import classifier, fed_adam, fed_avg, fed_prox, learning_plan
from fl_node.plan.tff.statistics import statistics_plan

ROWS = Schema(
    columns=tuple(Column(name=name) for name in ("a", "b", "c")), label=Label(name="kind", values=("no", "yes"))
)
BATCHING = Batching(batch=4, epochs=2, holdout_percent=20)
WEIGHTED = Quantisation(bits=16, clip="2", zero_above="10", weight_cap=64)
UNWEIGHTED = Quantisation(bits=12, clip="2")
FEATURES = tff.SequenceType(tff.TensorType(np.float32, [None, 3]))


def network():
    return tf.keras.Sequential(
        [tf.keras.layers.InputLayer((3,)), tf.keras.layers.Dense(5, "relu"), tf.keras.layers.Dense(2)]
    )


MODEL = classifier(network, ROWS)


def average():
    return learning_plan("average", fed_avg(MODEL, WEIGHTED, client_rate=0.1), MODEL, ROWS, BATCHING, WEIGHTED)


def proximal():
    process = fed_prox(MODEL, UNWEIGHTED, client_rate=0.1, strength=0.5)
    return learning_plan("proximal", process, MODEL, ROWS, BATCHING, UNWEIGHTED)


def adaptive():
    process = fed_adam(MODEL, WEIGHTED, client_rate=0.1, server_rate=0.05)
    return learning_plan("adaptive", process, MODEL, ROWS, BATCHING, WEIGHTED)


def stock():
    """TFF's own secure aggregation, whose slots have no names of ours."""
    process = tff.learning.algorithms.build_weighted_fed_avg(
        MODEL,
        tff.learning.optimizers.build_sgdm(0.1),
        tff.learning.optimizers.build_sgdm(1.0),
        model_aggregator=tff.learning.secure_aggregator(),
        metrics_aggregator=tff.learning.metrics.secure_sum_then_finalize,
    )
    return PlanSource("stock", process, ROWS, BATCHING, unbounded_weights=True)


def at_server(first):
    @tff.federated_computation
    def initialize():
        return tff.federated_eval(first, tff.SERVER)

    return initialize


def every_kind():
    """All three kinds of secure sums, and a state with a boolean, a string, integers and an empty struct."""
    state_type = tff.to_type(OrderedDict(seen=np.bool_, name=np.str_, total=np.int64, none=(), steps=(np.int32, [2])))

    @tff.tensorflow.computation
    def first():
        zeros = tf.zeros([2], tf.int32)
        return OrderedDict(seen=False, name="fresh", total=tf.constant(0, tf.int64), none=(), steps=zeros)

    @tff.tensorflow.computation(FEATURES)
    def work(batches):
        rows = batches.reduce(tf.constant(0, tf.int32), lambda seen, batch: seen + tf.shape(batch)[0])
        wide = tf.cast(rows, tf.int64)
        return OrderedDict(count=rows, bounded=wide * 3, wrapped=tf.stack([wide * 77 % 256, wide]), wide=wide * 5)

    @tff.tensorflow.computation(state_type, np.int32, np.int64, tff.TensorType(np.int64, [2]), np.int64)
    def update(state, count, bounded, wrapped, wide):
        total = state["total"] + bounded + tf.reduce_sum(wrapped) + wide
        steps = state["steps"] + tf.stack([1, count])
        name = tf.strings.join([state["name"], "!"])
        return OrderedDict(seen=True, name=name, total=total, none=(), steps=steps), OrderedDict(
            rows=count, total=total
        )

    @tff.federated_computation(tff.FederatedType(state_type, tff.SERVER), tff.FederatedType(FEATURES, tff.CLIENTS))
    def next_fn(state, data):
        done = tff.federated_map(work, data)
        parts = [
            tff.federated_secure_sum_bitwidth(done["count"], 10),
            tff.federated_secure_sum(done["bounded"], 1000),
            tff.backends.mapreduce.federated_secure_modular_sum(done["wrapped"], np.int64(256)),
            tff.backends.mapreduce.federated_secure_modular_sum(done["wide"], np.int64(2**32)),
        ]
        result = tff.federated_map(update, (state, *parts))
        return result[0], result[1]

    process = tff.templates.IterativeProcess(at_server(first), next_fn)
    return PlanSource("every-kind", process, ROWS, BATCHING)


def statistics():
    limits = {"minimum": "-4", "maximum": "4"}
    ranges = tuple(Column(name=column.name, **limits) for column in ROWS.columns)
    return statistics_plan("statistics", ROWS.model_copy(update={"columns": ranges}))


GOOD = (average, proximal, adaptive, stock, every_kind, statistics)


MEANS = {
    "weighted": (Quantisation(bits=16, clip="2", weight_cap=64), [[1.0, -0.5], [0.25, 1.5]], [10, 30]),
    "capped": (Quantisation(bits=16, clip="2", weight_cap=64), [[1.0, 0.0], [0.0, 1.0]], [64, 1000]),
    "unweighted": (Quantisation(bits=24, clip="2"), [[1.0, -0.5], [0.25, 1.5]], [1, 1]),
    "clipped": (Quantisation(bits=16, clip="1"), [[3.0, 4.0]], [1]),
    "zeroed": (Quantisation(bits=16, clip="1", zero_above="10"), [[11.0, 0.0], [0.5, 0.5]], [1, 1]),
    "nobody": (Quantisation(bits=16, clip="1", zero_above="10"), [[11.0, 0.0]], [1]),
    "not a number": (Quantisation(bits=16, clip="1"), [[float("nan"), 0.0]], [1]),
    "infinite": (Quantisation(bits=16, clip="1", zero_above="10"), [[float("inf"), 0.0]], [1]),
}
