"""Says a participant's word in a round: through the carrier of the phase, or in a transaction of its own.

A word is the participant's signed proposal. The carrier can hold it back, so it is given some time only; it cannot
change it, since the contract checks the signature (docs/decisions/0031-words.md).
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from fl_node.blobs.handing import Handing
from fl_node.clock import now_ms
from fl_node.errors import NodeError, RefusalError
from fl_node.ledger.client import Ledger
from fl_node.ledger.records import WORDS, Round
from fl_node.round.duty import TURN_MS
from fl_node.round.progress import awaited, carrier
from network.topology import Consortium

log = structlog.get_logger("participant")
PATIENCE_TURNS: Final = 3
"""How many turns a carrier is given to bring a word into a block."""
Alone = Callable[[], Awaitable[None]]
"""Says the same in a transaction of its own."""


@dataclass(frozen=True)
class LeftBlob:
    """A blob that a word commits to and that its carrier brings to everybody.

    Attributes:
        digest: The blob's.
        leave: Gives it to an organisation, or raises NodeError.
    """

    digest: str
    leave: Callable[[str], Awaitable[None]]


class SpeakingDependencies(Protocol):
    """What speaking needs of the node."""

    @property
    def consortium(self) -> Consortium:
        """Return the consortium as it is defined now."""
        ...

    me: str
    msp: str
    ledger: Ledger
    handing: Handing


@dataclass(frozen=True)
class Said:
    """What is said once: a function of an attempt, to a proposal where it is an attestation."""

    attempt: str
    function: str
    number: int = 0


class Speaking:
    """Remembers what was left to a carrier, so that it is said alone the second time; all of it may be lost."""

    def __init__(self, node: SpeakingDependencies) -> None:
        self._node = node
        self._until: dict[Said, float] = {}  # until when the carrier has time, of time.monotonic
        self._given: set[Said] = set()  # what has been on its way to a carrier, whether it answered or not
        self.pace = 1.0

    async def say(
        self,
        view: Round,
        function: str,
        arguments: dict[str, Any],
        alone: Alone | None = None,
        blob: LeftBlob | None = None,
    ) -> None:
        """Leave the word to the carrier; say it alone where there is none, it does not take it, or it had its time.

        Args:
            view: The attempt.
            function: One of those in `WORDS`.
            arguments: Those of the function, without the attempt.
            alone: Says it in a transaction of its own; by default one that any peers endorse.
            blob: What is left to the carrier with it.

        Raises:
            LedgerError: as `Ledger.submit`, where it is said alone.
            RefusalError: what `blob` refuses.
        """
        said = Said(view.name, function, arguments.get("number", 0))
        if (
            said in self._until
            or not self._awaited(view, function)
            or not await self._left(view, said, arguments, blob)
        ):
            if alone:
                await alone()
            else:
                await self._node.ledger.submit(function, **view.ref, **arguments)
            return
        left_s = (view.deadline_ms - now_ms()) / 1000
        patience_s = min(PATIENCE_TURNS * TURN_MS * self.pace / 1000, left_s / 2)
        self._until[said] = time.monotonic() + patience_s

    def handed(self, view: Round) -> frozenset[str]:
        """Return the functions whose words a carrier has and is still given time for."""
        number, now = view.proposal.number if view.proposal else 0, time.monotonic()
        return frozenset(
            said.function
            for said, until in self._until.items()
            if said.attempt == view.name and said.number in {0, number} and now < until
        )

    def ever_handed(self, view: Round, function: str) -> bool:
        """Tell whether a carrier may have had this word: it may be in a block though nobody says so.

        Scenario: a carrier takes a node's update and answers nothing. The node commits it alone and is refused. Yet the
        carrier has the word, and may bring it when the endorsers have the blob.
        """
        return Said(view.name, function) in self._given

    def forget(self, view: Round) -> None:
        """Forget an attempt that is over."""
        self._until = {said: until for said, until in self._until.items() if said.attempt != view.name}
        self._given = {said for said in self._given if said.attempt != view.name}

    def _awaited(self, view: Round, function: str) -> bool:
        """Tell whether the phase waits for this word: no carrier holds anything up for others."""
        if WORDS.get(view.phase) != function:
            return False
        return function == "Attest" or self._node.me in awaited(view)

    async def _left(self, view: Round, said: Said, arguments: dict[str, Any], blob: LeftBlob | None) -> bool:
        organisation = self._carrying(view)
        if organisation is None:
            return False
        word = await self._node.ledger.word(said.function, **view.ref, **arguments)
        try:
            if blob:
                await blob.leave(organisation)
                word["blob"] = blob.digest
            self._given.add(said)  # first: who answers with an error, or not at all, may have taken it
            path = f"{view.name}/{said.function}/{self._node.me}"
            await self._node.handing.hand(organisation, path, word, self.pace)
        except RefusalError:
            raise
        except NodeError as error:
            log.info("the carrier takes no word", attempt=view.name, duty=said.function, **error.as_json())
            return False
        return True

    def _carrying(self, view: Round) -> str | None:
        """Return the organisation of the phase's carrier, None where there is none."""
        who = carrier(view)
        msp = next((member.msp_id for member in view.members if member.participant == who), None)
        return next((one.name for one in self._node.consortium.members if one.msp_id == msp), None)
