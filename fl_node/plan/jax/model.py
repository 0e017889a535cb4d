"""A Keras model or a function pair seen as one kind of thing: flat lists of arrays and a pure function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
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
        frozen: Weights that no pass changes, each with its place among all that are not trained, seeds left out.
        apply: From (trained, moments, seeds, frozen, features, training) to outputs, moments, seeds and what
            regularisers add to the loss.
    """

    trained: Arrays
    moments: Arrays
    seeds: Arrays
    frozen: dict[int, Any]
    apply: Callable[[Arrays, Arrays, Arrays, Arrays, Any, bool], tuple[Any, Arrays, Arrays, Any]]


def flat(model: Any, width: int) -> Flat:
    """Takes a model apart.

    Args:
        model: A Keras model or `Functions`.
        width: How many features a row has.

    Raises:
        PlanError: FL3012 where it is none, or not built, FL3009 for weights of a type that is not averaged.
    """
    found = _functions(model) if isinstance(model, Functions) else _keras(model, width)
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

    def apply(trained: Arrays, moments: Arrays, seeds: Arrays, frozen: Arrays, features: Any, training: bool) -> Any:
        del frozen, training
        return pair.apply(jax.tree.unflatten(tree, trained), features), moments, seeds, 0.0

    return Flat([np.asarray(array) for array in trained], [], [], {}, apply)


def _keras(model: Any, width: int) -> Flat:
    if not hasattr(model, "stateless_call"):
        raise plan_error(codes.SOURCE_UNUSABLE, f"{type(model).__name__} is neither a Keras 3 model nor Functions")
    trained = [np.asarray(variable.value) for variable in model.trainable_variables]
    others = [np.asarray(variable.value) for variable in model.non_trainable_variables]
    still = _still(model, trained, others, width)
    kinds = [
        "seed" if is_seed(array) else "frozen" if one else "moment" for array, one in zip(others, still, strict=True)
    ]

    def only(kind: str, arrays: Arrays) -> Arrays:
        return [array for array, one in zip(arrays, kinds, strict=True) if one == kind]

    def apply(trained: Arrays, moments: Arrays, seeds: Arrays, frozen: Arrays, features: Any, training: bool) -> Any:
        left = {"moment": iter(moments), "seed": iter(seeds), "frozen": iter(frozen)}
        rest = [next(left[kind]) for kind in kinds]
        outputs, rest, losses = model.stateless_call(trained, rest, features, training=training, return_losses=True)
        return outputs, only("moment", rest), only("seed", rest), sum(losses, 0.0)

    places = [at for at, kind in enumerate(kind for kind in kinds if kind != "seed") if kind == "frozen"]
    frozen = dict(zip(places, only("frozen", others), strict=True))
    return Flat(trained, only("moment", others), only("seed", others), frozen, apply)


def _still(model: Any, trained: Arrays, others: Arrays, width: int) -> list[bool]:
    """Which variables a training pass hands on as they are: frozen layers' weights, not BatchNorm's moments."""

    def passed(given: Arrays) -> Arrays:
        return list(model.stateless_call(trained, given, jnp.zeros((2, width)), training=True)[1])

    try:
        program = jax.make_jaxpr(passed)(others).jaxpr
    except Exception:  # noqa: BLE001 - whatever a researcher's model raises: exporting it says why
        return [False for _ in others]
    return [after is before for after, before in zip(program.outvars, program.invars, strict=True)]
