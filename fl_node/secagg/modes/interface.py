"""What a way to aggregate tells the rest of secure aggregation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fl_node.secagg.layout import Layout


@dataclass(frozen=True)
class Combined:
    """What a mode makes of groups' sums.

    Attributes:
        vector: The aggregate, in the layout's bytes.
        outlying: The places of the groups that were left out altogether, ascending.
    """

    vector: bytearray = field(repr=False)
    outlying: tuple[int, ...] = ()


class Mode(Protocol):
    """A way to aggregate; the ledger's rules have the same ones (chaincode/mode)."""

    @property
    def shows(self) -> bool:
        """Whether members see each update: every participant is a group of its own then."""

    def check_plan(self, layout: Layout) -> None:
        """Refuses a layout that the mode cannot aggregate (FL4104)."""

    def opens(self, own: Mapping[str, int]) -> bool:
        """Tells whether the sum of a group may be revealed, by how many survivors it has of each organisation."""

    def enough(self, opened: int) -> bool:
        """Tells whether the result of so many opened groups bears the faulty participants reckoned with."""

    def combine(self, layout: Layout, sums: Sequence[bytearray], sizes: Sequence[int], draw: bytes) -> Combined:
        """Makes the aggregate of the opened groups' sums, in the order of the groups.

        Args:
            layout: How the bytes are slots.
            sums: The groups' sums.
            sizes: Their survivors.
            draw: 32 bytes that nobody could know before the updates were fixed.
        """
