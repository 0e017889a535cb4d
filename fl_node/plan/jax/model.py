"""A Keras model or a function pair seen as one kind of thing: flat lists of arrays and a pure function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jax
import numpy as np

from fl_node import codes
from fl_node.plan.errors import plan_error
from fl_node.plan.jax.training import Functions, Measure

Arrays = list[Any]
SEED: Final = ((2,), "uint32")
"""Shape and type of what a Keras layer draws from."""


@dataclass(frozen=True)
class Flat:
    """A model.

    Attributes:
        trained: The trained weights.
        moments: Weights that are not trained, but change: BatchNorm's moments.
        seeds: What its layers draw from.
        apply: From (trained, moments, seeds, features, training) to outputs, moments, seeds and what regularisers add
            to the loss.
    """

    trained: Arrays
    moments: Arrays
    seeds: Arrays
    apply: Callable[[Arrays, Arrays, Arrays, Any, bool], tuple[Any, Arrays, Arrays, Any]]


def flat(model: Any) -> Flat:
    """Takes a model apart.

    Raises:
        PlanError: FL3012 where it is none, or not built, FL3009 for weights of a type that is not averaged.
    """
    found = _functions(model) if isinstance(model, Functions) else _keras(model)
    for array in (*found.trained, *found.moments):
        if array.dtype not in (np.float32, np.float16):
            raise plan_error(codes.UNSUPPORTED_TYPE, f"a weight of type {array.dtype}, not float32 or float16")
    if not found.trained:
        raise plan_error(codes.SOURCE_UNUSABLE, "the model has no weights to train: give it an input shape")
    return found


def per_row(measure: Any) -> Measure:
    """A loss as one number for each row: a Keras loss without its reduction, the mean over any further dimensions."""
    values = measure.call if hasattr(measure, "reduction") else measure

    def rows(labels: Any, outputs: Any) -> Any:
        found = values(labels, outputs)
        return found.mean(axis=tuple(range(1, found.ndim))) if found.ndim > 1 else found

    return rows


def is_seed(variable: Any) -> bool:
    """Whether a variable is what a Keras layer draws from."""
    return (tuple(variable.shape), str(variable.dtype)) == SEED


def _functions(pair: Functions) -> Flat:
    trained, tree = jax.tree.flatten(pair.weights)

    def apply(trained: Arrays, moments: Arrays, seeds: Arrays, features: Any, training: bool) -> Any:
        del training
        return pair.apply(jax.tree.unflatten(tree, trained), features), moments, seeds, 0.0

    return Flat([np.asarray(array) for array in trained], [], [], apply)


def _keras(model: Any) -> Flat:
    if not hasattr(model, "stateless_call"):
        raise plan_error(codes.SOURCE_UNUSABLE, f"{type(model).__name__} is neither a Keras 3 model nor Functions")
    others = [np.asarray(variable.value) for variable in model.non_trainable_variables]
    drawn = [is_seed(array) for array in others]

    def apply(trained: Arrays, moments: Arrays, seeds: Arrays, features: Any, training: bool) -> Any:
        given, left = iter(moments), iter(seeds)
        rest = [next(left) if one else next(given) for one in drawn]
        outputs, rest, losses = model.stateless_call(trained, rest, features, training=training, return_losses=True)
        moments, seeds = (
            [array for array, one in zip(rest, drawn, strict=True) if one is kind] for kind in (False, True)
        )
        return outputs, moments, seeds, sum(losses, 0.0)

    moments, seeds = ([a for a, one in zip(others, drawn, strict=True) if one is kind] for kind in (False, True))
    return Flat([np.asarray(variable.value) for variable in model.trainable_variables], moments, seeds, apply)
