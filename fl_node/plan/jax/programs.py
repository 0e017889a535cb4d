"""The two programs of a plan: a pass over batches with gradients and optimiser inside, and measuring without training.

Both take any number of rows: a pass takes whole batches first, then, called again, the rows that are left as one
smaller batch. So no row is padded, none is masked, and BatchNorm sees real rows only.
"""

import math
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
    working = _gradients if by_record(training) else _work
    (count, rows) = export.symbolic_shape("count, rows")
    schema = training.schema
    features = jax.ShapeDtypeStruct((rows, schema.width), jnp.float32)
    label = schema.label_dtype
    labels = [] if label is None else [jax.ShapeDtypeStruct((rows, *schema.label_shape), label)]
    many = [jax.ShapeDtypeStruct((count, *one.shape), one.dtype) for one in (features, *labels)]
    trained, moments, seeds, start, frozen = (
        list(map(_like, part)) for part in (model.trained, model.moments, model.seeds, starting, model.frozen.values())
    )
    try:
        still = [frozen] if frozen else []
        beside = [*([trained] if training.scaffold else []), *still]
        work = _export(working(training, model), trained, trained, moments, seeds, start, *beside, *many)
        evaluate = _export(_evaluate(training, model), trained, moments, *still, features, *labels)
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
    """A pass: base, trained, moments, seeds, optimiser, features, labels → trained, moments, seeds, optimiser, sums.

    With control variates there is one list more, before the rows: what corrects each gradient. Where weights are frozen
    they are the last list before the rows.
    """
    measures, proximal = _measures(training), float(training.proximal)
    tree = jax.tree.structure(training.optimiser.start(model.trained))

    def loss(trained: Arrays, base: Arrays, moments: Arrays, seeds: Arrays, frozen: Arrays, batch: Any) -> Any:
        features, labels = batch[0], batch[-1]
        outputs, moments, seeds, extra = model.apply(trained, moments, seeds, frozen, features, True)
        values = [measure(labels, outputs) for measure in measures]
        total = values[0].mean() + extra
        if proximal:
            total = total + proximal / 2 * sum(jnp.sum((w - b) ** 2) for w, b in zip(trained, base, strict=True))
        return total, (moments, seeds, [value.sum() for value in values])

    def work(base: Arrays, trained: Arrays, moments: Arrays, seeds: Arrays, optimiser: Arrays, *rest: Any) -> Any:
        corrections, rest = (rest[0], rest[1:]) if training.scaffold else ([], rest)
        frozen, batches = _split(model, rest)

        def step(carry: Any, batch: tuple[Any, ...]) -> Any:
            trained, moments, seeds, optimiser = carry
            slope, (moments, seeds, sums) = jax.grad(loss, has_aux=True)(trained, base, moments, seeds, frozen, batch)
            slope = [g + c for g, c in zip(slope, corrections, strict=True)] if corrections else slope
            state = jax.tree.unflatten(tree, optimiser)
            trained, state = training.optimiser.step(slope, state, trained)
            return (trained, moments, seeds, jax.tree.leaves(state)), sums

        carry, sums = jax.lax.scan(step, (trained, moments, seeds, optimiser), batches)
        return (*carry, sums)

    return work


def _split(model: Flat, rest: Any) -> tuple[Arrays, Any]:
    """Cuts a program's last arguments into frozen weights, if the model has any, and rows."""
    return (rest[0], rest[1:]) if model.frozen else ([], rest)


def by_record(training: Training) -> bool:
    """Whether the local step is one gradient whose rows are clipped one by one."""
    return training.privacy is not None and training.privacy.unit == "record"


def _gradients(training: Training, model: Flat) -> Any:
    """As `_work`, but nothing is trained: from the second argument each row's clipped gradient at the base is taken.

    Rows see one another nowhere, so that each changes the sum by at most its own part (Abadi et al., CCS 2016, without
    sampling).
    """
    measures, clip = _measures(training), float(training.quantisation.clip)
    limits = limits_of(training)

    def loss(base: Arrays, moments: Arrays, seeds: Arrays, frozen: Arrays, row: tuple[Any, ...]) -> Any:
        features, labels = row[0][None], row[-1][None]
        outputs, _, _, extra = model.apply(base, moments, seeds, frozen, features, True)
        values = [measure(labels, outputs)[0] for measure in measures]
        return values[0] + extra, [jnp.clip(value, 0, most) for value, most in zip(values, limits, strict=True)]

    def clipped(base: Arrays, moments: Arrays, seeds: Arrays, frozen: Arrays, row: tuple[Any, ...]) -> Any:
        slope, values = jax.grad(loss, has_aux=True)(base, moments, seeds, frozen, row)
        slope = [jnp.nan_to_num(part, nan=0.0, posinf=0.0, neginf=0.0) for part in slope]
        length = jnp.sqrt(sum(jnp.sum(part * part) for part in slope))
        return [part * (clip / jnp.maximum(length, clip)) for part in slope], [jnp.nan_to_num(v) for v in values]

    def work(base: Arrays, summed: Arrays, moments: Arrays, seeds: Arrays, optimiser: Arrays, *rest: Any) -> Any:
        frozen, batches = _split(model, rest)

        def step(carry: Arrays, batch: tuple[Any, ...]) -> Any:
            slopes, values = jax.vmap(clipped, in_axes=(None, None, None, None, 0))(base, moments, seeds, frozen, batch)
            return [held - slope.sum(axis=0) for held, slope in zip(carry, slopes, strict=True)], [
                value.sum() for value in values
            ]

        summed, sums = jax.lax.scan(step, summed, batches)
        return summed, moments, seeds, optimiser, sums

    return work


def limits_of(training: Training) -> list[float]:
    """What each measure of a row is cut to; nothing is cut without privacy of records."""
    names = ("loss", *training.metrics)
    if training.privacy is None or training.privacy.unit != "record":
        return [math.inf] * len(names)
    return [float(training.privacy.limit(name)) for name in names]


def _evaluate(training: Training, model: Flat) -> Any:
    """Measuring: trained, moments, frozen where there are any, features, labels → the sums of each measure."""
    measures, limits = _measures(training), limits_of(training)

    def evaluate(trained: Arrays, moments: Arrays, *rest: Any) -> list[Any]:
        frozen, batch = _split(model, rest)
        seeds = [jnp.asarray(seed) for seed in model.seeds]
        outputs, *_ = model.apply(trained, moments, seeds, frozen, batch[0], False)
        values = [measure(batch[-1], outputs) for measure in measures]
        if by_record(training):
            values = [jnp.clip(jnp.nan_to_num(value), 0, most) for value, most in zip(values, limits, strict=True)]
        return [value.sum() for value in values]

    return evaluate
