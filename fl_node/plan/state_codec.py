r"""States as deterministic bytes: a header that names every leaf, then the leaves' raw numbers. No pickle.

    "fedledger-state/1\n" ‖ u32 header length ‖ header ‖ leaves

The header is the canonical JSON of [[path, dtype, shape], …] in the state's own order. Numbers are little-endian in row
order, booleans one byte each, strings u32 length ‖ bytes each; both lengths are big-endian. Empty structs have no leaf.
A state comes from other organisations: whatever its bytes are, reading them ends with a state or with a `PlanError`.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.canonical import CanonicalError, canonical_json, decode_strict
from fl_node.plan.errors import plan_error

MAGIC: Final = b"fedledger-state/1\n"
_NUMBERS: Final = {
    np.dtype(f"{kind}{size}").name: np.dtype(f"<{kind}{size}")
    for kind, sizes in (("i", (1, 2, 4, 8)), ("u", (1, 2, 4, 8)), ("f", (2, 4, 8)))
    for size in sizes
}
DTYPES: Final = frozenset({*_NUMBERS, "bool", "string"})
"""The names of all types that a leaf may have."""

MAX_RANK: Final = 32
"""The most dimensions of a leaf, numpy's bound."""

SHOWN: Final = 80
"""How many characters of a wrong header entry an error shows."""

MAX_SLOTS: Final = 1 << 31
"""The most numbers of a leaf, zero sizes left out: so many bytes no message holds, and no array may announce more."""


@dataclass(frozen=True)
class Leaf:
    """One tensor of a state; strings are an object array of bytes."""

    path: str
    array: NDArray[Any]

    @property
    def dtype(self) -> str:
        """The type's name in the header."""
        return "string" if self.array.dtype == np.object_ else self.array.dtype.name

    @property
    def spec(self) -> tuple[str, str, tuple[int, ...]]:
        """Path, type and shape."""
        return (self.path, self.dtype, self.array.shape)


def encode_state(leaves: Sequence[Leaf]) -> bytes:
    """Encodes a state's leaves; the same leaves give the same bytes on every machine.

    Raises:
        PlanError: FL3009 for a type that has no encoding.
    """
    for leaf in leaves:
        if leaf.dtype not in DTYPES:
            raise plan_error(codes.UNSUPPORTED_TYPE, f"a state of type {leaf.dtype}", leaf.path)
    header = canonical_json([[leaf.path, leaf.dtype, list(leaf.array.shape)] for leaf in leaves])
    return b"".join([MAGIC, struct.pack(">I", len(header)), header, *(_encode(leaf) for leaf in leaves)])


def decode_state(blob: bytes) -> list[Leaf]:
    """Reads a state back; exactly the bytes that `encode_state` makes of a finite state are accepted.

    Raises:
        PlanError: FL3022 for NaN or infinity, FL3020 for anything else.
    """
    reader = _Reader(blob)
    if reader.take(len(MAGIC)) != MAGIC:
        raise plan_error(codes.BAD_STATE, "not a state of this version")
    raw = reader.take(reader.length())
    try:
        header = decode_strict(raw)
    except CanonicalError as error:
        raise plan_error(codes.BAD_STATE, f"header: {error}") from error
    if canonical_json(header) != raw or not isinstance(header, list):
        raise plan_error(codes.BAD_STATE, "the header is not canonical")
    leaves = [_decode(entry, reader) for entry in header]
    if reader.rest:
        raise plan_error(codes.BAD_STATE, f"{reader.rest} bytes too many")
    require_finite(leaves)
    return leaves


def compare_states(first: bytes, second: bytes, tolerance: float) -> float:
    """Measures how far two encodings of one state lie apart.

    Floats may differ by `tolerance` relative to the largest magnitude of their tensor (a single weight near zero says
    nothing about the tensor's rounding); everything else must be equal.

    Returns:
        The largest relative deviation, 0.0 for equal bytes.

    Raises:
        PlanError: FL3020 or FL3022 for an invalid blob, FL3021 where the states differ by more.
    """
    if first == second:
        return 0.0
    ours, theirs = decode_state(first), decode_state(second)
    if [leaf.spec for leaf in ours] != [leaf.spec for leaf in theirs]:
        raise plan_error(codes.STATES_DIFFER, "the states have different leaves")
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        deviation = _deviation(a, b)
        if not deviation <= tolerance:
            raise plan_error(
                codes.STATES_DIFFER, f"a deviation of {deviation:.3g} where {tolerance:.3g} is allowed", a.path
            )
        worst = max(worst, deviation)
    return worst


def require_finite(leaves: Sequence[Leaf]) -> None:
    """Refuses a state with NaN or infinity.

    Raises:
        PlanError: FL3022 naming the leaf.
    """
    for leaf in leaves:
        if leaf.array.dtype.kind == "f" and not np.isfinite(leaf.array).all():
            raise plan_error(codes.STATE_NOT_FINITE, "the state holds NaN or infinity", leaf.path)


def _encode(leaf: Leaf) -> bytes:
    if leaf.dtype == "string":
        return b"".join(struct.pack(">I", len(text)) + text for text in leaf.array.ravel())
    if leaf.dtype == "bool":
        return np.ascontiguousarray(leaf.array).astype(np.uint8).tobytes()
    return np.ascontiguousarray(leaf.array).astype(_NUMBERS[leaf.dtype]).tobytes()


class _Reader:
    def __init__(self, blob: bytes) -> None:
        self._blob = memoryview(blob)
        self._offset = 0

    @property
    def rest(self) -> int:
        return len(self._blob) - self._offset

    def take(self, size: int) -> bytes:
        if size > self.rest:
            raise plan_error(codes.BAD_STATE, f"truncated: {size} bytes needed, {self.rest} left")
        self._offset += size
        return bytes(self._blob[self._offset - size : self._offset])

    def length(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])


def _decode(entry: Any, reader: _Reader) -> Leaf:
    match entry:
        case [str(path), str(dtype), list(shape)] if dtype in DTYPES and _possible(shape):
            return Leaf(path, _array(dtype, math.prod(shape), reader).reshape(shape))
        case _:
            raise plan_error(codes.BAD_STATE, f"header entry {str(entry)[:SHOWN]}")


def _possible(shape: list[Any]) -> bool:
    """Tells whether an array can have a shape; a zero makes no room for other sizes, numpy multiplies the rest."""
    sizes = all(type(size) is int and 0 <= size <= MAX_SLOTS for size in shape)
    return len(shape) <= MAX_RANK and sizes and math.prod(size or 1 for size in shape) <= MAX_SLOTS


def _array(dtype: str, slots: int, reader: _Reader) -> NDArray[Any]:
    if slots * _size(dtype) > reader.rest:
        raise plan_error(codes.BAD_STATE, f"truncated: {slots} of {dtype} announced, {reader.rest} bytes left")
    if dtype == "string":
        return np.array([*(reader.take(reader.length()) for _ in range(slots)), None], dtype=np.object_)[:-1]
    raw = np.frombuffer(reader.take(slots * _size(dtype)), dtype=np.uint8 if dtype == "bool" else _NUMBERS[dtype])
    if dtype != "bool":
        return raw.astype(np.dtype(dtype))
    if raw.size and raw.max() > 1:
        raise plan_error(codes.BAD_STATE, "a boolean that is neither 0 nor 1")
    return raw.astype(np.bool_)


def _size(dtype: str) -> int:
    """The fewest bytes that a value takes: of a text, its length."""
    return {"bool": 1, "string": 4}.get(dtype) or _NUMBERS[dtype].itemsize


def _deviation(a: Leaf, b: Leaf) -> float:
    if a.array.dtype.kind != "f":
        return 0.0 if np.array_equal(a.array, b.array) else float("inf")
    first, second = a.array.astype(np.float64), b.array.astype(np.float64)
    if not first.size or np.array_equal(first, second):
        return 0.0
    with np.errstate(over="ignore"):  # two numbers near the largest float may lie infinitely far apart: refused then
        return float(np.abs(first - second).max() / max(np.abs(first).max(), np.abs(second).max()))
