"""From a described kind to a plan file: nothing is compiled, everything follows from the kind and the schema."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from fl_node import codes
from fl_node.plan.container import INITIAL, pack_plan
from fl_node.plan.described import described
from fl_node.plan.errors import plan_error
from fl_node.plan.kinds.manifest import VERSION, KindManifest, expected
from fl_node.plan.kinds.source import KindPlan
from fl_node.plan.kinds.step import write_state
from fl_node.plan.manifest import Batching

ONE_PASS = {"batch": 65_536, "epochs": 1}


def build_plan(file: Path, function: str) -> bytes:
    """Builds the plan that a function in a file describes; it returns a `KindPlan`.

    Raises:
        PlanError: FL3012, with the reason.
    """
    found, _ = described(file, function)
    if not isinstance(found, KindPlan):
        raise plan_error(codes.SOURCE_UNUSABLE, f"the function returns {type(found).__name__}, no KindPlan", str(file))
    return compile_kind(found)


def compile_kind(source: KindPlan) -> bytes:
    """Returns the bytes of the plan file.

    Raises:
        PlanError: FL3012 where the kind cannot use the schema, or a constant is out of range.
    """
    evaluation = source.holdout_percent > 0
    try:
        follows = expected(source.kind, source.schema, source.cohort_max, evaluation=evaluation)
        files = {INITIAL: write_state(source.kind.start(source.schema))}
        manifest = KindManifest.model_validate(
            {
                "name": source.name,
                "framework_version": VERSION,
                "cohort_max": source.cohort_max,
                "layout_digest": follows["layout"].digest(),
                "schema": source.schema,
                "schema_digest": source.schema.digest(),
                "batching": Batching(**ONE_PASS, holdout_percent=source.holdout_percent),
                "evaluation": evaluation,
                "kind": source.kind,
                "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
                **follows,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise plan_error(codes.SOURCE_UNUSABLE, f"{where} {first['msg']}".strip(), source.name) from error
    except ValueError as error:
        raise plan_error(codes.SOURCE_UNUSABLE, str(error), source.name) from error
    return pack_plan(manifest, files)
