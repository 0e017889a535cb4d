"""Weights as a safetensors file (github.com/huggingface/safetensors): the same arrays give the same bytes anywhere.

    u64 header length, little-endian ‖ header, JSON padded with spaces to a multiple of 8 ‖ arrays without gaps

Wider types come first, then names in order, as the format's own writer lays them.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.errors import NodeError

ALIGNMENT: Final = 8
TYPES: Final = {
    "float16": "F16", "float32": "F32", "float64": "F64", "bool": "BOOL",
    **{f"{sign}int{bits}": f"{letter}{bits}" for sign, letter in (("", "I"), ("u", "U")) for bits in (8, 16, 32, 64)},
}  # fmt: skip
"""numpy's name of a type → the format's."""


def to_safetensors(weights: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the file's bytes.

    Raises:
        NodeError: FL4502, an array's type has no name in the format.
    """
    header: dict[str, Any] = {}
    parts: list[bytes] = []
    at = 0
    for name in sorted(weights, key=lambda name: (-weights[name].dtype.itemsize, name)):
        array = np.asarray(weights[name])
        if array.dtype.name not in TYPES:
            raise NodeError(codes.EXPORT_REFUSED, f"safetensors knows no {array.dtype.name}", where=name)
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(raw)],
        }
        parts, at = [*parts, raw], at + len(raw)
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % ALIGNMENT)
    return struct.pack("<Q", len(encoded)) + encoded + b"".join(parts)


def from_safetensors(raw: bytes) -> dict[str, NDArray[Any]]:
    """Return name → array of a file that `to_safetensors` wrote.

    Raises:
        NodeError: FL4502, it is none.
    """
    try:
        (size,) = struct.unpack_from("<Q", raw)
        header: dict[str, Any] = json.loads(raw[8 : 8 + size])
        header.pop("__metadata__", None)
        return {name: _array(one, memoryview(raw)[8 + size :]) for name, one in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise NodeError(codes.EXPORT_REFUSED, f"this is no safetensors file: {error}") from None


def _array(one: dict[str, Any], rest: memoryview) -> NDArray[Any]:
    begin, end = one["data_offsets"]
    kind = np.dtype({word: name for name, word in TYPES.items()}[one["dtype"]])
    return np.frombuffer(rest[begin:end], kind.newbyteorder("<")).astype(kind).reshape(one["shape"])
