"""Federated statistics: counts, means and deviations of every feature, from secure sums of one round.

How features are standardised (the simple way): a statistics plan runs for one round as a training of its own. Its state
then holds count, mean and deviation of each feature over all survivors' rows, and nothing else was ever visible. The
researcher writes these numbers (`fedledger plan constants`) into the training plan's schema, where everyone can read
and vote on them, and every node's reader applies them. So a training plan needs no second input, its digest covers the
constants, and the schema's digest stays what participants were vetted with.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from fl_node.data.schema import Column, Schema
from fl_node.plan.manifest import Batching
from fl_node.plan.source import PlanSource

ROW_BITS: Final = 20
"""At most 2²⁰ rows a participant."""

UNIT_BITS: Final = 24
"""Every value is mapped from its range to 0 … 1 and summed in steps of 2⁻²⁴."""


def statistics_plan(name: str, schema: Schema, *, cohort_max: int = 8) -> PlanSource:
    """Builds a statistics plan; every numeric column needs a minimum and a maximum.

    The state after a round: `count`, and per feature `mean` and `deviation` (population, float64), not standardised.

    Raises:
        ValueError: A numeric column has no range, or is standardised already.
    """
    lows, widths = _ranges(schema)
    features = tff.SequenceType(tff.TensorType(np.float32, [None, schema.width]))
    work = tff.tensorflow.computation(_sums(lows, widths), features)
    finish = tff.tensorflow.computation(_moments(lows, widths), work.type_signature.result)
    bits = OrderedDict(count=ROW_BITS, value=OrderedDict.fromkeys(("first", "second"), ROW_BITS + UNIT_BITS))

    @tff.tensorflow.computation
    def start() -> Any:
        zeros = tf.zeros([schema.width], tf.float64)
        return OrderedDict(count=tf.constant(0, tf.int64), mean=zeros, deviation=zeros)

    @tff.federated_computation
    def initialize() -> Any:
        return tff.federated_eval(start, tff.SERVER)

    @tff.federated_computation(
        tff.FederatedType(start.type_signature.result, tff.SERVER), tff.FederatedType(features, tff.CLIENTS)
    )
    def next_fn(state: Any, rows: Any) -> Any:
        del state
        result = tff.federated_map(finish, tff.federated_secure_sum_bitwidth(tff.federated_map(work, rows), bits))
        return result[0], result[1]

    batching = Batching(batch=256, epochs=1, holdout_percent=0)
    return PlanSource(name, tff.templates.IterativeProcess(initialize, next_fn), schema, batching, cohort_max)


def _sums(lows: Any, widths: Any) -> Callable[[Any], Any]:
    """A participant's rows, and per feature the sums of its values and their squares, in fixed point."""
    zeros = np.zeros(len(lows))

    def add(totals: Any, batch: Any) -> Any:
        units = (tf.cast(batch, tf.float64) - lows) / widths
        rows = tf.shape(batch, out_type=tf.int64)[0]
        return totals[0] + rows, totals[1] + tf.reduce_sum(units, 0), totals[2] + tf.reduce_sum(units * units, 0)

    def work(batches: Any) -> Any:
        initial = (tf.constant(0, tf.int64), tf.constant(zeros), tf.constant(zeros))
        rows, first, second = batches.reduce(initial, add)
        return OrderedDict(count=rows, value=OrderedDict(first=_fixed(first), second=_fixed(second)))

    return work


def _moments(lows: Any, widths: Any) -> Callable[[Any], Any]:
    """From everybody's sums to the state, count, mean and deviation, and the count as metric."""

    def finish(summed: Any) -> Any:
        count = tf.cast(summed["count"], tf.float64)
        mean, square = (
            tf.math.divide_no_nan(tf.cast(summed["value"][name], tf.float64) / 2.0**UNIT_BITS, count)
            for name in ("first", "second")
        )
        deviation = tf.sqrt(tf.maximum(square - mean * mean, 0.0))
        state = OrderedDict(count=summed["count"], mean=lows + mean * widths, deviation=deviation * widths)
        return state, OrderedDict(count=summed["count"])

    return finish


def _fixed(total: Any) -> Any:
    return tf.cast(tf.round(total * 2.0**UNIT_BITS), tf.int64)


def _ranges(schema: Schema) -> tuple[Any, Any]:
    if schema.window:
        raise ValueError("statistics of time series: take Statistics of fl_node.plan.kinds.source, under this schema")
    lows, widths = [], []
    for column in schema.columns:
        low, high = _range(column)
        lows += [low] * column.width
        widths += [high - low] * column.width
    return np.array(lows), np.array(widths)


def _range(column: Column) -> tuple[float, float]:
    if not column.ranged:
        return 0.0, 255.0 if column.type == "text" else 1.0
    if column.low is None or column.high is None or column.low == column.high:
        raise ValueError(f"column {column.name}: statistics need a range, minimum below maximum")
    if column.mean is not None:
        raise ValueError(f"column {column.name}: statistics are of values that are not standardised")
    return column.low, column.high
