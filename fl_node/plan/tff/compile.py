"""The compiler: from a researcher's file to a plan file. Runs in the child process."""

import hashlib
from pathlib import Path
from typing import Any, Final

import tensorflow as tf
import tensorflow_federated as tff

from fl_node import codes
from fl_node.data.schema import Schema
from fl_node.plan.container import INITIAL, pack_plan
from fl_node.plan.described import described
from fl_node.plan.errors import plan_error
from fl_node.plan.manifest import Batching, StateLeaf
from fl_node.plan.source import PlanSource
from fl_node.plan.state_codec import Leaf, encode_state, require_finite
from fl_node.plan.tff.agree import check_outputs, check_schema
from fl_node.plan.tff.execute import Computations, leaves, metric_names, split_data, state_specs
from fl_node.plan.tff.graphs import check_computation
from fl_node.plan.tff.manifest import TffManifest
from fl_node.plan.tff.samples import Workplace
from fl_node.plan.tff.slots import make_layout
from fl_node.plan.tff.structure import flatten
from fl_node.plan.tff.weights import find_weights

SEED: Final = 2017
"""Seeds Keras' initialisers, so that one source gives one plan."""

DEFAULT_BATCHING: Final = Batching(batch=32, epochs=1, holdout_percent=0)


def build_plan(file: Path, function: str, protobuf: str) -> bytes:
    """Builds the plan that a function in a file describes.

    Args:
        file: A Python file.
        function: Name of a function without parameters that returns a `PlanSource`, or an iterative process where the
            file also defines `SCHEMA`.
        protobuf: The protobuf implementation that this process runs with.

    Returns:
        The bytes of the plan file.

    Raises:
        PlanError: FL3005 … FL3015, with the reason and the mend.
    """
    tf.keras.utils.set_random_seed(SEED)
    return compile_source(load_source(file, function), protobuf)


def load_source(file: Path, function: str) -> PlanSource:
    """Imports a researcher's file and calls its function; see `described`."""
    found, module = described(file, function)
    return _as_source(found, module, file)


def _as_source(found: Any, module: Any, file: Path) -> PlanSource:
    if isinstance(found, PlanSource):
        return found
    schema = getattr(module, "SCHEMA", None)
    if not isinstance(found, tff.templates.IterativeProcess):
        raise plan_error(codes.SOURCE_UNUSABLE, f"the function returns {type(found).__name__}", str(file))
    if not isinstance(schema, Schema):
        raise plan_error(codes.SCHEMA_MISMATCH, "a bare process needs a Schema named SCHEMA beside it", str(file))
    name = "".join(letter if letter.isalnum() else "-" for letter in file.stem.lower())[:40]
    batching, unbounded = getattr(module, "BATCHING", DEFAULT_BATCHING), getattr(module, "UNBOUNDED_WEIGHTS", False)
    return PlanSource(name, found, schema, batching, unbounded_weights=unbounded)


def compile_source(source: PlanSource, protobuf: str = "upb") -> bytes:
    """Compiles a described process; see `build_plan`."""
    form = split_process(source.process)
    computations = Computations(form.prepare, form.work, form.update)
    check_outputs(computations.sums_type, computations.data_type)
    check_schema(source.schema, computations.data_type)
    serialized = {name: _serialize(getattr(form, name)) for name in ("prepare", "work", "update")}
    drawn = {name: check_computation(name, raw) for name, raw in serialized.items()}
    state = first_state(source.process)
    workplace = Workplace(computations, state, source)
    samples = workplace.samples()
    layout = make_layout(form, workplace, samples)
    files = {INITIAL: encode_state(state), **{f"{name}.pb": raw for name, raw in serialized.items()}}
    manifest = TffManifest.model_validate(
        {
            "name": source.name,
            "framework_version": tff.__version__,
            "protobuf": protobuf,
            "cohort_max": source.cohort_max,
            "layout": layout,
            "layout_digest": layout.digest(),
            "weights": find_weights(layout, workplace, samples),
            "schema": source.schema,
            "schema_digest": source.schema.digest(),
            "batching": source.batching,
            "evaluation": split_data(computations.data_type),
            "quantisation": source.quantisation,
            "metrics": metric_names(computations.update.type_signature.result[1]),
            "state": [StateLeaf(path=p, dtype=d, shape=s) for p, d, s in state_specs(computations.state_type)],
            "random_ops": drawn["work"],
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
    )
    return pack_plan(manifest, files)


def split_process(process: Any) -> Any:
    """Splits a process into prepare, work, the secure sums' bounds and update.

    Raises:
        PlanError: FL3013 where it does not have the form of one round.
    """
    try:
        return tff.backends.mapreduce.get_map_reduce_form_for_computation(process.next)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise plan_error(codes.NOT_A_ROUND, f"{type(error).__name__}: {reason}") from error


def first_state(process: Any) -> list[Leaf]:
    """Computes the state before the first round.

    Raises:
        PlanError: FL3009 for a type that no blob holds, FL3022 where it is not finite.
    """
    initialize = tff.backends.mapreduce.get_state_initialization_computation(process.initialize)
    state_type = initialize.type_signature.result
    state = leaves(flatten(initialize(), state_type), state_type)
    require_finite(state)
    return state


def _serialize(computation: Any) -> bytes:
    raw: bytes = tff.framework.serialize_computation(computation).SerializeToString(deterministic=True)
    return raw
