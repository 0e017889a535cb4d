"""Whether a plan's parts agree: computations, layout, state, schema. Checked when it is built and when it is loaded."""

from collections.abc import Sequence
from typing import Any, Final

import tensorflow_federated as tff

from fl_node import codes
from fl_node.data.schema import Schema
from fl_node.plan.errors import plan_error
from fl_node.plan.manifest import Manifest
from fl_node.plan.tff.execute import Computations, split_data, state_specs
from fl_node.plan.tff.structure import dtype_name, tensor_types

SHOWN: Final = 3

Tensor = tuple[tuple[int | None, ...], str]
"""A shape, None for the rows of a batch, and a type."""


def check_plan(manifest: Manifest, computations: Computations) -> None:
    """Checks that a manifest describes these computations.

    Raises:
        PlanError: FL3007 (a plain output), FL3010 (schema), FL3003 (layout or state).
    """
    check_outputs(computations.sums_type, computations.data_type)
    check_schema(manifest.schema_, computations.data_type)
    tensors = [(path, tuple(t.shape), dtype_name(t)) for path, t in tensor_types(computations.sums_type)]
    segments = [(segment.path, segment.shape, segment.dtype) for segment in manifest.layout.segments]
    if sorted(tensors) != sorted(segments):
        raise plan_error(codes.BAD_MANIFEST, "the layout is not that of the client's work")
    if [(leaf.path, leaf.dtype, leaf.shape) for leaf in manifest.state] != state_specs(computations.state_type):
        raise plan_error(codes.BAD_MANIFEST, "the state is not that of the update")


def check_outputs(sums_type: Any, data_type: Any) -> None:
    """Checks that a client sends nothing outside the secure sums.

    Raises:
        PlanError: FL3007 naming what it would send.
    """
    plain = [
        f"{tensor.compact_representation()} at {'/'.join(path) or 'the top'}"
        for path, tensor in tensor_types(sums_type[0])
    ]
    if plain:
        shown = ", ".join(plain[:SHOWN]) + (f" and {len(plain) - SHOWN} more" if len(plain) > SHOWN else "")
        raise plan_error(codes.PLAIN_OUTPUT, f"each client would send {shown} in plain", hint=_of_points(data_type))


def _of_points(data_type: Any) -> str:
    """The mend of a process that reads single points, as TFF's k-means does; "" for any other: the catalogue's."""
    element = data_type.element if isinstance(data_type, tff.SequenceType) else None
    if not isinstance(element, tff.TensorType) or None in element.shape:
        return ""
    return (
        "TFF's k-means counts points in plain, whatever aggregator it is given: take the kind KMeans, as "
        "KindPlan(NAME, SCHEMA, KMeans(clusters=3)) of fl_node.plan.kinds.source (docs/kinds.md)."
    )


def check_schema(schema: Schema, data_type: Any) -> None:
    """Checks that a schema's rows are what the process reads.

    Raises:
        PlanError: FL3010.
    """
    sequences = [data_type["train"], data_type["holdout"]] if split_data(data_type) else [data_type]
    for sequence in sequences:
        if not isinstance(sequence, tff.SequenceType):
            raise plan_error(codes.SCHEMA_MISMATCH, f"client data is {sequence}, not a sequence of batches")
        parts = [(tuple(tensor.shape), dtype_name(tensor)) for tensor in _batch_types(sequence.element)]
        due = _due(schema)
        if not _fit(parts, due):
            text = f"batches are {sequence.element.compact_representation()}, the schema's rows are {_shown(due)}"
            raise plan_error(codes.SCHEMA_MISMATCH, text)


def _fit(parts: Sequence[Tensor], due: Sequence[Tensor]) -> bool:
    """Whether batches are rows: the label with a last dimension of 1 or a wider type too, or absent.

    Without a label the features may be the label.
    """
    if not parts or parts[0] not in {due[0], (due[0][0], "float64")} or len(parts) > 2:  # noqa: PLR2004 - no third
        return False
    if len(parts) == 1:
        return True
    shape, dtype = due[-1]
    wider = {"int32": ("int32", "int64"), "float32": ("float32", "float64")}[dtype]
    return parts[1][0] in {shape, (*shape, 1)} and parts[1][1] in wider


def _shown(due: Sequence[Tensor]) -> str:
    parts = [f"{dtype}[{','.join('?' if size is None else str(size) for size in shape)}]" for shape, dtype in due]
    return f"<{','.join(parts)}>"


def _due(schema: Schema) -> list[Tensor]:
    features = ((None, schema.width), "float32")
    if schema.label_dtype is None:
        return [features]
    return [features, ((None, *schema.label_shape), schema.label_dtype.name)]


def _batch_types(element: Any) -> list[Any]:
    members = [element] if isinstance(element, tff.TensorType) else [m for _, m in tff.structure.iter_elements(element)]
    if not all(isinstance(member, tff.TensorType) for member in members):
        hint = "Let the model take one tensor of all features, and cut it inside: x[:, :4], x[:, 4:]. Outputs likewise."
        text = f"batches are {element}, not features with or without labels"
        raise plan_error(codes.SCHEMA_MISMATCH, text, hint=hint)
    return members
