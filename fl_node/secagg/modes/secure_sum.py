"""One sum of all survivors, and only that is ever revealed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.interface import Combined


@dataclass(frozen=True)
class SecureSum:
    """The whole cohort is one group, whose sum is the aggregate."""

    shows: ClassVar[bool] = False

    def check_plan(self, layout: Layout) -> None:
        """Accepts every layout."""

    def opens(self, own: Mapping[str, int]) -> bool:
        """Leaves to the round whether its survivors are enough."""
        return bool(own)

    def enough(self, opened: int) -> bool:
        """Holds for the one sum."""
        return opened == 1

    def combine(self, layout: Layout, sums: Sequence[bytearray], sizes: Sequence[int], draw: bytes) -> Combined:  # noqa: ARG002 - of the interface
        """Returns the sum."""
        (total,) = sums
        return Combined(total)
