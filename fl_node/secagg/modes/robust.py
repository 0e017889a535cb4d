"""Rules over vectors of which some may be anything: what the modes make of groups' means, and of single updates.

With S a group's sum and m its survivors, its mean is M = ⌊(2^16·S + ⌊m/2⌋)/m⌋. A value slot of the result is
⌊(R·Σm + 2^15)/2^16⌋, where R is what the rule makes of the M. Counts and metrics are plain sums; what is 1 of every
participant is the number of survivors. All is integers, and the same as in Go (chaincode/mode/robust), which names the
sources; docs/decisions/0028-plain.md is the specification.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fl_node import codes
from fl_node.canonical import LABEL_BUCKETS, tagged_hash
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.layout import Layout, Segment
from fl_node.secagg.modes import distances
from fl_node.secagg.modes.interface import Combined

FRACTION: Final = 16
"""Bits after the point of a mean."""

CONTRIBUTION: Final = "metric/contribution"
"""Slots in which each participant says what every group contributed: by the rule, as values are, but in no distance."""

AT_ONCE: Final = 1 << 16
"""Slots worked on at a time."""

Integers = npt.NDArray[Any]
Buckets = tuple[tuple[int, ...], ...]
"""The places of the groups in each bucket."""


@dataclass(frozen=True)
class Rule:
    """What is made of the means.

    Attributes:
        kind: median, trimmed_mean, multi_krum or centred_clipping.
        faulty: f, how many of the groups may hold anything.
        bucket: Of how many groups, drawn by lot, sums are made first; 1 for none.
        bound: Leaves out beforehand what lies further than three times the median distance from the coordinates'
            median. Invariant: only with median and trimmed_mean.
    """

    kind: str
    faulty: int
    bucket: int = 1
    bound: bool = False

    def bears(self, groups: int) -> bool:
        """Tells whether most of what the rule is over is without a faulty participant, each being in another."""
        return 2 * self.faulty < -(-groups // self.bucket)

    def combine(self, layout: Layout, sums: Sequence[bytearray], sizes: Sequence[int], draw: bytes) -> Combined:
        """Makes the aggregate of the groups' sums; `sizes` are their survivors, `draw` deals them into buckets.

        Raises:
            SecaggError: The groups are too few for the rule (FL4125).
        """
        if not self.bears(len(sums)):
            raise SecaggError(codes.TOO_FEW_SURVIVORS, f"{len(sums)} opened groups")
        buckets = self._lots(len(sums), draw)
        merged = [_merged(layout, [sums[place] for place in bucket]) for bucket in buckets]
        means = _Means(layout, merged, [sum(sizes[place] for place in bucket) for bucket in buckets])
        chosen = self._chosen(means)
        result = _merged(layout, merged)
        for segment in layout.segments:
            if segment.kind in {"one", "weight"}:
                segment.view(result)[:] = sum(sizes)
            elif segment.kind == "value" or segment.name == CONTRIBUTION:
                segment.view(result)[:] = means.combined(segment, lambda part: self._robust(part, chosen))
        outlying = {place for number, one in enumerate(buckets) if number not in chosen.kept for place in one}
        return Combined(result, tuple(sorted(outlying)))

    def _lots(self, groups: int, draw: bytes) -> Buckets:
        order = list(range(groups))
        if self.bucket > 1:
            order.sort(key=lambda place: tagged_hash(LABEL_BUCKETS, draw, place))
        return tuple(tuple(order[start : start + self.bucket]) for start in range(0, groups, self.bucket))

    def _chosen(self, means: "_Means") -> distances.Chosen:
        everything = tuple(range(len(means.sizes)))
        if self.kind == "multi_krum":
            return distances.Chosen(distances.central(self._measured(means, pairs=True), self.faulty))
        if self.kind == "centred_clipping":
            return distances.Chosen(everything, distances.clipped(self._measured(means, pairs=True)))
        if self.bound:
            return distances.Chosen(distances.near(self._measured(means, pairs=False)))
        return distances.Chosen(everything)

    def _measured(self, means: "_Means", *, pairs: bool) -> distances.Squares:
        return distances.measured(len(means.sizes), means.coordinates(), pairs=pairs)

    def _robust(self, means: Integers, chosen: distances.Chosen) -> Integers:
        """R of some slots, given every bucket's means."""
        if chosen.weights:
            centre = _middle(np.sort(means, axis=0), (len(means) - 1) // 2)
            return _weighed(np.vstack([centre, means]), chosen.weights)
        kept = np.sort(means[list(chosen.kept)], axis=0)
        ends = {"median": len(kept), "trimmed_mean": self.faulty}.get(self.kind, 0)
        return _middle(kept, min(ends, (len(kept) - 1) // 2))


@dataclass(frozen=True)
class _Means:
    """The buckets' sums with their survivors, seen as means."""

    layout: Layout
    sums: Sequence[bytearray]
    sizes: Sequence[int]

    def parts(self, segment: Segment) -> Iterator[Integers]:
        """Yields M of every bucket, some slots at a time; in 64 bits where every product has room."""
        fits = segment.maximum.bit_length() + sum(self.sizes).bit_length() <= 63 - 2 * FRACTION
        kind: Any = np.uint64 if fits else object
        number = np.uint64 if fits else int
        for start in range(0, segment.slots, AT_ONCE):
            means = []
            for total, size in zip(self.sums, self.sizes, strict=True):
                words = segment.view(total)[start : start + AT_ONCE].astype(kind)
                means.append(((words << number(FRACTION)) + number(size // 2)) // number(size))
            yield np.array(means, kind)

    def coordinates(self) -> Iterator[Integers]:
        """Yields what counts of the means in distances: the upper 32 bits of each segment's range."""
        for segment in self.layout.segments:
            if segment.kind == "value":
                low = max(0, segment.maximum.bit_length() + FRACTION - distances.COORDINATE)
                for part in self.parts(segment):
                    yield (part >> (low if part.dtype == object else np.uint64(low))).astype(np.uint64)

    def combined(self, segment: Segment, rule: Callable[[Integers], Integers]) -> Integers:
        """What the sum of all would be if every participant had sent R."""
        slots = []
        for part in self.parts(segment):
            robust = rule(part)
            number = int if robust.dtype == object else np.uint64
            whole = robust * number(sum(self.sizes)) + number(1 << (FRACTION - 1))
            slots.append((whole >> number(FRACTION)).astype(segment.dtype))
        return np.concatenate(slots)


def _middle(ordered: Integers, ends: int) -> Integers:
    """The floor of the mean of what lies between so many at either end."""
    kept = ordered[ends : len(ordered) - ends]
    count = len(kept) if ordered.dtype == object else np.uint64(len(kept))
    mean: Integers = kept.sum(axis=0) // count
    return mean


def _weighed(points: Integers, weights: Sequence[int]) -> Integers:
    """The floor of the mean by weights in 2^-32: in halves of 24 bits where a number has 48, so that none leaves 64."""
    if points.dtype == object:
        whole: Integers = np.dot(np.array(weights, object), points) >> distances.WEIGHT
        return whole
    by, half, rest = np.array(weights, np.uint64), np.uint64(24), np.uint64(distances.WEIGHT - 24)
    low = np.dot(by, points & np.uint64((1 << 24) - 1)) >> half
    halved: Integers = (np.dot(by, points >> half) + low) >> rest
    return halved


def _merged(layout: Layout, sums: Sequence[bytearray]) -> bytearray:
    total = bytearray(sums[0])
    for segment in layout.segments:
        words = segment.view(total)
        for other in sums[1:]:
            np.add(words, segment.view(other), out=words)
    return total
