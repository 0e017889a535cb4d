"""The compiler: from a researcher's file to a plan file. Runs in the child process."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import jax
import keras

from fl_node import codes
from fl_node.data.synthetic import synthetic_examples
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.slots import ZEROED, make_layout, metric_names, weight_rule
from fl_node.plan.arithmetic.state import first_state, read_model, read_state
from fl_node.plan.arithmetic.work import Worked, vector_of
from fl_node.plan.container import INITIAL, pack_plan
from fl_node.plan.described import described
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.jax.loaded import SEEDED, LoadedPlan
from fl_node.plan.jax.model import Flat, flat
from fl_node.plan.jax.operations import check_program, read_program
from fl_node.plan.jax.programs import exported
from fl_node.plan.jax.training import Training
from fl_node.plan.manifest import StateLeaf
from fl_node.plan.state_codec import encode_state, require_finite

SEED: Final = 2017
"""Seeds Keras' initialisers, so that one source gives one plan."""

SAMPLE_ROWS: Final = 13
"""How many made-up rows a plan is tried on."""


def build_plan(file: Path, function: str) -> bytes:
    """Builds the plan that a function in a file describes.

    Args:
        file: A Python file.
        function: Name of a function without parameters that returns a `Training`.

    Returns:
        The bytes of the plan file.

    Raises:
        PlanError: FL3005, FL3008, FL3009, FL3012 … FL3014, FL3022, with the reason and the mend.
    """
    keras.utils.set_random_seed(SEED)
    found, _ = described(file, function)
    if not isinstance(found, Training):
        raise plan_error(codes.SOURCE_UNUSABLE, f"the function returns {type(found).__name__}, no Training", str(file))
    return compile_training(found)


def compile_training(training: Training) -> bytes:
    """Compiles a described training; see `build_plan`."""
    model = flat(training.model)
    averaging = Averaging(
        quantisation=training.quantisation,
        moments_clip=training.moments_clip if model.moments else None,
        server=training.server,
        measured=("loss", *training.metrics),
        proximal=training.proximal,
    )
    state = first_state(model.trained, model.moments, training.server).leaves()
    require_finite(state)
    files = {INITIAL: encode_state(state), **exported(training, model)}
    evaluation = training.batching.holdout_percent > 0
    trained, kept = ([array.shape for array in arrays] for arrays in (model.trained, model.moments))
    layout = make_layout(averaging, trained, kept, training.cohort_max, evaluation=evaluation)
    manifest = AveragingManifest.model_validate(
        {
            "name": training.name,
            "framework_version": jax.__version__,
            "cohort_max": training.cohort_max,
            "layout": layout,
            "layout_digest": layout.digest(),
            "weights": (weight_rule(averaging),),
            "schema": training.schema,
            "schema_digest": training.schema.digest(),
            "batching": training.batching,
            "evaluation": evaluation,
            "averaging": averaging,
            "metrics": metric_names(averaging.measured, evaluation=evaluation),
            "state": [StateLeaf(path=leaf.path, dtype=leaf.dtype, shape=leaf.array.shape) for leaf in state],
            "random_ops": _drawn(files, model),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
    )
    check_on_made_up_rows(manifest, files)
    return pack_plan(manifest, files)


def check_on_made_up_rows(manifest: AveragingManifest, files: Mapping[str, bytes]) -> None:
    """Tries the plan on rows that fit its schema.

    Raises:
        PlanError: FL3014 where it fails on them, or where their update would be zeroed.
    """
    loaded = LoadedPlan(manifest.canonical(), *(files[name] for name in manifest.entries))
    base = read_state(manifest, files[INITIAL])
    rows = synthetic_examples(manifest.schema_, SAMPLE_ROWS)
    try:
        step = loaded.train(files[INITIAL], rows)
        measured = {"train": step.sums, "evaluation": loaded.measure(files[INITIAL], rows)}
        found = read_model(step.model)
        vector = vector_of(manifest, (base.trained, base.kept), Worked(*found, step.rows, rows.rows, measured))
    except PlanError as error:
        raise plan_error(codes.SELF_CHECK_FAILED, f"{error.message} on made-up rows", error.where) from error
    except Exception as error:
        reason = str(error).strip()[:300]
        raise plan_error(codes.SELF_CHECK_FAILED, f"work fails on made-up rows: {reason}") from error
    if manifest.layout.flat.segment(ZEROED).view(vector)[0]:
        text = f"the update of made-up rows lies beyond zero_above ({manifest.averaging.quantisation.zero_above})"
        raise plan_error(codes.SELF_CHECK_FAILED, text)


def _drawn(files: dict[str, bytes], model: Flat) -> list[str]:
    drawn = check_program("work", read_program("work", files["work.stablehlo"]))
    return [*drawn, *([SEEDED] if model.seeds else [])]
