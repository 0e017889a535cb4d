"""The compiler: from a researcher's file to a plan file. Runs in the child process."""

from pathlib import Path

import torch

from fl_node import codes
from fl_node.plan.arithmetic.compiling import SEED, Compiled, described_training, packed
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.arithmetic.training import Training
from fl_node.plan.errors import plan_error
from fl_node.plan.state_codec import Leaf, encode_state
from fl_node.plan.torch.graph import check_graph
from fl_node.plan.torch.loaded import LoadedPlan
from fl_node.plan.torch.manifest import Optimiser, TorchManifest
from fl_node.plan.torch.trace import traced


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
    torch.manual_seed(SEED)
    return compile_training(described_training(file, function, goal, clip))


def compile_training(training: Training) -> bytes:
    """Compiles a described training; see `build_plan`."""
    if not isinstance(training.optimiser, Optimiser):
        hint = "Take sgd, adam or adamw of fl_node.plan.torch.training."
        raise plan_error(codes.SOURCE_UNUSABLE, "the optimiser is none that a manifest can name", "optimiser", hint)
    found = traced(training)
    frozen = sum(not one.requires_grad for one in training.model.parameters())  # a module names parameters first
    names = ["frozen" if at < frozen else "constant" for at in range(len(found.constants))]
    constants = encode_state([Leaf(f"{names[at]}/{at}", one) for at, one in enumerate(found.constants)])
    programs = {
        "train.aten": found.train.encode(),
        "evaluate.aten": found.evaluate.encode(),
        "constants.state": constants,
    }
    return packed(
        training,
        Compiled(
            TorchManifest,
            torch.__version__.partition("+")[0],
            found.trained,
            found.kept,
            programs,
            check_graph("train", found.train),
            LoadedPlan,
            {
                "loss": name_of(training.loss),
                "optimiser": training.optimiser,
                "device": "gpu" if training.gpu else "cpu",
            },
            rate=training.optimiser.rate if training.optimiser.plain else None,
        ),
    )


def name_of(loss: object) -> str:
    """A loss's name: its function's, or its class's."""
    return str(getattr(loss, "__name__", type(loss).__name__)).replace("<lambda>", "lambda")[:80]
