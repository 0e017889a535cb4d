"""A small plan, layout and schema for tests that need no framework."""

import hashlib
from typing import Any

import numpy as np

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.container import pack_plan
from fl_node.plan.layout import Count, TensorLayout, TensorSegment
from fl_node.plan.manifest import Batching
from fl_node.plan.tff.manifest import TffManifest

SCHEMA = Schema(columns=(Column(name="a"), Column(name="b")), label=Label(name="y", values=("no", "yes")))


def segment(name: str, kind: Any = "value", **changes: Any) -> TensorSegment:
    fields = {"word": 32, "ring": 32, "max": 1000, "slots": 6, "path": ("1", name), "shape": (2, 3), "dtype": "int32"}
    return TensorSegment.model_validate({"name": name, "kind": kind, **fields, **changes})


ONE = segment("one", "one", max=1, slots=1, shape=())
COUNT = segment("count", "count", word=64, ring=64, max=1 << 40, slots=1, shape=(), dtype="int64")
LAYOUT = TensorLayout(
    segments=(COUNT, segment("value"), ONE, segment("wrapped", ring=8, max=255, slots=1, shape=())),
    count=Count(segment="count", numerator=1, denominator=3),
)
TENSORS = [
    np.array(12, dtype=np.int64),
    np.arange(6, dtype=np.int32).reshape(2, 3),
    np.array(1, dtype=np.int32),
    np.array(200, dtype=np.int32),
]
FILES = {"initial.state": b"state", "prepare.pb": b"p", "update.pb": b"u", "work.pb": b"w" * 100}


def manifest(**changes: Any) -> TffManifest:
    fields: dict[str, Any] = {
        "name": "test",
        "framework_version": "0.87.0",
        "cohort_max": 4,
        "layout": LAYOUT,
        "layout_digest": LAYOUT.digest(),
        "schema": SCHEMA,
        "schema_digest": SCHEMA.digest(),
        "batching": Batching(batch=1, epochs=3, holdout_percent=0),
        "evaluation": False,
        "metrics": ("loss",),
        "state": (),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()},
    }
    return TffManifest.model_validate({**fields, **changes})


PACKED = pack_plan(manifest(), FILES)
