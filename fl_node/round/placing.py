"""Places a blob with as many members as must endorse its commitment, and has those that hold it endorse it."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any, Final, Protocol

from fl_node import codes
from fl_node.blobs import bringing
from fl_node.blobs.client import BlobClient
from fl_node.blobs.content import Content, length_of
from fl_node.blobs.first_digest import Binding
from fl_node.errors import NodeError
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Ledger, LedgerError
from fl_node.ledger.records import Round
from fl_node.round.speaking import LeftBlob, Speaking
from network import contract_codes
from network.topology import Consortium

READING_PAUSES_S: Final = (0.1, 0.3, 1.0, 2.0, 4.0)
"""When endorsers that still read a blob are asked again: they read by turns, and remember what they read."""
LEFT_MOST: Final = bringing.LARGEST
"""Bytes of a blob that is left to the carrier with its word: it brings all of a phase to each member at once."""
LEAVE_S: Final = 2.0
"""A carrier's service that does not take a blob within this time, at the ledger's pace, gets no word either."""
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
        """Have enough members hold a blob and commit to its digest; a small one is left to the carrier with the word.

        Raises:
            NodeError: FL4707, too few took it; LedgerError: it was not endorsed or not committed.
            RefusalError: FL4203, this node masked something else in this attempt and has forgotten it.
        """
        binding, size = self._binding(view, function, digest), length_of(blob)

        async def spread() -> list[str]:
            everyone = self.node.blobs.urls if self.declined else ()
            return await self.node.blobs.spread(digest, blob, self.node.consortium.threshold, everyone, binding)

        holders = None if size <= LEFT_MOST else await spread()

        async def alone() -> None:
            held_by = await spread() if holders is None else holders
            try:
                asked = endorsers(self.node.consortium, self.node.organisation, held_by)
                await self._endorsed(view, function, asked, arguments)
            except LedgerError:
                self.declined = True
                raise

        async def leave(organisation: str) -> None:
            if binding:
                await self.node.blobs.announce(binding, self.node.consortium.threshold)
            await self._leave(organisation, digest, blob)

        if size > CARRIED_MOST:
            await alone()
        else:
            left = LeftBlob(digest, leave) if holders is None else None
            await self.node.speaking.say(view, function, arguments, alone, left)

    async def _leave(self, organisation: str, digest: str, blob: Content) -> None:
        if organisation not in self.node.blobs.urls:
            return  # our own, whose store this node writes: it lies there already
        try:
            async with asyncio.timeout(LEAVE_S * self.node.speaking.pace):
                await self.node.blobs.push(organisation, digest, blob, attempts=1, arrived=0)
        except TimeoutError:
            message = f"the blob service of {organisation} does not take a blob in time"
            raise NodeError(codes.BLOB_SERVICE_SILENT, message, where=digest) from None

    def _binding(self, view: Round, function: str, digest: str) -> Binding | None:
        """Return what every service is told before a byte leaves; None for what is the same however often it is made.

        Shares are dealt and sealed the same way again by a machine that was set back (secagg.keys.dealing_entropy).
        """
        if function == "CommitShares":
            return None
        return Binding(f"{view.name}/{self.node.me}/{function.lower()}", digest, self.node.journal.mark)

    async def _endorsed(
        self, view: Round, function: str, organisations: tuple[str, ...], arguments: dict[str, Any]
    ) -> None:
        """Submit, and ask the same endorsers again while one of them reads the blob."""
        for pause in (*READING_PAUSES_S, None):
            try:
                await self.node.ledger.submit(
                    function, organisations=organisations, patient=False, **view.ref, **arguments
                )
            except LedgerError as error:
                if error.code != contract_codes.VERIFYING or pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                return


def endorsers(consortium: Consortium, own: str, holders: list[str]) -> tuple[str, ...]:
    """Return as many as must endorse of those that say that they hold a blob: our own organisation, others by lot.

    Where one of them does not endorse, the next try asks others.

    Args:
        consortium: As it is defined now.
        own: Our organisation.
        holders: Names of organisations.
    """
    others = [name for name in holders if name != own]
    random.shuffle(others)
    needed = [*(name for name in holders if name == own), *others][: consortium.threshold]
    return tuple(consortium.organisation(name).msp_id for name in needed)
