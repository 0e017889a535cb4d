"""What other organisations' own peers say of an attempt: the node's check of its own peer (T3, T4).

Scenario: a dishonest host runs an organisation's peer. It shows the node keys of which the host knows the private
halves, and the node would seal its shares to them. Other organisations' peers show the right keys, and the node drops
out.

An answer to Evaluate carries no signature, and a gateway peer may forge what it was asked to fetch from others. So each
other organisation's peer is asked over a connection of its own, which that organisation's TLS root authenticates.
"""

import asyncio
import random
from dataclasses import replace
from typing import Final

import structlog

from fl_node import codes
from fl_node.errors import NodeError, reported
from fl_node.journal.egress import EgressLog
from fl_node.ledger.client import Ledger, gateway_of
from fl_node.ledger.records import Round
from fl_node.round import checks
from network.connection import Profile
from network.topology import Consortium, Organisation

log = structlog.get_logger("witnesses")
ANSWER_S: Final = 5.0
SLOW_S: Final = 0.25
"""After so long without an answer another is asked as well."""
PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4)
"""Between questions: a peer that is one block behind confirms a moment later."""


class Witnesses:
    """Connections to the other members' peers, opened when first needed and kept."""

    def __init__(self, own: Profile, consortium: Consortium, egress: EgressLog | None = None) -> None:
        self._own = own
        self._egress = egress
        self._others = [o for o in consortium.members if o.msp_id != own.msp_id]
        self._ledgers: dict[str, Ledger] = {}
        self.faulty = len(self._others) // 3
        """How many of the consortium's n organisations may be dishonest: f = (n - 1) / 3, rounded down."""

    async def confirm(self, view: Round) -> None:
        """Return once f other organisations confirm what the own peer shows of an attempt.

        Raises:
            RefusalError: FL4305, more than f contradict.
            NodeError: FL4005, too few confirm yet; ask again.
        """
        for pause in PAUSES_S:
            if await self._asked(view):
                return
            await asyncio.sleep(pause)
        raise NodeError(
            codes.LEDGER_UNREACHABLE, f"fewer than {self.faulty} other members' peers confirm our view", where=view.name
        )

    async def close(self) -> None:
        """Give the connections back."""
        for ledger in self._ledgers.values():
            await ledger.gateway.close()

    async def _asked(self, view: Round) -> bool:
        """Ask as many as must confirm, drawn by lot, and one more for each that does not or takes its time."""
        answers: dict[str, Round | None] = {}
        unasked = random.sample(self._others, len(self._others))
        pending: set[asyncio.Task[tuple[str, Round | None]]] = set()
        wanted = max(1, self.faulty)
        try:
            while unasked or pending:
                asked, unasked = unasked[:wanted], unasked[wanted:]
                pending |= {asyncio.create_task(self._answer(organisation, view)) for organisation in asked}
                slow, until = (SLOW_S, asyncio.ALL_COMPLETED) if unasked else (None, asyncio.FIRST_COMPLETED)
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

    async def _answer(self, organisation: Organisation, view: Round) -> tuple[str, Round | None]:
        msp = organisation.msp_id
        try:
            async with asyncio.timeout(ANSWER_S):
                ledger = self._ledger(organisation)
                return msp, await ledger.round(view.training, view.round, view.attempt, organisations=(msp,))
        except Exception as error:  # noqa: BLE001  # whatever it says instead of an answer, others may confirm
            log.info("another member's peer does not answer", msp=msp, attempt=view.name, **reported(error))
            return msp, None

    def _ledger(self, organisation: Organisation) -> Ledger:
        if organisation.msp_id not in self._ledgers:
            root = self._own.tls_roots[organisation.name]
            there = replace(self._own, peers=tuple((peer.address, root) for peer in organisation.peers))
            self._ledgers[organisation.msp_id] = Ledger(gateway_of(there), there, self._egress)
        return self._ledgers[organisation.msp_id]
