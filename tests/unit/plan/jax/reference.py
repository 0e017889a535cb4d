"""Builds every plan and every refusal in one process, and trains one directly; in the environment of JAX.

python -m tests.unit.plan.jax.reference FOLDER
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
from jax import export

from fl_node.plan.arithmetic.compiling import SEED
from fl_node.plan.jax.compile import build_plan
from network.errors import FedledgerError
from tests.unit.plan.jax import sources

SOURCES = Path(sources.__file__)


def main(folder: Path) -> None:
    for function in sources.GOOD:
        (folder / f"{function.__name__}.flplan").write_bytes(build_plan(SOURCES, function.__name__))
    again = build_plan(SOURCES, "average") == (folder / "average.flplan").read_bytes()
    report = {"again": again, "bad": {function.__name__: refusal(function.__name__) for function in sources.BAD}}
    report["directly"] = directly()
    (folder / "library.stablehlo").write_bytes(program(jnp.linalg.cholesky, jnp.eye(3)))
    (folder / "report.json").write_text(json.dumps(report))


def refusal(name: str) -> str:
    try:
        build_plan(SOURCES, name)
    except FedledgerError as error:
        return f"{error.code}: {error.message}"
    return "built"


def program(function: object, *arguments: object) -> bytes:
    return bytes(export.export(jax.jit(function))(*arguments).serialize())


def directly() -> list[list[float]]:
    """The weights of `average` after two passes over eleven rows, batch by batch, without anything of the compiler."""
    keras.utils.set_random_seed(SEED)
    model = sources.average().model
    rows = jnp.arange(33, dtype=jnp.float32).reshape(11, 3) / 33
    labels = jnp.arange(11) % 2

    def loss(weights, x, y):
        outputs, _ = model.stateless_call(weights, [], x)
        return -jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, None], 1).mean()

    weights = [variable.value for variable in model.trainable_variables]
    for start in (0, 4, 8, 0, 4, 8):
        slopes = jax.grad(loss)(weights, rows[start : start + 4], labels[start : start + 4])
        weights = [w - 0.1 * g for w, g in zip(weights, slopes, strict=True)]
    return [[float(value) for value in w.ravel()] for w in weights]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
