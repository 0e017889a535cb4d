"""Between TFF's nested values and flat lists of named tensors."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_federated as tff
from numpy.typing import NDArray

from fl_node import codes
from fl_node.plan.errors import plan_error
from fl_node.plan.state_codec import DTYPES

Path = tuple[str, ...]


def tensor_types(value_type: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Lists the tensors of a type with their paths (names, or positions where there is no name), in TFF's own order.

    Raises:
        PlanError: FL3009 for sequences, functions, tensors of unknown shape or unsupported element type.
    """
    if isinstance(value_type, tff.StructType):
        for position, (name, member) in enumerate(tff.structure.iter_elements(value_type)):
            yield from tensor_types(member, (*path, name or str(position)))
        return
    place = "/".join(path)
    if not isinstance(value_type, tff.TensorType):
        raise plan_error(codes.UNSUPPORTED_TYPE, f"{value_type} is no tensor", place)
    if not tff.types.is_shape_fully_defined(value_type.shape):
        raise plan_error(codes.UNSUPPORTED_TYPE, f"{value_type} has no fixed shape", place)
    if dtype_name(value_type) not in DTYPES:
        raise plan_error(codes.UNSUPPORTED_TYPE, f"tensors of {dtype_name(value_type)} are not supported", place)
    yield path, value_type


def dtype_name(tensor_type: Any) -> str:
    """The element type's name as the state codec and the layout write it."""
    return "string" if is_text(tensor_type) else np.dtype(tensor_type.dtype).name


def is_text(tensor_type: Any) -> bool:
    """Whether a tensor holds strings."""
    return np.dtype(tensor_type.dtype).kind in "USO"


def flatten(value: Any, value_type: Any) -> list[NDArray[Any]]:
    """Flattens a value into arrays in the order of `tensor_types`."""
    if not isinstance(value_type, tff.StructType):
        return [_array(value, value_type)]
    leaves = tff.structure.flatten(tff.structure.from_container(value, recursive=True))
    types = [tensor for _, tensor in tensor_types(value_type)]
    return [_array(leaf, tensor) for leaf, tensor in zip(leaves, types, strict=True)]


def pack(arrays: Sequence[NDArray[Any]], value_type: Any) -> Any:
    """Builds the nested value of a type from the arrays that `flatten` gave."""
    remaining = iter(arrays)
    value = _pack(remaining, value_type)
    if next(remaining, None) is not None:
        raise AssertionError("more arrays than the type has tensors")
    return value


def _pack(remaining: Iterator[NDArray[Any]], value_type: Any) -> Any:
    if not isinstance(value_type, tff.StructType):
        return next(remaining)
    members = tff.structure.iter_elements(value_type)
    return tff.structure.Struct([(name, _pack(remaining, member)) for name, member in members])


def _array(value: Any, tensor_type: Any) -> NDArray[Any]:
    if is_text(tensor_type):
        texts = np.asarray(value, dtype=np.object_)
        return np.vectorize(_bytes, otypes=[np.object_])(texts) if texts.size else texts
    return np.asarray(value, dtype=tensor_type.dtype)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
