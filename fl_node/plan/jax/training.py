"""What a researcher's file returns: a model, a loss, an optimiser, and what the plan says about data and limits.

def plan() -> Training:
return Training("tumour", network(), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), …)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from fl_node.plan.arithmetic.averaging import Compression, Scaffold
from fl_node.plan.arithmetic.training import Measure, Training

__all__ = ["Compression", "Functions", "Measure", "Optimiser", "Scaffold", "Training", "accuracy", "adam", "sgd"]

Tree = Any
"""Weights, their gradients or an optimiser's state: a tree of arrays."""


@dataclass(frozen=True)
class Functions:
    """A model in plain JAX.

    Attributes:
        weights: The weights to begin with, a tree of float32 arrays.
        apply: From weights and features, float32[batch, schema.width], to outputs.
    """

    weights: Tree
    apply: Callable[[Tree, Any], Any]


@dataclass(frozen=True)
class Optimiser:
    """How a participant moves the weights by a gradient.

    Attributes:
        start: From weights to the optimiser's state, which begins as zeros in every round.
        step: From gradients, state and weights to the new weights and state.
        rate: The length of a step where it is plain gradient descent, which `scaffold` needs; else None.
    """

    start: Callable[[Tree], Tree]
    step: Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]
    rate: float | None = None


def sgd(rate: float, momentum: float = 0.0) -> Optimiser:
    """Stochastic gradient descent; with momentum, m ← momentum · m + g and w ← w - rate · m."""
    if not momentum:
        return Optimiser(lambda _: (), lambda g, state, w: (jax.tree.map(lambda a, b: a - rate * b, w, g), state), rate)

    def step(gradients: Tree, state: Tree, weights: Tree) -> tuple[Tree, Tree]:
        state = jax.tree.map(lambda m, g: momentum * m + g, state, gradients)
        return jax.tree.map(lambda w, m: w - rate * m, weights, state), state

    return Optimiser(lambda weights: jax.tree.map(jnp.zeros_like, weights), step)


def adam(rate: float, first: float = 0.9, second: float = 0.999, floor: float = 1e-7) -> Optimiser:
    """Adam (Kingma and Ba, ICLR 2015), with its corrections for moments that begin as zeros."""

    def start(weights: Tree) -> Tree:
        return (
            jax.tree.map(jnp.zeros_like, weights),
            jax.tree.map(jnp.zeros_like, weights),
            jnp.zeros((), jnp.float32),
        )

    def step(gradients: Tree, state: Tree, weights: Tree) -> tuple[Tree, Tree]:
        mean, square, number = state
        number = number + 1
        mean = jax.tree.map(lambda m, g: first * m + (1 - first) * g, mean, gradients)
        square = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, square, gradients)
        length = rate * jnp.sqrt(1 - second**number) / (1 - first**number)
        moved = jax.tree.map(lambda w, m, v: w - length * m / (jnp.sqrt(v) + floor), weights, mean, square)
        return moved, (mean, square, number)

    return Optimiser(start, step)


def accuracy(labels: Any, outputs: Any) -> Any:
    """Whether the largest of a row's outputs is its label's."""
    return (jnp.argmax(outputs, axis=-1) == labels).astype(jnp.float32)
