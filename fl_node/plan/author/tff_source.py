"""A researcher's file for TensorFlow Federated."""

from typing import Final

from fl_node.plan.author import jax_source
from fl_node.plan.author.draft import Draft
from fl_node.plan.author.limits import batching, quantisation

LOSSES: Final = {
    "classify": "",
    "number": '''CENTRE, SPREAD = {centre}, {spread}
"""Near the label's mean and deviation: the network foretells (label - CENTRE) / SPREAD."""


class Error(tf.keras.losses.Loss):
    """The squared error of each number, where SPREAD is one."""

    def call(self, labels: Any, outputs: Any) -> Any:
        return tf.square((labels - CENTRE) / SPREAD - tf.reshape(outputs, tf.shape(labels)))


''',
    "count": '''RATE = {centre}
"""Near the mean count{of_exposure}: the network foretells the logarithm of how many times that there are."""


class Deviance(tf.keras.losses.Loss):
    """Poisson's deviance of each row, never below zero."""

    def call(self, labels: Any, outputs: Any) -> Any:
        {taken}
        expected = RATE * exposure * tf.exp(outputs[:, 0])
        surplus = tf.where(count > 0, count * tf.math.log(tf.maximum(count, 1) / expected), 0)
        return 2 * (surplus - count + expected)


''',
    "none": "",
}
LOSS: Final = {"number": "Error()", "count": "Deviance()", "none": "tf.keras.losses.MeanSquaredError()"}
MODEL: Final = '''

def model() -> tff.learning.models.VariableModel:
    """The network with its loss, as TensorFlow Federated takes it."""
    features = tf.TensorSpec([None, SCHEMA.width])
    spec = ({spec})
    return tff.learning.models.from_keras_model(network(), input_spec=spec, loss={loss})
'''
PLAN: Final = '''

def plan() -> PlanSource:
    """Describes the plan."""
    {model}quantisation = {quantisation}
    process = fed_avg(model, quantisation, client_rate=0.05)
    batching = {batching}
    return learning_plan("{name}", process, model, SCHEMA, batching, quantisation)
'''


def imports(draft: Draft, schema: str) -> str:
    """The file's imports."""
    classify = draft.task == "classify"
    built = "classifier, fed_avg, learning_plan" if classify else "fed_avg, learning_plan"
    return "\n".join(
        [
            *(["from typing import Any", ""] if draft.task in {"number", "count"} else []),
            "import tensorflow as tf",
            *([] if classify else ["import tensorflow_federated as tff"]),
            "",
            schema,
            "from fl_node.plan.manifest import Batching, Quantisation",
            "from fl_node.plan.source import PlanSource",
            f"from fl_node.plan.tff.algorithms import {built}",
        ]
    )


def body(draft: Draft, name: str) -> str:
    """The network, its loss and the plan."""
    outputs, width = jax_source.OUTPUTS[draft.task]
    hidden = "max(2, SCHEMA.width // 4)" if draft.task == "none" else "32"
    network = jax_source.HIDDEN.format(outputs=outputs, hidden=hidden, width=width)
    network = network.replace("keras.", "tf.keras.").replace("layers.Input(", "layers.InputLayer(")
    loss = LOSSES[draft.task].format(centre=draft.centre, spread=draft.spread, **jax_source.exposure(draft))
    labels = "features" if draft.task == "none" else "tf.TensorSpec([None, *SCHEMA.label_shape])"
    model = "" if draft.task == "classify" else MODEL.format(spec=f"features, {labels}", loss=LOSS[draft.task])
    plan = PLAN.format(
        name=name,
        model="model = classifier(network, SCHEMA)\n    " if draft.task == "classify" else "",
        batching=batching(draft),
        quantisation=quantisation(draft),
    )
    return loss + network + model + plan
