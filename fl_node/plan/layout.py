"""The flat layout of the secure sums: from a plan's tensors to one vector of bytes, and back.

Words are little-endian, 64-bit segments first, then 32-bit ones, zero-padded to 16 bytes. The order of `segments` is
the order of the bytes. Segments whose tensors TFF adds in another order carry it in `path`.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fl_node import codes
from fl_node.canonical import LABEL_LAYOUT, canonical_json, tagged_hash
from fl_node.data.schema import Model
from fl_node.plan.errors import plan_error

HEADROOM_BITS: Final = 8
"""Bits above the largest honest sum: a wrong mask or garbage then leaves a slot's range with probability above 99 %."""

BLOCK: Final = 16
"""The vector is padded to whole AES blocks."""

Kind = Literal["value", "weight", "metric", "count", "one"]
_INTEGERS: Final = {"int32": np.int32, "int64": np.int64}


class Segment(Model):
    """One tensor of the secure sums.

    Attributes:
        name: Unique within the layout.
        kind: value (model update), weight (its divisor), metric, count (of rows), one (each participant adds 1).
        word: Bits of a word in the vector, 64 or 32.
        ring: Additions are modulo 2^ring; equal to `word` but for sums that are modular by nature.
        max: The largest number that one participant may put into a slot.
        slots: How many words.
        path: Where the tensor stands in the client's work result: the kind of sum, then names or positions.
        shape: The tensor's shape.
        dtype: The tensor's type in the plan, int32 or int64.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    kind: Kind
    word: Literal[64, 32]
    ring: int = Field(ge=1, le=64)
    max: int = Field(ge=1, lt=1 << 64)
    slots: int = Field(ge=1)
    path: tuple[str, ...] = Field(strict=False)
    shape: tuple[int, ...] = Field(strict=False)
    dtype: Literal["int32", "int64"]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.slots != int(np.prod(self.shape, dtype=np.int64)):
            raise ValueError(f"segment {self.name}: slots and shape disagree")
        if self.ring > self.word or self.max > (1 << self.ring) - 1:
            raise ValueError(f"segment {self.name}: the ring does not hold its values")
        if self.kind == "one" and self.max != 1:
            raise ValueError(f"segment {self.name}: a one-slot has maximum 1")
        return self

    @property
    def modular(self) -> bool:
        """Whether the sum wraps by nature, so that it has no range to check."""
        return self.ring < self.word

    @property
    def size(self) -> int:
        """Bytes in the vector."""
        return self.slots * self.word // 8


class Count(Model):
    """How many rows a sum stands for: rows = slot · numerator / denominator, exactly."""

    segment: str
    numerator: int = Field(ge=1)
    denominator: int = Field(ge=1)


class Layout(Model):
    """The layout that the ledger, the endorsers and the nodes agree on."""

    version: Literal[1] = 1
    segments: tuple[Segment, ...] = Field(min_length=1, strict=False)
    count: Count | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [segment.name for segment in self.segments]
        if len(set(names)) != len(names):
            raise ValueError("a segment's name stands twice")
        words = [segment.word for segment in self.segments]
        if words != sorted(words, reverse=True):
            raise ValueError("64-bit segments come first")
        if self.count and self.segment(self.count.segment).slots != 1:
            raise ValueError("the count is one slot")
        return self

    def segment(self, name: str) -> Segment:
        """Finds a segment by name.

        Raises:
            ValueError: There is none.
        """
        for segment in self.segments:
            if segment.name == name:
                return segment
        raise ValueError(f"no segment {name!r}")

    @property
    def size(self) -> int:
        """Bytes of the vector, padding included."""
        size = sum(segment.size for segment in self.segments)
        return -(-size // BLOCK) * BLOCK

    def digest(self) -> str:
        """H(layout, canonical JSON of the layout), hex."""
        return tagged_hash(LABEL_LAYOUT, canonical_json(self.model_dump(mode="json"))).hex()

    def pack(self, tensors: Sequence[NDArray[np.signedinteger[Any]]]) -> bytes:
        """Lays one participant's tensors out as a vector.

        Args:
            tensors: One integer tensor per segment, in the order of the segments.

        Raises:
            PlanError: FL3030 where a number is outside its slot, or a one-slot is not 1.
        """
        parts = [_words(segment, tensor) for segment, tensor in zip(self.segments, tensors, strict=True)]
        return b"".join(parts).ljust(self.size, b"\0")

    def unpack(self, vector: bytes, survivors: int) -> list[NDArray[np.signedinteger[Any]]]:
        """Reads an aggregate back into tensors and checks each slot's range.

        Args:
            vector: The sum's bytes in this layout.
            survivors: How many participants were added, ≥ 1.

        Raises:
            PlanError: FL3031 (size, padding), FL3032 (range) or FL3033 (one-slots).
        """
        if len(vector) != self.size:
            raise plan_error(codes.AGGREGATE_SIZE, f"{len(vector)} bytes where the layout has {self.size}")
        tensors, offset = [], 0
        for segment in self.segments:
            words = np.frombuffer(vector, dtype=f"<u{segment.word // 8}", count=segment.slots, offset=offset)
            _check_sum(segment, words, survivors)
            tensors.append(words.astype(_INTEGERS[segment.dtype]).reshape(segment.shape))
            offset += segment.size
        if any(vector[offset:]):
            raise plan_error(codes.AGGREGATE_SIZE, "the padding is not zero")
        return tensors

    def rows(self, vector: bytes) -> int:
        """How many rows a vector (one participant's or a sum) stands for; 0 where the layout has no count.

        Raises:
            PlanError: FL3032 where the count is no whole number of rows.
        """
        if self.count is None:
            return 0
        offset = 0
        for segment in self.segments:
            if segment.name == self.count.segment:
                slot = int.from_bytes(vector[offset : offset + segment.size], "little")
                rows, rest = divmod(slot * self.count.numerator, self.count.denominator)
                if rest:
                    raise plan_error(
                        codes.AGGREGATE_RANGE, f"a count of {slot} is no whole number of rows", segment.name
                    )
                return rows
            offset += segment.size
        raise AssertionError("the model checks that the count's segment exists")


def word_for(largest: int, cohort_max: int) -> Literal[64, 32]:
    """The smallest word that holds the sum of a cohort with headroom: 32 where n·max·2⁸ < 2³², else 64."""
    return 32 if cohort_max * largest << HEADROOM_BITS < 1 << 32 else 64


def _words(segment: Segment, tensor: NDArray[np.signedinteger[Any]]) -> bytes:
    if str(tensor.dtype) != segment.dtype or tensor.shape != segment.shape:
        found = f"{tensor.dtype}{list(tensor.shape)}"
        raise plan_error(
            codes.WORK_OUT_OF_SLOT, f"{found} where {segment.dtype}{list(segment.shape)} is due", segment.name
        )
    low, high = int(tensor.min()), int(tensor.max())
    if segment.kind == "one" and (low, high) != (1, 1):
        raise plan_error(codes.WORK_OUT_OF_SLOT, "a one-slot is not 1", segment.name)
    if low < 0 or high > segment.max:
        raise plan_error(
            codes.WORK_OUT_OF_SLOT, f"numbers from {low} to {high} where 0 to {segment.max} are allowed", segment.name
        )
    return np.ascontiguousarray(tensor).astype(f"<u{segment.word // 8}").tobytes()


def _check_sum(segment: Segment, words: NDArray[np.unsignedinteger[Any]], survivors: int) -> None:
    largest = int(words.max())
    if segment.kind == "one" and not (int(words.min()) == largest == survivors):
        raise plan_error(codes.AGGREGATE_COUNT, f"{largest} where {survivors} survived", segment.name)
    limit = (1 << segment.ring) - 1 if segment.modular else survivors * segment.max
    if largest > limit:
        raise plan_error(codes.AGGREGATE_RANGE, f"a sum of {largest} where at most {limit} is possible", segment.name)
