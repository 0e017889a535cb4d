"""How the slots of an update lie in its bytes: 64-bit words, then 32-bit words, little-endian, zero-padded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from fl_node import codes
from fl_node.canonical import LABEL_LAYOUT, CanonicalError, canonical_json, decode_strict, tagged_hash
from fl_node.secagg.errors import SecaggError

ALIGN: Final = 16
"""Vectors are padded with zeros to the block of AES."""

HEADROOM: Final = 8
"""Bits of a 32-bit ring that stay free, so that garbage fails the range check (T18)."""

MAX_BYTES: Final = 1 << 30
MAX_SEGMENTS: Final = 4096

KINDS: Final = ("value", "weight", "metric", "count", "one")

_LAYOUT_FIELDS: Final = {"version", "segments", "count"}
_SEGMENT_FIELDS: Final = {"name", "kind", "word", "ring", "max", "slots", "path", "shape", "dtype"}

Words = npt.NDArray[np.unsignedinteger[Any]]
"""Slots as unsigned integers, uint64 or uint32."""

Vector = bytes | bytearray
"""A vector's bytes; who gets one leaves it as it is."""


@dataclass(frozen=True)
class Segment:
    """A run of slots of one kind.

    Attributes:
        kind: value, weight, metric, count, or one (each participant puts exactly 1).
        word: Bits of a word, 64 or 32.
        ring: Bits of the sum's ring; below `word` the sums are modular by nature.
        maximum: Largest value one participant may put.
        start: First byte in the vector.
    """

    name: str
    kind: str
    word: Literal[32, 64]
    ring: int
    maximum: int
    slots: int
    start: int = 0

    @property
    def modular(self) -> bool:
        """Whether sums wrap at 2^ring by nature."""
        return self.ring < self.word

    @property
    def end(self) -> int:
        """The byte after the last."""
        return self.start + self.slots * self.word // 8

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Little-endian numpy type of a word."""
        return np.dtype(f"<u{self.word // 8}")

    def bounds(self, participants: int = 1) -> tuple[int, int]:
        """The least and the largest number that honest values of so many participants can sum to."""
        if self.modular:
            return 0, (1 << self.ring) - 1
        return participants if self.kind == "one" else 0, self.maximum * participants

    def view(self, vector: bytes | bytearray | memoryview) -> Words:
        """Returns this segment's words of a vector, without a copy."""
        return np.frombuffer(vector, self.dtype, self.slots, self.start)


@dataclass(frozen=True)
class Count:
    """Maps a slot to example rows: rows = slot · numerator / denominator."""

    segment: str
    numerator: int
    denominator: int


@dataclass(frozen=True)
class Layout:
    """The slots of one vector.

    Attributes:
        document: Canonical JSON of the layout.
        segments: In the order of their bytes.
    """

    document: bytes
    segments: tuple[Segment, ...]
    count: Count | None

    @classmethod
    def parse(cls, raw: bytes) -> "Layout":
        """Reads a layout's JSON.

        Raises:
            SecaggError: It is no layout (FL4104).
        """
        try:
            return cls.from_fields(decode_strict(raw))
        except CanonicalError as error:
            raise SecaggError(codes.BAD_LAYOUT, f"the layout is no canonical JSON: {error}") from error

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Layout":
        """Builds a layout from its JSON object; errors as `parse`."""
        try:
            return cls._from_fields(fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise SecaggError(codes.BAD_LAYOUT, "the layout lacks a field or has one of another type") from error

    @classmethod
    def _from_fields(cls, fields: Mapping[str, Any]) -> "Layout":
        _require(set(fields) <= _LAYOUT_FIELDS, "no other fields")
        segments = [_segment(entry) for entry in fields["segments"]]
        _require(fields["version"] == 1 and 0 < len(segments) <= MAX_SEGMENTS, "version 1 and some segments")
        _require(len({segment.name for segment in segments}) == len(segments), "names differ")
        count = None if fields.get("count") is None else Count(**fields["count"])
        layout = cls(canonical_json(fields), _placed(segments), count)
        _require(layout.data_bytes <= MAX_BYTES, f"at most {MAX_BYTES} bytes")
        _check_count(layout)
        return layout

    def segment(self, name: str) -> Segment:
        """Finds a segment by a name that the layout has."""
        return next(segment for segment in self.segments if segment.name == name)

    @cached_property
    def digest(self) -> bytes:
        """H(layout, canonical JSON), 32 bytes."""
        return tagged_hash(LABEL_LAYOUT, self.document)

    @property
    def data_bytes(self) -> int:
        """Bytes of all words, without padding."""
        return self.segments[-1].end

    @property
    def length(self) -> int:
        """Bytes of every update and aggregate."""
        return -(-self.data_bytes // ALIGN) * ALIGN

    @property
    def boundary(self) -> int:
        """Bytes of the 64-bit words, which come first."""
        return sum(segment.slots * 8 for segment in self.segments if segment.word == 64)  # noqa: PLR2004 - word size

    def check_cohort(self, participants: int) -> None:
        """Refuses a layout whose sums could leave their ring or, in 32-bit words, their headroom (FL4104)."""
        for segment in self.segments:
            spare = HEADROOM if segment.word == 32 else 0  # noqa: PLR2004 - word size
            fits = segment.maximum * participants < 1 << (segment.word - spare)
            _require(segment.modular or fits, f"{segment.name!r} holds {participants} participants")

    def pack(self, values: Mapping[str, npt.ArrayLike]) -> bytearray:
        """Writes named values into one vector; modular values are reduced to their ring.

        Raises:
            SecaggError: A segment is missing, of another size, or outside 0 … maximum (FL4105).
        """
        vector = bytearray(self.length)
        for segment in self.segments:
            array = np.asarray(values.get(segment.name, ()))
            if array.size != segment.slots or array.dtype.kind not in "iu":
                raise SecaggError(codes.BAD_VECTOR, f"{segment.slots} integers are needed", where=segment.name)
            if not segment.modular and (int(array.min()) < 0 or int(array.max()) > segment.maximum):
                raise SecaggError(codes.BAD_VECTOR, f"a slot is outside 0 … {segment.maximum}", where=segment.name)
            segment.view(vector)[:] = array.reshape(-1).astype(segment.dtype)
        self.reduce(vector)
        return vector

    def unpack(self, vector: bytes | bytearray | memoryview) -> dict[str, Words]:
        """Returns each segment's words, without copies."""
        return {segment.name: segment.view(vector) for segment in self.segments}

    def reduce(self, vector: bytearray) -> None:
        """Brings modular words into their ring, in place."""
        for segment in self.segments:
            if segment.modular:
                words = segment.view(vector)
                np.bitwise_and(words, segment.dtype.type((1 << segment.ring) - 1), out=words)

    def check_vector(self, vector: bytes | bytearray | memoryview) -> None:
        """Refuses a plain vector of another length or with a slot outside its range (FL4105)."""
        if len(vector) != self.length or any(vector[self.data_bytes :]):
            raise SecaggError(codes.BAD_VECTOR, f"a vector has {self.length} bytes and zero padding")
        for segment in self.segments:
            words, (least, most) = segment.view(vector), segment.bounds()
            if int(words.max()) > most or int(words.min()) < least:
                raise SecaggError(codes.BAD_VECTOR, f"a slot is outside {least} … {most}", where=segment.name)


def _segment(entry: Mapping[str, Any]) -> Segment:
    _require(set(entry) <= _SEGMENT_FIELDS, "segments have no other fields")
    segment = Segment(entry["name"], entry["kind"], entry["word"], entry["ring"], entry["max"], entry["slots"])
    integers = (segment.word, segment.ring, segment.maximum, segment.slots)
    _require(all(type(value) is int for value in integers) and isinstance(segment.name, str), "sizes are integers")
    _require(isinstance(entry.get("dtype", ""), str), "a dtype is text")
    _require(segment.kind in KINDS, f"{segment.name!r} is of a known kind")
    _require(segment.word in {32, 64} and 1 <= segment.ring <= segment.word, f"{segment.name!r} has a ring in its word")
    _require(1 <= segment.slots <= MAX_BYTES // 4, f"{segment.name!r} has some slots")
    _require(1 <= segment.maximum < 1 << segment.ring, f"the maximum of {segment.name!r} lies in its ring")
    plain_one = segment.kind != "one" or (segment.maximum == 1 and not segment.modular)
    _require(plain_one, f"{segment.name!r} counts participants, so that it holds 1 in a plain ring")
    return segment


def _placed(segments: list[Segment]) -> tuple[Segment, ...]:
    placed: list[Segment] = []
    for segment in sorted(segments, key=lambda one: -one.word):  # stable: the listed order within a word size
        start = placed[-1].end if placed else 0
        fields = (segment.name, segment.kind, segment.word, segment.ring, segment.maximum, segment.slots)
        placed.append(Segment(*fields, start))
    return tuple(placed)


def _check_count(layout: Layout) -> None:
    if layout.count is None:
        return
    found = [segment for segment in layout.segments if segment.name == layout.count.segment]
    plain = bool(found) and found[0].slots == 1 and not found[0].modular
    positive = min(layout.count.numerator, layout.count.denominator) >= 1
    _require(plain and positive, "count names one plain slot and has a positive map")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise SecaggError(codes.BAD_LAYOUT, f"the layout breaks a rule: {rule}")
