"""The two programs of a plan: a pass over batches with gradients and optimiser inside, and measuring without training.

Both take any number of rows: a pass takes whole batches first, then, called again, the rows that are left as one
smaller batch. So no row is padded, none is masked, and BatchNorm sees real rows only.
"""

from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from fl_node import codes
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.jax.model import Arrays, Flat, per_row
from fl_node.plan.jax.operations import check_program, stripped
from fl_node.plan.jax.training import Training

PLATFORMS: Final = ("cpu", "cuda")


def exported(training: Training, model: Flat) -> dict[str, bytes]:
    """Exports both programs as StableHLO.

    Raises:
        PlanError: FL3005, FL3006 (operations), FL3013 where the model cannot be traced for any number of rows, FL3012
            for an optimiser that does not begin with zeros.
    """
    starting = _start(training, model)
    (count, rows) = export.symbolic_shape("count, rows")
    schema = training.schema
    features = jax.ShapeDtypeStruct((rows, schema.width), jnp.float32)
    label = schema.label_dtype
    labels = [] if label is None else [jax.ShapeDtypeStruct((rows, *schema.label_shape), label)]
    many = [jax.ShapeDtypeStruct((count, *one.shape), one.dtype) for one in (features, *labels)]
    trained, moments, seeds, start = (
        list(map(_like, part)) for part in (model.trained, model.moments, model.seeds, starting)
    )
    try:
        work = _export(_work(training, model), trained, trained, moments, seeds, start, *many)
        evaluate = _export(_evaluate(training, model), trained, moments, features, *labels)
    except PlanError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise plan_error(
            codes.NOT_A_ROUND, f"the model cannot be exported: {type(error).__name__}: {reason}"
        ) from error
    return {"work.stablehlo": work, "evaluate.stablehlo": evaluate}


def _export(function: Any, *arguments: Any) -> bytes:
    program = export.export(jax.jit(function), platforms=PLATFORMS)(*arguments)
    check_program(function.__name__, program)
    return bytes(stripped(program).serialize())


def _like(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _start(training: Training, model: Flat) -> Arrays:
    """The optimiser's first state, flat."""
    starting = [np.asarray(array) for array in jax.tree.leaves(training.optimiser.start(model.trained))]
    if any(array.any() for array in starting):
        raise plan_error(codes.SOURCE_UNUSABLE, "the optimiser's state must begin as zeros", "optimiser")
    return starting


def _measures(training: Training) -> list[Any]:
    return [per_row(training.loss), *map(per_row, training.metrics.values())]


def _work(training: Training, model: Flat) -> Any:
    """A pass: base, trained, moments, seeds, optimiser, features, labels → trained, moments, seeds, optimiser, sums."""
    measures, proximal = _measures(training), float(training.proximal)
    tree = jax.tree.structure(training.optimiser.start(model.trained))

    def loss(trained: Arrays, base: Arrays, moments: Arrays, seeds: Arrays, batch: tuple[Any, ...]) -> Any:
        features, labels = batch[0], batch[-1]
        outputs, moments, seeds, extra = model.apply(trained, moments, seeds, features, True)
        values = [measure(labels, outputs) for measure in measures]
        total = values[0].mean() + extra
        if proximal:
            total = total + proximal / 2 * sum(jnp.sum((w - b) ** 2) for w, b in zip(trained, base, strict=True))
        return total, (moments, seeds, [value.sum() for value in values])

    def work(base: Arrays, trained: Arrays, moments: Arrays, seeds: Arrays, optimiser: Arrays, *batches: Any) -> Any:
        def step(carry: Any, batch: tuple[Any, ...]) -> Any:
            trained, moments, seeds, optimiser = carry
            slope, (moments, seeds, sums) = jax.grad(loss, has_aux=True)(trained, base, moments, seeds, batch)
            state = jax.tree.unflatten(tree, optimiser)
            trained, state = training.optimiser.step(slope, state, trained)
            return (trained, moments, seeds, jax.tree.leaves(state)), sums

        carry, sums = jax.lax.scan(step, (trained, moments, seeds, optimiser), batches)
        return (*carry, sums)

    return work


def _evaluate(training: Training, model: Flat) -> Any:
    """Measuring: trained, moments, features, labels → the sums of each measure."""
    measures = _measures(training)

    def evaluate(trained: Arrays, moments: Arrays, *batch: Any) -> list[Any]:
        outputs, *_ = model.apply(trained, moments, [jnp.asarray(seed) for seed in model.seeds], batch[0], False)
        return [measure(batch[-1], outputs).sum() for measure in measures]

    return evaluate
