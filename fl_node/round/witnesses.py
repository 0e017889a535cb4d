"""What other organisations say of an attempt: the node's check of its own peer (T3, T4).

Scenario: a dishonest host runs an organisation's peer. It shows the node keys of which the host knows the private
halves, and the node would seal its shares to them. Other organisations have seen the right keys, and the node drops
out.

Each organisation's own node is asked first, which has looked already (blobs.seen), then its peer. An answer to Evaluate
carries no signature, and a gateway peer may forge what it was asked to fetch from others. So each organisation is asked
over a connection of its own, which that organisation's certificates authenticate.
"""

import asyncio
import random
from typing import Final

import structlog

from fl_node import codes
from fl_node.blobs.client import BlobClient
from fl_node.blobs.seen import seen_by
from fl_node.errors import NodeError, reported
from fl_node.ledger.elsewhere import Elsewhere
from fl_node.ledger.records import Round
from fl_node.ledger.settled import Settled, settled
from fl_node.round import checks
from network.defined import Defined
from network.topology import Organisation

log = structlog.get_logger("witnesses")
ANSWER_S: Final = 5.0
SLOW_S: Final = 0.25
"""After so long without an answer another is asked as well."""
PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4)
"""Between questions: a peer that is one block behind confirms a moment later."""


class Witnesses:
    """The other members, each organisation asked on its own."""

    def __init__(self, msp: str, defined: Defined, elsewhere: Elsewhere, services: BlobClient) -> None:
        """Begin with the own organisation's MSP id, the definition, and the ways to others' peers and blob services."""
        self._services = services
        self._msp = msp
        self._defined = defined
        self._elsewhere = elsewhere

    @property
    def faulty(self) -> int:
        """Return how many of the consortium's n organisations may be dishonest: f = (n - 1) / 3, rounded down."""
        return len(self._others()) // 3

    def _others(self) -> list[Organisation]:
        return [o for o in self._defined().members if o.msp_id != self._msp]

    async def confirm(self, view: Round, pace: float = 1.0) -> None:
        """Return once f other organisations confirm what the own peer shows of an attempt.

        Args:
            view: The attempt.
            pace: How many times longer than usual others are given to answer (round.pace).

        Raises:
            RefusalError: FL4305, more than f contradict.
            NodeError: FL4005, too few confirm yet; ask again.
        """
        for pause in PAUSES_S:
            if await self._asked(view, pace):
                return
            await asyncio.sleep(pause)
        raise NodeError(
            codes.LEDGER_UNREACHABLE, f"fewer than {self.faulty} other members confirm our view", where=view.name
        )

    async def _asked(self, view: Round, pace: float) -> bool:
        """Ask as many as must confirm, drawn by lot, and one more for each that does not or takes its time."""
        answers: dict[str, Settled | None] = {}
        others = self._others()
        unasked = random.sample(others, len(others))
        pending: set[asyncio.Task[tuple[str, Settled | None]]] = set()
        wanted = max(1, self.faulty)
        try:
            while unasked or pending:
                asked, unasked = unasked[:wanted], unasked[wanted:]
                pending |= {asyncio.create_task(self._answer(organisation, view, pace)) for organisation in asked}
                slow, until = (SLOW_S * pace, asyncio.ALL_COMPLETED) if unasked else (None, asyncio.FIRST_COMPLETED)
                done, pending = await asyncio.wait(pending, timeout=slow, return_when=until)
                answers.update(task.result() for task in done)
                if checks.check_agreement(view, answers, self.faulty):
                    return True
                wanted = 1
            return False
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _answer(self, organisation: Organisation, view: Round, pace: float) -> tuple[str, Settled | None]:
        msp = organisation.msp_id
        try:
            async with asyncio.timeout(ANSWER_S * pace):
                seen = await seen_by(self._services, organisation.name, view)
                return msp, seen or await self._shown(organisation, view)
        except Exception as error:  # noqa: BLE001  # whatever it says instead of an answer, others may confirm
            log.info("another member does not answer", msp=msp, attempt=view.name, **reported(error))
            return msp, None

    async def _shown(self, organisation: Organisation, view: Round) -> Settled | None:
        """Return what an organisation's own peer shows of an attempt."""
        ledger = await self._elsewhere.ledger(organisation)
        shown = await ledger.round(view.training, view.round, view.attempt, organisations=(organisation.msp_id,))
        return settled(shown) if shown else None
