"""FedAvg, FedProx and FedAdam as plans: every sum is secure, updates are quantised, the base model is evaluated.

Sources: McMahan et al. 2017 (FedAvg), Li et al. 2020 (FedProx), Reddi et al. 2021 (FedAdam); processes by TFF.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from fl_node import codes
from fl_node.data.schema import Schema
from fl_node.plan.errors import plan_error
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.source import PlanSource
from fl_node.plan.tff.aggregation import quantised_mean, secure_metrics

KerasModel = Callable[[], "tf.keras.Model"]
SEEDS: Final = (1, 2)
"""What differs between two makings of a model, but in the weights that it brings."""

ModelFn = Callable[[], "tff.learning.models.VariableModel"]
Model = Any
"""A `ModelFn`, or a `tff.learning.models.FunctionalModel`, which is a model already; mypy reads no TFF."""


def classifier(build: KerasModel, schema: Schema) -> ModelFn:
    """Wraps a Keras model that gives one logit per label: cross-entropy as loss, accuracy as metric.

    Args:
        build: Returns a new, uncompiled model from float32[batch, schema.width] to float32[batch, labels].
        schema: The schema whose rows the model takes.
    """
    spec = (tf.TensorSpec([None, schema.width], tf.float32), tf.TensorSpec([None], tf.int32))

    def model_fn() -> Any:
        return tff.learning.models.from_keras_model(
            build(),
            input_spec=spec,
            loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[tf.keras.metrics.SparseCategoricalAccuracy("accuracy")],
        )

    return model_fn


def fed_avg(model: Model, quantisation: Quantisation, *, client_rate: float, server_rate: float = 1.0) -> Any:
    """Builds federated averaging: weighted by rows where the quantisation caps weights, else unweighted.

    Args:
        model: Returns the model.
        quantisation: How updates become integers.
        client_rate: The client's SGD learning rate.
        server_rate: The server's SGD learning rate; 1 takes the mean as it is.
    """
    server = tff.learning.optimizers.build_sgdm(server_rate)
    return _averaging(model, quantisation, client_rate, server)


def fed_adam(model: Model, quantisation: Quantisation, *, client_rate: float, server_rate: float) -> Any:
    """Builds federated averaging with Adam at the server; see `fed_avg`."""
    server = tff.learning.optimizers.build_adam(server_rate, epsilon=1e-3)
    return _averaging(model, quantisation, client_rate, server)


def fed_prox(
    model: Model, quantisation: Quantisation, *, client_rate: float, strength: float, server_rate: float = 1.0
) -> Any:
    """Builds FedProx: federated averaging whose clients are held near the base model.

    Args:
        model: Returns the model.
        quantisation: How updates become integers.
        client_rate: The client's SGD learning rate.
        strength: The proximal term's factor μ > 0.
        server_rate: The server's SGD learning rate.
    """
    weighted = quantisation.weight_cap is not None
    algorithms = tff.learning.algorithms
    build = algorithms.build_weighted_fed_prox if weighted else algorithms.build_unweighted_fed_prox
    return build(
        model,
        strength,
        tff.learning.optimizers.build_sgdm(client_rate),
        tff.learning.optimizers.build_sgdm(server_rate),
        model_aggregator=quantised_mean(quantisation),
        metrics_aggregator=secure_metrics,
    )


def _averaging(model: Model, quantisation: Quantisation, client_rate: float, server: Any) -> Any:
    weighted = quantisation.weight_cap is not None
    algorithms = tff.learning.algorithms
    build = algorithms.build_weighted_fed_avg if weighted else algorithms.build_unweighted_fed_avg
    return build(
        model,
        tff.learning.optimizers.build_sgdm(client_rate),
        server,
        model_aggregator=quantised_mean(quantisation),
        metrics_aggregator=secure_metrics,
    )


def learning_plan(
    name: str,
    process: Any,
    model: Model,
    schema: Schema,
    batching: Batching,
    quantisation: Quantisation,
    *,
    cohort_max: int = 8,
) -> PlanSource:
    """Makes a plan of a learning process, with the base model's evaluation in the same masked vector.

    Weights that the model's function gives whenever it is called, loaded from a file say, are the ones to begin with;
    TFF itself would begin with those of the layers' initialisers.

    Args:
        name: The plan's short name.
        process: What one of the builders of this module returned for `model`.
        model: Returns the model, or is a `FunctionalModel`. One that returns a `ReconstructionModel` is not evaluated.
        schema: What a participant's rows look like.
        batching: How rows are batched and split.
        quantisation: The one that the process was built with.
        cohort_max: The largest cohort.
    """
    if batching.holdout_percent and _rebuilds(model):
        hint = "Take Batching(…, holdout_percent=0): what a participant rebuilds of its own is in no state."
        raise plan_error(codes.SOURCE_UNUSABLE, "a ReconstructionModel is not evaluated on a hold-out", hint=hint)
    if isinstance(model, tff.learning.models.FunctionalModel):
        _require_measures(model)
    evaluated = with_evaluation(process, model) if batching.holdout_percent else process
    first = process.initialize if _brings_its_own(model) else _first_state(process, model)
    evaluated = tff.templates.IterativeProcess(first, evaluated.next)
    return PlanSource(name, evaluated, schema, batching, cohort_max, quantisation)


def _require_measures(model: Any) -> None:
    with tf.Graph().as_default():
        measured = model.initialize_metrics_state()
    if not measured:
        hint = (
            "Give it some: functional_model_from_keras(…, metrics_constructor=lambda: OrderedDict(loss=…, "
            "num_examples=tff.learning.metrics.NumExamplesCounter()))."
        )
        raise plan_error(codes.SOURCE_UNUSABLE, "the FunctionalModel measures nothing", hint=hint)


def _brings_its_own(model: Model) -> bool:
    """Whether TFF begins with the weights that a model brings, or those are not all in the state."""
    return isinstance(model, tff.learning.models.FunctionalModel) or _rebuilds(model)


def _rebuilds(model: Model) -> bool:
    """Whether a model has weights that each participant rebuilds for itself in every round."""
    if isinstance(model, tff.learning.models.FunctionalModel):
        return False
    with tf.Graph().as_default():
        return isinstance(model(), tff.learning.models.ReconstructionModel)


def _first_state(process: Any, model: ModelFn) -> Any:
    """The computation of the state before the first round: with weights that the model brings, where it brings any."""
    initial = process.initialize()
    usual = _flat(process.get_model_weights(initial))
    given, again = (_given_weights(model, seed) for seed in SEEDS)
    brought = [
        np.array_equal(one, other) and not np.array_equal(one, own)
        for one, other, own in zip(_flat(given), _flat(again), usual, strict=True)
    ]
    if not any(brought):
        return process.initialize
    state = process.set_model_weights(initial, given)

    @tff.federated_computation
    def initialize() -> Any:
        return tff.federated_value(state, tff.SERVER)

    return initialize


def _given_weights(model: ModelFn, seed: int) -> Any:
    """The weights of a model that is made outside TFF's graphs."""
    tf.keras.utils.set_random_seed(seed)
    made = tff.learning.models.ModelWeights.from_model(model())
    return tf.nest.map_structure(lambda variable: variable.numpy(), made)


def _flat(weights: Any) -> list[Any]:
    return [np.asarray(array) for array in (*weights.trainable, *weights.non_trainable)]


def with_evaluation(process: Any, model: Model) -> Any:
    """Appends the base model's loss and metrics on each client's hold-out to a learning process.

    The state and its course stay those of `process`. Client data becomes <train=D*, holdout=D*>, and the metrics
    <train=…, aggregation=…, evaluation=…>.
    """
    state_type = process.initialize.type_signature.result
    sequence = process.next.type_signature.parameter[1].member
    data_type = tff.types.to_type(OrderedDict(train=sequence, holdout=sequence))
    functional = isinstance(model, tff.learning.models.FunctionalModel)
    local = (_functional_evaluation if functional else _local_evaluation)(
        model, process.get_model_weights.type_signature.result, sequence
    )
    with tf.Graph().as_default():
        aggregate = secure_metrics(model.finalize_metrics if functional else model().metric_finalizers(), "evaluation")

    @tff.federated_computation(state_type, tff.FederatedType(data_type, tff.CLIENTS))
    def next_fn(state: Any, data: Any) -> Any:
        weights = tff.federated_broadcast(tff.federated_map(process.get_model_weights, state))
        evaluation = aggregate(tff.federated_map(local, (weights, data["holdout"])))
        output = process.next(state, data["train"])
        metrics = tff.federated_zip(
            OrderedDict(
                train=output.metrics["client_work"]["train"],
                aggregation=output.metrics["aggregator"],
                evaluation=evaluation,
            )
        )
        return output.state, metrics

    return tff.templates.IterativeProcess(process.initialize, next_fn)


def _local_evaluation(model_fn: ModelFn, weights_type: Any, sequence: Any) -> Any:
    @tff.tensorflow.computation(weights_type, sequence)
    @tf.function
    def evaluate(weights: Any, batches: Any) -> Any:
        with tf.init_scope():
            model = model_fn()
        own = tff.learning.models.ModelWeights.from_model(model)
        tf.nest.map_structure(lambda variable, value: variable.assign(value), own, weights)
        batches.reduce(tf.constant(0), lambda seen, batch: _forward(model, seen, batch))
        return model.report_local_unfinalized_metrics()

    return evaluate


def _functional_evaluation(model: Any, weights_type: Any, sequence: Any) -> Any:
    @tff.tensorflow.computation(weights_type, sequence)
    @tf.function
    def evaluate(weights: Any, batches: Any) -> Any:
        def measured(state: Any, batch: Any) -> Any:
            features, labels = (batch["x"], batch["y"]) if isinstance(batch, Mapping) else batch
            outputs = model.predict_on_batch(weights, features, training=False)
            found = tff.learning.models.BatchOutput(model.loss(outputs, labels), outputs, tf.shape(labels)[0])
            return model.update_metrics_state(state, labels=labels, batch_output=found)

        return batches.reduce(model.initialize_metrics_state(), measured)

    return evaluate


def _forward(model: Any, seen: Any, batch: Any) -> Any:
    model.forward_pass(batch, training=False)
    return seen + 1
