"""The compiler: from a researcher's file to a plan file. Runs in the child process."""

from pathlib import Path

import jax
import keras

from fl_node import codes
from fl_node.plan.arithmetic.compiling import SEED, Compiled, described_training, packed
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.arithmetic.training import Training, decimal_text
from fl_node.plan.errors import plan_error
from fl_node.plan.jax.loaded import SEEDED, LoadedPlan
from fl_node.plan.jax.manifest import FROZEN, JaxManifest
from fl_node.plan.jax.model import Flat, flat
from fl_node.plan.jax.operations import check_program, read_program
from fl_node.plan.jax.programs import exported
from fl_node.plan.state_codec import Leaf, encode_state


def build_plan(file: Path, function: str, goal: Goal | None = None, clip: str | None = None) -> bytes:
    """Builds the plan that a function in a file describes.

    Args:
        file: A Python file.
        function: Name of a function without parameters that returns a `Training`.
        goal: Differential privacy to build for, in the place of the training's own.
        clip: What rows, or updates, are clipped to, in the place of the training's own; decimal text.

    Returns:
        The bytes of the plan file.

    Raises:
        PlanError: FL3005, FL3008, FL3009, FL3012 … FL3014, FL3022, FL3050, with the reason and the mend.
    """
    keras.utils.set_random_seed(SEED)
    return compile_training(described_training(file, function, goal, clip))


def compile_training(training: Training) -> bytes:
    """Compiles a described training; see `build_plan`."""
    if training.gpu:
        hint = "Leave gpu out: the locked environment of JAX computes on the CPU. PyTorch's knows GPUs."
        raise plan_error(codes.SOURCE_UNUSABLE, "plans on JAX train on the CPU", "gpu", hint)
    model = flat(training.model, training.schema.width)
    programs = exported(training, model)
    drawn = _drawn(programs, model)
    if model.frozen:
        programs[FROZEN] = encode_state([Leaf(f"frozen/{at}", array) for at, array in model.frozen.items()])
    compiled = Compiled(
        JaxManifest,
        jax.__version__,
        model.trained,
        model.moments,
        programs,
        drawn,
        LoadedPlan,
        {"frozen": True} if model.frozen else {},
        rate=decimal_text(training.optimiser.rate),
        clips_rows=True,
    )
    return packed(training, compiled)


def _drawn(files: dict[str, bytes], model: Flat) -> list[str]:
    drawn = check_program("work", read_program("work", files["work.stablehlo"]))
    return [*drawn, *([SEEDED] if model.seeds else [])]
