"""Which tensors of a plan the slots of an update hold, and how they are written into one vector and read back.

The slots themselves, their bytes, ranges and digest, are `secagg.layout`'s. The order of `segments` is the order of the
bytes; segments whose tensors TFF adds in another order carry it in `path`.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fl_node import codes
from fl_node.data.schema import Model
from fl_node.plan.errors import plan_error
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.layout import HEADROOM, Layout, Segment, Vector

Kind = Literal["value", "weight", "metric", "count", "one"]
Tensors = Sequence[NDArray[np.signedinteger[Any]]]
_INTEGERS: Final = {"int32": np.int32, "int64": np.int64}


class TensorSegment(Model):
    """One tensor of the secure sums.

    Attributes:
        name: Unique within the layout.
        kind: value (model update), weight (its divisor), metric, count (of rows), one (each participant adds 1).
        word: Bits of a word in the vector, 64 or 32.
        ring: Additions are modulo 2^ring; equal to `word` but for sums that are modular by nature.
        max: The largest number that one participant may put into a slot.
        slots: How many words; the product of `shape`.
        path: Where the tensor stands in the client's work result: the kind of sum, then names or positions.
        shape: The tensor's shape.
        dtype: The tensor's type in the plan, int32 or int64.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    kind: Kind
    word: Literal[64, 32]
    ring: int
    max: int = Field(lt=1 << 64)
    slots: int
    path: tuple[str, ...] = Field(strict=False)
    shape: tuple[int, ...] = Field(strict=False)
    dtype: Literal["int32", "int64"]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.slots != int(np.prod(self.shape, dtype=np.int64)):
            raise ValueError(f"segment {self.name}: slots and shape disagree")
        return self


class Count(Model):
    """How many rows a sum stands for: rows = slot · numerator / denominator, exactly."""

    segment: str
    numerator: int
    denominator: int


class TensorLayout(Model):
    """The document that the ledger, the endorsers and the nodes agree on."""

    version: Literal[1] = 1
    segments: tuple[TensorSegment, ...] = Field(strict=False)
    count: Count | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            placed = self.flat.segments
        except SecaggError as error:
            raise ValueError(error.message) from error
        if [segment.name for segment in placed] != [segment.name for segment in self.segments]:
            raise ValueError("64-bit segments come first")
        return self

    @cached_property
    def flat(self) -> Layout:
        """The layout of the vector."""
        return Layout.from_fields(self.model_dump(mode="json"))

    @property
    def size(self) -> int:
        """Bytes of the vector, padding included."""
        return self.flat.length

    def digest(self) -> str:
        """H(layout, canonical JSON of the layout), hex."""
        return self.flat.digest.hex()

    def pack(self, tensors: Tensors) -> bytearray:
        """Lays one participant's tensors out as a vector.

        Args:
            tensors: One integer tensor per segment, in the order of the segments.

        Raises:
            PlanError: FL3030 where a number is outside its slot, or a one-slot is not 1.
        """
        vector = bytearray(self.size)
        for held, segment, tensor in zip(self.segments, self.flat.segments, tensors, strict=True):
            _check_tensor(held, segment, tensor)
            np.copyto(segment.view(vector), tensor.reshape(-1), casting="unsafe")  # without a copy between
        return vector

    def unpack(
        self, vector: Vector, survivors: int, instead: Mapping[str, int] = MappingProxyType({})
    ) -> list[NDArray[np.signedinteger[Any]]]:
        """Reads an aggregate back into tensors and checks each slot's range.

        Args:
            vector: The sum's bytes in this layout; a tensor with numbers as long as its words shares them.
            survivors: How many participants were added, ≥ 1.
            instead: What one-slot segments hold instead, by name.

        Raises:
            PlanError: FL3031 (size, padding), FL3032 (range) or FL3033 (one-slots).
        """
        if len(vector) != self.size:
            raise plan_error(codes.AGGREGATE_SIZE, f"{len(vector)} bytes where the layout has {self.size}")
        if any(vector[self.flat.data_bytes :]):
            raise plan_error(codes.AGGREGATE_SIZE, "the padding is not zero")
        tensors = []
        for held, segment in zip(self.segments, self.flat.segments, strict=True):
            words, (least, most) = segment.view(vector), segment.bounds(survivors)
            if held.name in instead:
                words = np.array([instead[held.name]], segment.dtype)
            if int(words.min()) < least or int(words.max()) > most:
                code = codes.AGGREGATE_COUNT if segment.kind == "one" else codes.AGGREGATE_RANGE
                raise plan_error(code, f"a sum outside {least} … {most}", segment.name)
            integer = np.dtype(_INTEGERS[held.dtype])
            same = words.itemsize == integer.itemsize
            numbers: NDArray[np.signedinteger[Any]] = words.view(integer) if same else words.astype(integer)
            tensors.append(numbers.reshape(held.shape))
        return tensors

    def rows(self, vector: Vector) -> int:
        """How many rows a vector (one participant's or a sum) stands for; 0 where the layout has no count.

        Raises:
            PlanError: FL3032 where the count is no whole number of rows.
        """
        if self.count is None:
            return 0
        slot = int(self.flat.segment(self.count.segment).view(vector)[0])
        rows, rest = divmod(slot * self.count.numerator, self.count.denominator)
        if rest:
            raise plan_error(codes.AGGREGATE_RANGE, f"a count of {slot} is no whole number of rows", self.count.segment)
        return rows


def word_for(largest: int, cohort_max: int) -> Literal[64, 32]:
    """The smallest word that holds the sum of a cohort with headroom: 32 where n·max·2⁸ < 2³², else 64."""
    return 32 if cohort_max * largest << HEADROOM < 1 << 32 else 64


def _check_tensor(held: TensorSegment, segment: Segment, tensor: NDArray[np.signedinteger[Any]]) -> None:
    if str(tensor.dtype) != held.dtype or tensor.shape != held.shape:
        found = f"{tensor.dtype}{list(tensor.shape)}"
        raise plan_error(codes.WORK_OUT_OF_SLOT, f"{found} where {held.dtype}{list(held.shape)} is due", held.name)
    low, high = int(tensor.min()), int(tensor.max())
    least, most = segment.bounds()
    if low < least or high > most:
        text = f"numbers from {low} to {high} where {least} to {most} are allowed"
        raise plan_error(codes.WORK_OUT_OF_SLOT, text, held.name)
