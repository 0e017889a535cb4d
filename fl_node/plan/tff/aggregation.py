"""Aggregation that ends in secure integer sums with known bounds: the quantised mean and fixed-point metrics.

The names value, weight, metric and one in the summed structs tell the compiler the kind of a slot.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from fl_node.plan.manifest import Quantisation

METRIC_BITS: Final = 41
"""Width of a metric's slot. Counts go in as they are; floats as fixed point with an offset."""

FRACTION_BITS: Final = 16
"""Bits after the point of a float metric, so that it ranges over -2²⁴ … 2²⁴ in steps of 2⁻¹⁶."""

METRIC_OFFSET: Final = 1 << (METRIC_BITS - 1)
"""What stands in the slot of a float metric of 0."""

REFUSED: Final = -1
"""Stands for NaN and infinity: no slot allows it, so that the runtime refuses the update before masking."""


def quantised_mean(quantisation: Quantisation) -> tff.aggregators.AggregationFactory:
    """Builds the factory of a mean over quantised, clipped and zeroed updates.

    With H = 2^(bits-1) - 1, clipping norm C and weight cap W, a participant with update x and weight w ≤ W adds
    round(x/C · w/W · H) + H to the value slots, w to the weight slot and 1 to the one-slot. Zero is exact, the
    rounding error of the mean is at most n·C·W / (2·H·Σw). An update beyond `zero_above` adds nothing and weighs 0.
    Nodes put what the declared rows weigh in the place of Σw (`weights`): in a round such an update counts as zeros.

    Returns:
        A weighted factory where the quantisation has a weight cap, else an unweighted one.
    """
    return _Unweighted(quantisation) if quantisation.weight_cap is None else _Weighted(quantisation)


class _Weighted(tff.aggregators.WeightedAggregationFactory):
    def __init__(self, quantisation: Quantisation) -> None:
        self._quantisation = quantisation

    def create(self, value_type: Any, weight_type: Any) -> Any:
        total, mean = _sum_and_mean(self._quantisation, value_type, weight_type)
        nothing = _no_state()

        @tff.federated_computation(
            nothing.type_signature.result,
            tff.FederatedType(value_type, tff.CLIENTS),
            tff.FederatedType(weight_type, tff.CLIENTS),
        )
        def next_fn(state: Any, value: Any, weight: Any) -> Any:
            return _measured(state, total(value, weight), mean)

        return tff.templates.AggregationProcess(nothing, next_fn)


class _Unweighted(tff.aggregators.UnweightedAggregationFactory):
    def __init__(self, quantisation: Quantisation) -> None:
        self._quantisation = quantisation

    def create(self, value_type: Any) -> Any:
        total, mean = _sum_and_mean(self._quantisation, value_type, tff.TensorType(np.float32))
        nothing = _no_state()

        @tff.federated_computation(nothing.type_signature.result, tff.FederatedType(value_type, tff.CLIENTS))
        def next_fn(state: Any, value: Any) -> Any:
            return _measured(state, total(value, tff.federated_value(np.float32(1), tff.CLIENTS)), mean)

        return tff.templates.AggregationProcess(nothing, next_fn)


def _no_state() -> Any:
    @tff.federated_computation
    def initialize() -> Any:
        return tff.federated_value((), tff.SERVER)

    return initialize


def _measured(state: Any, summed: Any, mean: Any) -> Any:
    measurements = tff.federated_map(_select("metric", summed.type_signature.member), summed)
    return tff.templates.MeasuredProcessOutput(state, tff.federated_map(mean, summed), measurements)


def _select(name: str, struct_type: Any) -> Any:
    return tff.tensorflow.computation(lambda struct: struct[name], struct_type)


def _sum_and_mean(quantisation: Quantisation, value_type: Any, weight_type: Any) -> tuple[Callable[..., Any], Any]:
    encode = tff.tensorflow.computation(_encoder(quantisation), value_type, weight_type)
    encoded_type = encode.type_signature.result
    widths = {"value": quantisation.bits, "weight": (quantisation.weight_cap or 1).bit_length(), "metric": 1, "one": 1}
    bits = OrderedDict(
        (name, tff.types.structure_from_tensor_type_tree(lambda _, width=width: width, encoded_type[name]))
        for name, width in widths.items()
    )
    mean = tff.tensorflow.computation(_decoder(quantisation, value_type), encoded_type)

    def total(value: Any, weight: Any) -> Any:
        return tff.federated_secure_sum_bitwidth(tff.federated_map(encode, (value, weight)), bits)

    return total, mean


def _encoder(quantisation: Quantisation) -> Callable[[Any, Any], Any]:
    half, clip = _half(quantisation), float(quantisation.clip)
    cap = quantisation.weight_cap or 1
    limit = float(quantisation.zero_above or np.inf)

    def encode(value: Any, weight: Any) -> Any:
        parts = [tf.cast(part, tf.float64) for part in tf.nest.flatten(value)]
        largest = tf.reduce_max(tf.stack([tf.reduce_max(tf.abs(part)) for part in parts]))
        finite = tf.reduce_all(tf.stack([tf.reduce_all(tf.math.is_finite(part)) for part in parts]))
        kept = largest <= limit
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(part)) for part in parts]))
        capped = tf.where(kept, tf.clip_by_value(tf.cast(weight, tf.float64), 0.0, float(cap)), 0.0)
        whole = tf.round(capped)
        factor = half / clip * whole / cap * tf.where(norm > clip, clip / norm, 1.0)

        def quantise(part: Any) -> Any:
            scaled = tf.round(tf.clip_by_value(tf.cast(part, tf.float64) * factor, -half, half)) + half
            scaled = tf.where(kept, scaled, tf.fill(tf.shape(scaled), tf.constant(half, tf.float64)))
            return tf.cast(tf.where(finite, scaled, float(REFUSED)), tf.int32)

        return OrderedDict(
            value=tf.nest.map_structure(quantise, value),
            weight=tf.cast(whole, tf.int32),
            metric=OrderedDict(
                clipped=tf.cast(tf.logical_and(kept, norm > clip), tf.int32), zeroed=tf.cast(~kept, tf.int32)
            ),
            one=tf.constant(1, tf.int32),
        )

    return encode


def _decoder(quantisation: Quantisation, value_type: Any) -> Callable[[Any], Any]:
    half = _half(quantisation)
    unit = float(quantisation.clip) * (quantisation.weight_cap or 1) / half
    dtypes = iter(
        [tensor.dtype for tensor in tff.structure.flatten(_types(value_type))]
        if isinstance(value_type, tff.StructType)
        else [value_type.dtype]
    )

    def decode(summed: Any) -> Any:
        offset = tf.cast(summed["one"], tf.float64) * half
        weight = tf.cast(summed["weight"], tf.float64)

        def unscale(part: Any) -> Any:
            return tf.cast(tf.math.divide_no_nan((tf.cast(part, tf.float64) - offset) * unit, weight), next(dtypes))

        return tf.nest.map_structure(unscale, summed["value"])

    return decode


def _half(quantisation: Quantisation) -> float:
    return float(2 ** (quantisation.bits - 1) - 1)


def _types(struct_type: Any) -> Any:
    return tff.types.structure_from_tensor_type_tree(lambda tensor: tensor, struct_type)


def secure_metrics(metric_finalizers: Any, part: Any = "train") -> Any:
    """Aggregates a model's metrics in secure sums: counts exactly, floats of any sign in fixed point.

    A count that is negative, or a float that is NaN, makes the runtime refuse the update; floats saturate at ±2²⁴.

    Args:
        metric_finalizers: Metric name → function from the summed parts to the metric, as a model reports them.
        part: What is measured, for the names of the slots. What is no text (`build_fed_recon` passes the metrics' type
            here) is training.

    Returns:
        A computation from unfinalised metrics at the clients to finalised ones at the server, as
        `tff.learning.algorithms` take for `metrics_aggregator`.
    """
    part = part if isinstance(part, str) else "train"

    @tff.federated_computation
    def aggregate(unfinalized: Any) -> Any:
        parts_type = unfinalized.type_signature.member
        encode = tff.tensorflow.computation(_metrics_encoder(part), parts_type)
        finalize = tff.tensorflow.computation(
            _finalizer(metric_finalizers, parts_type, part), encode.type_signature.result
        )
        encoded = tff.federated_map(encode, unfinalized)
        bits = OrderedDict(
            metric=tff.types.structure_from_tensor_type_tree(
                lambda _: METRIC_BITS, encode.type_signature.result["metric"]
            ),
            one=OrderedDict([(part, 1)]),
        )
        return tff.federated_map(finalize, tff.federated_secure_sum_bitwidth(encoded, bits))

    return aggregate


def _metrics_encoder(part: str) -> Callable[[Any], Any]:
    def encode(parts: Any) -> Any:
        return OrderedDict(
            metric=OrderedDict([(part, tf.nest.map_structure(_fixed_point, parts))]),
            one=OrderedDict([(part, tf.constant(1, tf.int32))]),
        )

    return encode


def _fixed_point(part: Any) -> Any:
    if part.dtype.is_integer:
        return tf.cast(part, tf.int64)
    top = float(METRIC_OFFSET - 1)
    scaled = tf.round(tf.cast(part, tf.float64) * 2.0**FRACTION_BITS)
    offset = tf.clip_by_value(scaled, -top, top) + float(METRIC_OFFSET)
    return tf.cast(tf.where(tf.math.is_nan(scaled), tf.constant(float(REFUSED), tf.float64), offset), tf.int64)


def _finalizer(finalizers: Any, parts_type: Any, part: str) -> Callable[[Any], Any]:
    def finalize(summed: Any) -> Any:
        dtypes = iter([tensor.dtype for tensor in tff.structure.flatten(_types(parts_type))])
        ones = tf.cast(summed["one"][part], tf.float64)
        parts = tf.nest.map_structure(lambda number: _real(number, ones, next(dtypes)), summed["metric"][part])
        if callable(finalizers):
            return finalizers(parts)
        return OrderedDict((name, finalizer(parts[name])) for name, finalizer in finalizers.items())

    return finalize


def _real(number: Any, ones: Any, dtype: Any) -> Any:
    if np.issubdtype(dtype, np.integer):
        return tf.cast(number, dtype)
    centred = tf.cast(number, tf.float64) - ones * float(METRIC_OFFSET)
    return tf.cast(centred / 2.0**FRACTION_BITS, dtype)
