"""What a way to aggregate tells the rest of secure aggregation."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from fl_node.secagg.layout import Layout


class Mode(Protocol):
    """A way to aggregate; the ledger's rules have the same ones (chaincode/mode)."""

    def check_plan(self, layout: Layout) -> None:
        """Refuses a layout that the mode cannot aggregate (FL4104)."""

    def opens(self, own: Mapping[str, int]) -> bool:
        """Tells whether the sum of a group may be revealed, by how many survivors it has of each organisation."""

    def enough(self, opened: int) -> bool:
        """Tells whether the result of so many opened groups bears the faulty participants reckoned with."""

    def combine(self, layout: Layout, sums: Sequence[bytearray], sizes: Sequence[int]) -> bytearray:
        """Makes the aggregate of the opened groups' sums, in the order of the groups; `sizes` are their survivors."""
