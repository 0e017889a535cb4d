"""What researchers bring to TFF: losses and metrics of any sign, pretrained weights, recurrent layers, other shapes."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.tff.aggregation import quantised_mean, secure_metrics
from fl_node.plan.tff.algorithms import classifier, fed_avg, learning_plan

K = tf.keras
L = K.layers
FEATURES = tuple(Column(name=f"x{at}", minimum="-1", maximum="1") for at in range(6))
SCHEMA = Schema(columns=FEATURES, label=Label(name="y", values=("no", "yes")))
NUMBER = Schema(columns=FEATURES, label=Label(name="y", type="float"))
UNLABELLED = Schema(columns=FEATURES)
Q = Quantisation(bits=18, clip="4", zero_above="20", weight_cap=4096)
BATCHING = Batching(batch=16, epochs=1, holdout_percent=20)
TRAINED_ONLY = Batching(batch=16, epochs=1, holdout_percent=0)
counter = tff.learning.metrics.NumExamplesCounter
ENTROPY = K.losses.SparseCategoricalCrossentropy(from_logits=True)
STEP = {
    "client_optimizer_fn": tff.learning.optimizers.build_sgdm(0.02),
    "server_optimizer_fn": tff.learning.optimizers.build_sgdm(1.0),
}


def planned(name, model_fn, schema):
    return learning_plan(name, fed_avg(model_fn, Q, client_rate=0.05), model_fn, schema, BATCHING, Q)


def modelled(name, network, spec, loss, schema, metrics=list):
    def model_fn():
        return tff.learning.models.from_keras_model(network(), input_spec=spec, loss=loss, metrics=metrics())

    return planned(name, model_fn, schema)


def dense(outputs):
    return K.Sequential([L.InputLayer((6,)), L.Dense(8, "relu"), L.Dense(outputs)])


class Likelihood(K.losses.Loss):
    def call(self, y, p):
        return p[:, 1] + 0.5 * tf.square((tf.reshape(y, [-1]) - p[:, 0]) / tf.exp(p[:, 1]))


def below_zero():
    spec = (tf.TensorSpec([None, 6]), tf.TensorSpec([None]))
    return modelled("below-zero", lambda: dense(2), spec, Likelihood(), NUMBER)


def metric_below_zero():
    spec = (tf.TensorSpec([None, 6]), tf.TensorSpec([None, 1]))
    loss, metrics = K.losses.CosineSimilarity(), lambda: [K.metrics.CosineSimilarity()]
    return modelled("metric-below-zero", lambda: dense(1), spec, loss, NUMBER, metrics)


def pretrained():
    def network():
        model = K.Sequential([L.InputLayer((6,)), L.Dense(3, "relu"), L.Dense(2)])
        model.set_weights([np.full(w.shape, 0.25 * (at + 1), np.float32) for at, w in enumerate(model.get_weights())])
        return model

    return planned("pretrained", classifier(network, SCHEMA), SCHEMA)


def frozen():
    def network():
        base = K.models.load_model(Path(__file__).with_name("base.keras"), compile=False)
        base.trainable = False
        return K.Sequential([L.InputLayer((6,)), base, L.Dense(2)])

    return planned("frozen", classifier(network, SCHEMA), SCHEMA)


def recurrent():
    def network():
        reshaped = [L.InputLayer((6,)), L.Reshape((3, 2))]
        return K.Sequential([*reshaped, L.Bidirectional(L.LSTM(4, return_sequences=True)), L.GRU(3), L.Dense(2)])

    return planned("recurrent", classifier(network, SCHEMA), SCHEMA)


def convolved():
    def network():
        reshaped = [L.InputLayer((6,)), L.Dense(64), L.Reshape((4, 4, 4, 1)), L.Conv3D(2, 2), L.MaxPool3D(2)]
        dilated = [L.Reshape((1, 1, 2)), L.UpSampling2D(4), L.Conv2D(2, 2, dilation_rate=2), L.Flatten(), L.Dense(2)]
        return K.Sequential([*reshaped, *dilated])

    return planned("convolved", classifier(network, SCHEMA), SCHEMA)


def normalised():
    def network():
        return K.Sequential([L.InputLayer((6,)), L.BatchNormalization(), L.Dense(2)])

    return planned("normalised", classifier(network, SCHEMA), SCHEMA)


def column_label():
    spec = OrderedDict(x=tf.TensorSpec([None, 6], tf.float64), y=tf.TensorSpec([None, 1], tf.int64))
    network = lambda: K.Sequential([L.InputLayer((6,)), L.Dense(2)])  # noqa: E731
    return modelled("column-label", network, spec, ENTROPY, SCHEMA)


def autoencoder():
    spec = (tf.TensorSpec([None, 6]), tf.TensorSpec([None, 6]))
    return modelled("autoencoder", lambda: dense(6), spec, K.losses.MeanSquaredError(), UNLABELLED)


def tutorial(**aggregators):
    def model_fn():
        spec = (tf.TensorSpec([None, 6]), tf.TensorSpec([None], tf.int32))
        return tff.learning.models.from_keras_model(dense(2), input_spec=spec, loss=ENTROPY)

    return tff.learning.algorithms.build_weighted_fed_avg(model_fn, **STEP, **aggregators)


def as_in_the_tutorial():
    return tutorial()


def as_the_hint_says():
    return tutorial(model_aggregator=quantised_mean(Q), metrics_aggregator=secure_metrics)


def measured():
    return OrderedDict(loss=K.metrics.SparseCategoricalCrossentropy(from_logits=True), num_examples=counter())


def functional(metrics=measured):
    """A model that TFF knows as functions of its weights, not of variables."""
    spec = (tf.TensorSpec([None, 6]), tf.TensorSpec([None], tf.int32))
    model = tff.learning.models.functional_model_from_keras(dense(2), ENTROPY, spec, metrics)
    return planned("functional", model, SCHEMA)


def functional_uncounted():
    return functional(lambda: OrderedDict(loss=K.metrics.SparseCategoricalCrossentropy(from_logits=True)))


def functional_unmeasured():
    return functional(None)


def kmeans():
    return tff.learning.algorithms.build_fed_kmeans(3, (6,), random_seed=(1, 2))


def factors():
    """Global weights that all train, and a bias of each participant's own, which is rebuilt in every round."""
    inputs = K.Input((6,))
    hidden = L.Dense(4, "relu")
    own = L.Dense(2)
    outputs = own(hidden(inputs))
    spec = (tf.TensorSpec([None, 6]), tf.TensorSpec([None], tf.int32))
    return tff.learning.models.ReconstructionModel.from_keras_model_and_layers(
        keras_model=K.Model(inputs, outputs), global_layers=[hidden], local_layers=[own], input_spec=spec
    )


def rebuilt(*, counted=True, **aggregators):
    return tff.learning.algorithms.build_fed_recon(
        factors,
        loss_fn=lambda: K.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics_fn=lambda: [K.metrics.SparseCategoricalAccuracy("accuracy"), *([counter()] if counted else [])],
        **aggregators,
    )


def reconstruction_as_in_the_tutorial():
    return rebuilt()


SECURE = {"model_aggregator_factory": quantised_mean(Q), "metrics_aggregator": secure_metrics}
WHOLE = {
    "dataset_split_fn": tff.learning.models.ReconstructionModel.build_dataset_split_fn(split_dataset=False),
    **SECURE,
}


def reconstruction_of_half_the_rows():
    return rebuilt(**SECURE)


def reconstruction():
    return learning_plan("rebuilt", rebuilt(**WHOLE), factors, SCHEMA, TRAINED_ONLY, Q)


def reconstruction_bare():
    return rebuilt(**WHOLE)


def reconstruction_uncounted():
    return rebuilt(counted=False, **WHOLE)


def reconstruction_with_a_holdout():
    return learning_plan("rebuilt", rebuilt(**WHOLE), factors, SCHEMA, BATCHING, Q)


def two_inputs():
    def network():
        a, b = K.Input((4,)), K.Input((2,))
        return K.Model([a, b], L.Dense(2)(L.Concatenate()([a, b])))

    spec = ((tf.TensorSpec([None, 4]), tf.TensorSpec([None, 2])), tf.TensorSpec([None], tf.int32))
    return modelled("two-inputs", network, spec, ENTROPY, SCHEMA)


def looked_up():
    def network():
        return K.Sequential(
            [
                L.InputLayer((6,)),
                L.Lambda(tf.strings.as_string, name="words"),
                L.StringLookup(vocabulary=["a"], name="lookup"),
                L.Lambda(lambda x: tf.cast(x, tf.float32)),
                L.Dense(2),
            ]
        )

    return planned("looked-up", classifier(network, SCHEMA), SCHEMA)
