"""A researcher's file for Keras 3 on JAX."""

from typing import Final

from fl_node.plan.author.draft import Draft
from fl_node.plan.author.limits import batching, quantisation

HIDDEN: Final = '''def network() -> keras.Model:
    """A hidden layer, then {outputs}."""
    return keras.Sequential(
        [
            keras.layers.Input((SCHEMA.width,)),
            keras.layers.Dense({hidden}, activation="relu"),
            keras.layers.Dense({width}),
        ]
    )
'''

LOSSES: Final = {
    "classify": "",
    "number": '''CENTRE, SPREAD = {centre}, {spread}
"""Near the label's mean and deviation: the network foretells (label - CENTRE) / SPREAD."""


def loss(labels: Any, outputs: Any) -> Any:
    """The squared error of each number, where SPREAD is one."""
    return jnp.square((labels - CENTRE) / SPREAD - outputs.reshape(labels.shape))


def error(labels: Any, outputs: Any) -> Any:
    """The absolute error of each number, in the label's unit."""
    return jnp.abs(labels - CENTRE - SPREAD * outputs.reshape(labels.shape))


''',
    "count": '''RATE = {centre}
"""Near the mean count{of_exposure}: the network foretells the logarithm of how many times that there are."""


def loss(labels: Any, outputs: Any) -> Any:
    """Poisson's deviance of each row, never below zero."""
    {taken}
    expected = RATE * exposure * jnp.exp(outputs[:, 0])
    surplus = jnp.where(count > 0, count * jnp.log(jnp.maximum(count, 1) / expected), 0)
    return 2 * (surplus - count + expected)


''',
    "none": '''def loss(labels: Any, outputs: Any) -> Any:
    """The squared error of each number: without a label the rows are what is learned."""
    return jnp.square(labels - outputs)


''',
}
OUTPUTS: Final = {
    "classify": ("a logit for each value of the label", "len(SCHEMA.label.values)"),
    "number": ("the foretold numbers", "SCHEMA.label_shape[0] if SCHEMA.label_shape else 1"),
    "count": ("the logarithm of a rate", "1"),
    "none": ("the row again", "SCHEMA.width"),
}
PLAN: Final = '''

def plan() -> Training:
    """Describes the plan."""
    return Training(
        name="{name}",
        model=network(),
        loss={loss},
        metrics={metrics},
        optimiser=sgd(0.05),
        schema=SCHEMA,
        batching={batching},
        quantisation={quantisation},
    )
'''
METRICS: Final = {"classify": '{"accuracy": accuracy}', "number": '{"error": error}'}


def imports(draft: Draft, schema: str) -> str:
    """The file's imports."""
    own = "Training, accuracy, sgd" if draft.task == "classify" else "Training, sgd"
    lines = ["import keras", *(["import jax.numpy as jnp"] if draft.task != "classify" else [])]
    return "\n".join(
        [
            *(["from typing import Any", ""] if draft.task != "classify" else []),
            *sorted(lines),
            "",
            schema,
            f"from fl_node.plan.jax.training import {own}",
            "from fl_node.plan.manifest import Batching, Quantisation",
        ]
    )


def body(draft: Draft, name: str) -> str:
    """The network, its loss and the plan."""
    outputs, width = OUTPUTS[draft.task]
    hidden = "max(2, SCHEMA.width // 4)" if draft.task == "none" else "32"
    loss = LOSSES[draft.task].format(centre=draft.centre, spread=draft.spread, **exposure(draft))
    own = "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"
    plan = PLAN.format(
        name=name,
        loss=own if draft.task == "classify" else "loss",
        metrics=METRICS.get(draft.task, "{}"),
        batching=batching(draft),
        quantisation=quantisation(draft),
    )
    return loss + HIDDEN.format(outputs=outputs, hidden=hidden, width=width) + plan


def exposure(draft: Draft) -> dict[str, str]:
    """How a count's label is taken apart: it has two numbers with an exposure, else one."""
    label = draft.schema.label
    if label and label.exposure:
        return {"taken": "count, exposure = labels[:, 0], labels[:, 1]", "of_exposure": " of one exposure"}
    return {"taken": "count, exposure = labels, 1.0", "of_exposure": ""}
