"""One process for each reason to refuse. Imported only where TFF runs."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from fl_node.data.schema import Label, Schema
from fl_node.plan.source import PlanSource
from fl_node.plan.tff.aggregation import quantised_mean
from fl_node.plan.tff.algorithms import fed_avg, learning_plan
from tests.unit.plan.sources import BATCHING, FEATURES, MODEL, ROWS, WEIGHTED, at_server, stock

DEPTH = 40
"""How often the deep process is wrapped: a dozen times is still read by protobuf's default parser."""


def _simple(*, work=None, update=None, prepare=None, total=None, schema=ROWS, data=FEATURES, first=0.0):
    """A process of one float state that counts rows, with one part exchanged."""
    start = tff.tensorflow.computation(lambda: tf.constant(first, tf.float32))

    @tff.tensorflow.computation(np.float32)
    def prepared(state):
        return prepare(state) if prepare else state

    @tff.tensorflow.computation(data, np.float32)
    def worked(batches, base):
        rows = batches.reduce(tf.constant(0), lambda seen, batch: seen + tf.shape(tf.nest.flatten(batch)[0])[0])
        return (work(rows) if work else rows) + tf.cast(base * 0, tf.int32)

    @tff.tensorflow.computation(np.float32, np.int32)
    def updated(state, count):
        following = state + tf.cast(count, tf.float32)
        return (update(following) if update else following), count

    @tff.federated_computation(tff.FederatedType(np.float32, tff.SERVER), tff.FederatedType(data, tff.CLIENTS))
    def next_fn(state, rows):
        base = tff.federated_broadcast(tff.federated_map(prepared, state))
        done = tff.federated_map(worked, (rows, base))
        summed = (total or (lambda value: tff.federated_secure_sum_bitwidth(value, 10)))(done)
        result = tff.federated_map(updated, (state, summed))
        return result[0], result[1]

    return PlanSource("simple", tff.templates.IterativeProcess(at_server(start), next_fn), schema, BATCHING)


def drawing():
    """Allowed, with a warning: client work may draw at random."""
    return _simple(work=lambda rows: rows + tf.cast(tf.random.uniform([]), tf.int32))


def deep():
    """Allowed, but nested deeper than protobuf's default parser goes."""
    at_clients = tff.FederatedType(np.int32, tff.CLIENTS)

    def wrapped(inner):
        @tff.federated_computation(at_clients)
        def outer(value):
            return inner(value)

        return outer

    total = tff.federated_computation(lambda value: tff.federated_secure_sum_bitwidth(value, 10), at_clients)
    for _ in range(DEPTH):
        total = wrapped(total)
    return _simple(total=total)


def _weighing(weight):
    """A process whose one sum is named weight."""
    named = tff.tensorflow.computation(lambda rows: OrderedDict(weight=weight(rows)), np.int32)
    plain = tff.tensorflow.computation(lambda summed: summed["weight"], OrderedDict(weight=np.int32))

    def total(rows):
        return tff.federated_map(plain, tff.federated_secure_sum_bitwidth(tff.federated_map(named, rows), 10))

    return _simple(total=total)


def alike():
    """Allowed: everybody weighs five."""
    return _weighing(lambda rows: rows * 0 + 5)


def squared_weight():
    return _weighing(lambda rows: rows * rows)


def no_weight():
    return _weighing(lambda rows: rows * 0)


def capped_below():
    """Follows the rows on the small samples; beyond them it weighs less than the slot's 1023 allow."""
    return _weighing(lambda rows: tf.minimum(rows * 4, 100))


def unnamed_weight():
    """TFF's own secure aggregation, without a word that its weights are accepted."""
    return replace(stock(), unbounded_weights=False)


def plain_metrics():
    process = tff.learning.algorithms.build_weighted_fed_avg(
        MODEL, tff.learning.optimizers.build_sgdm(0.1), model_aggregator=quantised_mean(WEIGHTED)
    )
    return PlanSource("plain", process, ROWS, BATCHING)


def plain_evaluation():
    return PlanSource("evaluation", tff.learning.algorithms.build_fed_eval(MODEL), ROWS, BATCHING)


def random_update():
    return _simple(update=lambda state: state + tf.random.uniform([]))


def clock_in_prepare():
    return _simple(prepare=lambda state: state + tf.cast(tf.timestamp() * 0, tf.float32))


def file_in_work():
    return _simple(work=lambda rows: rows + tf.strings.length(tf.io.read_file("/etc/hostname")))


def clock_in_work():
    return _simple(work=lambda rows: rows + tf.cast(tf.timestamp() * 0, tf.int32))


def overflow():
    return _simple(total=lambda value: tff.federated_secure_sum_bitwidth(value, 30))


def odd_modulus():
    return _simple(total=lambda value: tff.backends.mapreduce.federated_secure_modular_sum(value, 1000))


def outside_slot():
    return _simple(work=lambda rows: rows * 1000)


def loss_that_is_no_number():
    """Poisson's loss takes the logarithm of what the model says, and the model may say less than zero."""

    def below_zero():
        layer = tf.keras.layers.Dense(1, kernel_initializer="zeros", bias_initializer=tf.constant_initializer(-1.0))
        return tff.learning.models.from_keras_model(
            tf.keras.Sequential([tf.keras.layers.InputLayer((3,)), layer]),
            input_spec=(tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None], tf.float32)),
            loss=tf.keras.losses.Poisson(),
        )

    schema = Schema(columns=ROWS.columns, label=Label(name="claims", type="float"))
    return learning_plan(
        "poisson", fed_avg(below_zero, WEIGHTED, client_rate=0.1), below_zero, schema, BATCHING, WEIGHTED
    )


def other_width():
    return _simple(data=tff.SequenceType(tff.TensorType(np.float32, [None, 4])))


def other_label():
    features = (tff.TensorType(np.float32, [None, 3]), tff.TensorType(np.float32, [None]))
    return _simple(data=tff.SequenceType(tff.to_type(features)))


def one_of_several_labels():
    """Its schema gives a count and its exposure, two numbers a row; the process reads one."""
    features = (tff.TensorType(np.float32, [None, 3]), tff.TensorType(np.float32, [None]))
    counts = Schema(columns=ROWS.columns, label=Label(name="claims", type="count", exposure="years"))
    return _simple(data=tff.SequenceType(tff.to_type(features)), schema=counts)


def infinite_state():
    return _simple(first=float("inf"))


def complex_state():
    start = tff.tensorflow.computation(lambda: tf.constant(0, tf.complex64))

    @tff.tensorflow.computation(np.complex64, np.int32)
    def updated(state, count):
        return state, count

    @tff.federated_computation(tff.FederatedType(np.complex64, tff.SERVER), tff.FederatedType(FEATURES, tff.CLIENTS))
    def next_fn(state, data):
        one = tff.federated_value(1, tff.CLIENTS)
        result = tff.federated_map(updated, (state, tff.federated_secure_sum_bitwidth(one, 1)))
        return result[0], result[1]

    return PlanSource("complex", tff.templates.IterativeProcess(at_server(start), next_fn), ROWS, BATCHING)


def two_rounds():
    @tff.federated_computation(tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(FEATURES, tff.CLIENTS))
    def next_fn(state, data):
        one = tff.federated_secure_sum_bitwidth(tff.federated_value(1, tff.CLIENTS), 1)
        again = tff.federated_secure_sum_bitwidth(tff.federated_broadcast(one), 10)
        return again, state

    start = tff.tensorflow.computation(lambda: tf.constant(0))
    return PlanSource("two", tff.templates.IterativeProcess(at_server(start), next_fn), ROWS, BATCHING)


def no_process():
    return "not a process"


def bare_without_schema():
    return _simple().process


def broken():
    raise ValueError("a mistake in the researcher's file")


REFUSED = (
    unnamed_weight,
    plain_metrics,
    plain_evaluation,
    random_update,
    clock_in_prepare,
    file_in_work,
    clock_in_work,
    overflow,
    odd_modulus,
    outside_slot,
    loss_that_is_no_number,
    other_width,
    other_label,
    one_of_several_labels,
    infinite_state,
    complex_state,
    squared_weight,
    no_weight,
    capped_below,
    two_rounds,
    no_process,
    bare_without_schema,
    broken,
)
