"""From a model's weights and programs to a plan file: what the compilers of all frameworks do alike."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from fl_node import codes
from fl_node.data.synthetic import synthetic_examples
from fl_node.plan.arithmetic import scaffold
from fl_node.plan.arithmetic.averaging import Averaging, Scaffold
from fl_node.plan.arithmetic.loaded import LocalPlan
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import Goal, Privacy, calibrated
from fl_node.plan.arithmetic.slots import ZEROED, make_layout, metric_names, weight_rule
from fl_node.plan.arithmetic.state import Arrays, first_state, read_model, read_state
from fl_node.plan.arithmetic.training import Training
from fl_node.plan.arithmetic.work import Worked, vector_of
from fl_node.plan.container import INITIAL, pack_plan
from fl_node.plan.described import described
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.manifest import StateLeaf
from fl_node.plan.state_codec import encode_state, require_finite

SEED: Final = 2017
"""Seeds what initialises weights, so that one source gives one plan."""

SAMPLE_ROWS: Final = 13
"""How many made-up rows a plan is tried on."""


@dataclass(frozen=True)
class Compiled:
    """What a framework's own compiler made of a training.

    Attributes:
        kind: The framework's manifest.
        version: The framework's version.
        trained: The trained weights to begin with.
        kept: The other weights, which change too.
        programs: The plan file's entries beside the initial state.
        random_ops: The operations of client work that draw.
        load: From a manifest's bytes and the programs, in the manifest's order, to a plan that trains.
        fields: What the framework's manifest adds.
        rate: The length of a step, decimal text, where the optimiser is plain gradient descent; else None.
        clips_rows: Whether the programs clip each row's gradient where the training asks for privacy of records.
    """

    kind: type[AveragingManifest]
    version: str
    trained: Arrays
    kept: Arrays
    programs: Mapping[str, bytes]
    random_ops: Sequence[str]
    load: Callable[..., LocalPlan]
    fields: Mapping[str, Any] = field(default_factory=dict)
    rate: str | None = None
    clips_rows: bool = False


def described_training(file: Path, function: str, goal: Goal | None = None, clip: str | None = None) -> Training:
    """Calls a researcher's function; a goal of privacy and a clip take the place of its own.

    Raises:
        PlanError: FL3012.
    """
    found, _ = described(file, function)
    if not isinstance(found, Training):
        raise plan_error(codes.SOURCE_UNUSABLE, f"the function returns {type(found).__name__}, no Training", str(file))
    if clip:
        found = replace(found, quantisation=found.quantisation.model_copy(update={"clip": clip}))
    return replace(found, privacy=goal) if goal else found


def packed(training: Training, compiled: Compiled) -> bytes:
    """Packs a compiled training as a plan file, tried on made-up rows.

    Raises:
        PlanError: FL3008 where the sums do not fit their slots, FL3014, FL3022, FL3050.
    """
    averaging = _averaging(training, compiled)
    controlled, counted = averaging.scaffold is not None, averaging.compression is not None
    first = first_state(compiled.trained, compiled.kept, training.server, controlled=controlled, counted=counted)
    state = first.leaves()
    require_finite(state)
    files = {INITIAL: encode_state(state), **compiled.programs}
    evaluation = training.batching.holdout_percent > 0
    trained, kept = ([array.shape for array in arrays] for arrays in (compiled.trained, compiled.kept))
    layout = make_layout(averaging, trained, kept, training.cohort_max, evaluation=evaluation)
    manifest = compiled.kind.model_validate(
        {
            "name": training.name,
            "framework_version": compiled.version,
            "cohort_max": training.cohort_max,
            "layout": layout,
            "layout_digest": layout.digest(),
            "weights": (weight_rule(averaging),),
            "schema": training.schema,
            "schema_digest": training.schema.digest(),
            "batching": training.batching,
            "evaluation": evaluation,
            "averaging": averaging,
            "metrics": metric_names(averaging.measured, evaluation=evaluation, groups=averaging.contribution),
            "state": [StateLeaf(path=leaf.path, dtype=leaf.dtype, shape=leaf.array.shape) for leaf in state],
            "random_ops": tuple(compiled.random_ops),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
            **compiled.fields,
        }
    )
    check_on_made_up_rows(manifest, files, compiled.load)
    return pack_plan(manifest, files)


def _averaging(training: Training, compiled: Compiled) -> Averaging:
    return Averaging(
        quantisation=training.quantisation,
        moments_clip=training.moments_clip if compiled.kept and not training.local_moments else None,
        local=bool(compiled.kept) and training.local_moments,
        server=training.server,
        measured=("loss", *training.metrics),
        proximal=training.proximal,
        privacy=_privacy(training, compiled),
        contribution=training.contribution,
        scaffold=_scaffold(training, compiled),
        compression=training.compression,
    )


def _privacy(training: Training, compiled: Compiled) -> Privacy | None:
    """The noise that a training asks for; FL3050 where it cannot be had."""
    goal = training.privacy
    if goal is None:
        return None
    by_record = goal.unit == "record"
    faults = {
        "what groups contributed would be told without noise: contribution = 0": training.contribution,
        "weights that are not trained, such as BatchNorm's moments, mix rows: use a norm of single rows": compiled.kept,
        "unit record takes one pass a round: batching.epochs = 1": by_record and training.batching.epochs > 1,
        "unit record needs a framework that clips single rows: jax": by_record and not compiled.clips_rows,
    }
    for fault in (text for text, holds in faults.items() if holds):
        raise plan_error(codes.NOT_PRIVATE, fault, "privacy")
    numbers = sum(array.size for array in compiled.trained)
    numbers = training.compression.count(numbers) if training.compression else numbers
    return calibrated(goal, training.quantisation, ("loss", *training.metrics), numbers)


def _scaffold(training: Training, compiled: Compiled) -> Scaffold | None:
    """The control variates that a training asks for; FL3012 where the local step is not SCAFFOLD's."""
    if training.scaffold is None:
        return None
    faults = {
        "scaffold needs plain gradient descent: option II divides by the length of a step": compiled.rate is None,
        "scaffold takes the place of proximal": bool(float(training.proximal)),
        "control variates would need noise of their own: scaffold has no privacy": training.privacy is not None,
        "control variates need whole updates: scaffold has no compression": training.compression is not None,
    }
    for fault in (text for text, holds in faults.items() if holds):
        hint = "Take sgd(RATE) without momentum, and no proximal, privacy or compression; or leave scaffold out."
        raise plan_error(codes.SOURCE_UNUSABLE, fault, "scaffold", hint)
    return training.scaffold.model_copy(update={"rate": compiled.rate})


def check_on_made_up_rows(
    manifest: AveragingManifest, files: Mapping[str, bytes], load: Callable[..., LocalPlan]
) -> None:
    """Tries the plan on rows that fit its schema.

    Raises:
        PlanError: FL3014 where it fails on them, or where their update would be zeroed.
    """
    loaded = load(manifest.canonical(), *(files[name] for name in manifest.entries))
    base = read_state(manifest, files[INITIAL])
    rows = synthetic_examples(manifest.schema_, SAMPLE_ROWS)
    try:
        step = loaded.train(files[INITIAL], rows)
        measured = {"train": step.sums, "evaluation": loaded.measure(files[INITIAL], rows)}
        found = read_model(step.model)
        control = scaffold.changes(manifest.averaging, base, found[0], step.steps)
        worked = Worked(*found, step.rows, rows.rows, measured, control)
        vector = vector_of(manifest, base, worked)
    except PlanError as error:
        raise plan_error(codes.SELF_CHECK_FAILED, f"{error.message} on made-up rows", error.where) from error
    except Exception as error:
        reason = str(error).strip()[:300]
        raise plan_error(codes.SELF_CHECK_FAILED, f"work fails on made-up rows: {reason}") from error
    if manifest.layout.flat.segment(ZEROED).view(vector)[0]:
        text = f"the update of made-up rows lies beyond zero_above ({manifest.averaging.quantisation.zero_above})"
        raise plan_error(codes.SELF_CHECK_FAILED, text)
