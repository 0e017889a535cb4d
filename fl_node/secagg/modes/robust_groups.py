"""Small groups with sums of their own, and in each slot the median or the trimmed mean over the groups' means.

Means that lie far from the others are left out beforehand. docs/decisions/0024-robust-groups.md says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from fl_node import codes
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.interface import Combined
from fl_node.secagg.modes.robust import Rule

LEAST: Final = 3
"""Survivors, of as many organisations, that a group has at least that is opened."""


@dataclass(frozen=True)
class RobustGroups:
    """Sums of groups and a robust rule over them.

    Attributes:
        faulty: f, how many participants may send anything. Invariant: at least 1.
        median: Takes the median; otherwise the f largest and the f smallest means are left out of each slot.
        bound: Leaves out means far from the others; only measurements turn it off.
    """

    faulty: int
    median: bool = False
    bound: bool = True
    shows: ClassVar[bool] = False

    def check_plan(self, layout: Layout) -> None:
        """Refuses weights beside 1, modular sums, sums that steer the plan, and a layout without values (FL4104)."""
        weights = [segment for segment in layout.segments if segment.kind == "weight"]
        plain = all((one.name, one.slots, one.maximum) == ("weight", 1, 1) for one in weights)
        values = any(segment.kind == "value" for segment in layout.segments)
        if not plain or len(weights) > 1 or not values or any(segment.modular for segment in layout.segments):
            reason = "robust rules take unweighted plans with fixed clipping and without modular sums"
            raise SecaggError(codes.BAD_LAYOUT, reason)

    def opens(self, own: Mapping[str, int]) -> bool:
        """Holds for three survivors of three organisations, and three without any organisation that has several."""
        survivors, most = sum(own.values()), max(own.values(), default=0)
        return survivors >= LEAST and len(own) >= LEAST and (most == 1 or survivors - most >= LEAST)

    def enough(self, opened: int) -> bool:
        """Holds while most opened groups are sound, even if each faulty participant is in another: 2f < g."""
        return self._rule.bears(opened)

    def combine(self, layout: Layout, sums: Sequence[bytearray], sizes: Sequence[int], draw: bytes) -> Combined:
        """Makes the aggregate; raises as `Rule.combine`."""
        return self._rule.combine(layout, sums, sizes, draw)

    @property
    def _rule(self) -> Rule:
        return Rule("median" if self.median else "trimmed_mean", self.faulty, bound=self.bound)
