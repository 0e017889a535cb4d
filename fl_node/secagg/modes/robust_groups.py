"""Small groups with sums of their own, and in each slot the median or the trimmed mean over the groups' means.

Sources: Yin, Chen, Ramchandran and Bartlett 2018 (arXiv 1803.01498) for both rules, and
docs/decisions/0024-robust-groups.md for sums of groups under masks. All is integers, and the same as in Go
(chaincode/mode/robustgroups).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fl_node import codes
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.layout import Layout, Segment, Words

LEAST: Final = 3
"""Survivors, of as many organisations, that a group has at least that is opened."""

FRACTION: Final = 16
"""Bits after the point of a mean."""

CONTRIBUTION: Final = "metric/contribution"
"""The slots in which each participant says what every group contributed: aggregated by the rule, as values are."""

AT_ONCE: Final = 1 << 16
"""Slots worked on at a time."""

Integers = npt.NDArray[Any]


@dataclass(frozen=True)
class RobustGroups:
    """Sums of groups and a robust rule over them.

    Attributes:
        faulty: f, how many participants may send anything. Invariant: at least 1.
        median: Takes the median; otherwise the f largest and the f smallest means are left out of each slot.
    """

    faulty: int
    median: bool = False

    def check_plan(self, layout: Layout) -> None:
        """Refuses weights beside 1, modular sums, sums that steer the plan, and a layout without values (FL4104)."""
        weights = [segment for segment in layout.segments if segment.kind == "weight"]
        plain = all((one.name, one.slots, one.maximum) == ("weight", 1, 1) for one in weights)
        values = any(segment.kind == "value" for segment in layout.segments)
        if not plain or len(weights) > 1 or not values or any(segment.modular for segment in layout.segments):
            reason = "robust groups take unweighted plans with fixed clipping and without modular sums"
            raise SecaggError(codes.BAD_LAYOUT, reason)

    def opens(self, own: Mapping[str, int]) -> bool:
        """Holds for three survivors of three organisations, and three without any organisation that has several."""
        survivors, most = sum(own.values()), max(own.values(), default=0)
        return survivors >= LEAST and len(own) >= LEAST and (most == 1 or survivors - most >= LEAST)

    def enough(self, opened: int) -> bool:
        """Holds while most opened groups are sound, even if each faulty participant is in another: 2f < g."""
        return 2 * self.faulty < opened

    def combine(self, layout: Layout, sums: Sequence[bytearray], sizes: Sequence[int]) -> bytearray:
        """Makes the aggregate slot by slot.

        With S the sum and m the survivors of a group, its mean is M = ⌊(2^16·S + ⌊m/2⌋)/m⌋, and a value slot is
        ⌊(R·Σm + 2^15)/2^16⌋, where R is the floor of the mean of those M that are left. Counts and metrics are plain
        sums; what is 1 of every participant is the number of survivors.

        Raises:
            SecaggError: The groups are too few for the rule (FL4125).
        """
        if 2 * self._trim(len(sums)) >= len(sums):
            raise SecaggError(codes.TOO_FEW_SURVIVORS, f"{len(sums)} opened groups")
        result = bytearray(layout.length)
        for segment in layout.segments:
            words = [segment.view(total) for total in sums]
            segment.view(result)[:] = self._slots(segment, words, sizes)
        return result

    def _slots(self, segment: Segment, words: Sequence[Words], sizes: Sequence[int]) -> Integers:
        if segment.kind in {"one", "weight"}:
            return np.full(segment.slots, sum(sizes), segment.dtype)
        if segment.kind != "value" and segment.name != CONTRIBUTION:
            plain: Integers = np.sum(words, axis=0, dtype=segment.dtype)
            return plain
        fits = segment.maximum.bit_length() + sum(sizes).bit_length() <= 63 - 2 * FRACTION
        kind: Any = np.uint64 if fits else object
        parts = [
            self._values([one[start : start + AT_ONCE].astype(kind) for one in words], sizes, kind)
            for start in range(0, segment.slots, AT_ONCE)
        ]
        return np.concatenate(parts).astype(segment.dtype)

    def _values(self, words: Sequence[Integers], sizes: Sequence[int], kind: Any) -> Integers:
        number = kind if kind is not object else int
        point, half = number(1 << FRACTION), number(1 << (FRACTION - 1))
        means = np.array(
            [(one * point + number(size // 2)) // number(size) for one, size in zip(words, sizes, strict=True)], kind
        )
        means.sort(axis=0)
        trim = self._trim(len(words))
        kept = means[trim : len(words) - trim]
        robust: Integers = kept.sum(axis=0) // number(len(kept))
        combined: Integers = (robust * number(sum(sizes)) + half) // point
        return combined

    def _trim(self, groups: int) -> int:
        return (groups - 1) // 2 if self.median else self.faulty
