"""A robust rule over updates that the members see; for consortia that may show updates to one another.

Each participant is a group of its own: it masks its update for itself alone, and the seeds are revealed once the
survivors are frozen. docs/decisions/0028-plain.md says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.interface import Combined
from fl_node.secagg.modes.robust import Rule
from fl_node.secagg.modes.robust_groups import RobustGroups


@dataclass(frozen=True)
class Plain:
    """A robust rule over single updates.

    Attributes:
        faulty: f, how many participants may send anything. Invariant: at least 1.
        rule: Name of the rule, as the ledger has it.
        bucket: Of how many updates, drawn by lot, means are made first. Invariant: at least 1.
    """

    faulty: int
    rule: str = "median"
    bucket: int = 1
    shows: ClassVar[bool] = True

    def check_plan(self, layout: Layout) -> None:
        """Refuses what has no robust mean, as robust groups do (FL4104)."""
        RobustGroups(self.faulty).check_plan(layout)

    def opens(self, own: Mapping[str, int]) -> bool:
        """Holds wherever there is an update."""
        return bool(own)

    def enough(self, opened: int) -> bool:
        """Holds while most of what the rule is over is without a faulty participant."""
        return self._rule.bears(opened)

    def combine(self, layout: Layout, sums: Sequence[bytearray], sizes: Sequence[int], draw: bytes) -> Combined:
        """Makes the aggregate; raises as `Rule.combine`."""
        return self._rule.combine(layout, sums, sizes, draw)

    @property
    def _rule(self) -> Rule:
        return Rule(self.rule, self.faulty, self.bucket)
