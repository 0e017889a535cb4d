"""Places a blob with as many members as must endorse its commitment, and has those that hold it endorse it."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any, Final, Protocol

from fl_node.blobs.client import BlobClient
from fl_node.blobs.content import Content, length_of
from fl_node.blobs.first_digest import Binding
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Ledger, LedgerError
from fl_node.ledger.records import Round
from fl_node.round.speaking import Speaking
from network import contract_codes
from network.topology import Consortium

READING_PAUSES_S: Final = (0.1, 0.3, 1.0, 2.0, 4.0)
"""When endorsers that still read a blob are asked again: they read by turns, and remember what they read."""
CARRIED_MOST: Final = 4 << 20
"""Bytes of a blob whose commitment a carrier may bring: larger ones are verified as they arrive, each by itself."""


class PlacingDependencies(Protocol):
    """What placing a blob needs of the node."""

    @property
    def consortium(self) -> Consortium:
        """Return the consortium as it is defined now."""
        ...

    me: str
    organisation: str
    ledger: Ledger
    blobs: BlobClient
    journal: Journal
    speaking: Speaking


@dataclass
class Placing:
    """The way of an attempt's blobs, sealed bundle and masked update, to the ledger.

    Attributes:
        declined: An endorser has declined once. From then on the node waits for all who take a blob, to choose among
            them.
    """

    node: PlacingDependencies
    declined: bool = False

    async def commit(self, view: Round, function: str, blob: Content, digest: str, /, **arguments: Any) -> None:
        """Push a blob to enough members and commit to its digest.

        Raises:
            NodeError: FL4707, too few took it; LedgerError: it was not endorsed or not committed.
            RefusalError: FL4203, this node sealed or masked something else in this attempt and has forgotten it.
        """
        node = self.node
        everyone = node.blobs.urls if self.declined else ()
        binding = Binding(f"{view.name}/{node.me}/{function.lower()}", digest, node.journal.mark)
        holders = await node.blobs.spread(digest, blob, node.consortium.threshold, everyone, binding)

        async def alone() -> None:
            try:
                await self._endorsed(view, function, self.endorsers(holders), arguments)
            except LedgerError:
                self.declined = True
                raise

        if length_of(blob) > CARRIED_MOST:
            await alone()
        else:
            await node.speaking.say(view, function, arguments, alone)

    async def _endorsed(
        self, view: Round, function: str, endorsers: tuple[str, ...], arguments: dict[str, Any]
    ) -> None:
        """Submit, and ask the same endorsers again while one of them reads the blob."""
        for pause in (*READING_PAUSES_S, None):
            try:
                await self.node.ledger.submit(function, organisations=endorsers, patient=False, **view.ref, **arguments)
            except LedgerError as error:
                if error.code != contract_codes.VERIFYING or pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                return

    def endorsers(self, holders: list[str]) -> tuple[str, ...]:
        """Return as many as must endorse of those that say that they hold a blob: our own organisation, others by lot.

        Where one of them does not endorse, the next try asks others.
        """
        others = [name for name in holders if name != self.node.organisation]
        random.shuffle(others)
        own = [name for name in holders if name not in others]
        needed = [*own, *others][: self.node.consortium.threshold]
        return tuple(self.node.consortium.organisation(name).msp_id for name in needed)
