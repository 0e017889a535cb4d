"""The carrier's part: gather what participants have signed, put it into one transaction, end the phase with it.

A carrier is trusted with nothing: it can leave a word out, which its speaker notices and says alone.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from fl_node.blobs.handing import Handing
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.words import Word
from fl_node.blobs.words_service import MOST_COUNT
from fl_node.errors import reported
from fl_node.ledger.client import RETRYABLE, Ledger, LedgerError
from fl_node.ledger.records import WORDS, Round
from fl_node.round.placing import endorsers
from fl_node.round.progress import ENDED_BY_ADVANCE, awaited, lacking
from network.topology import Consortium

log = structlog.get_logger("carrier")
LISTEN_MS: Final = 1000
"""How long one question for more words may take."""
MOST_BYTES: Final = 768 << 10
"""Of words in one transaction: an argument has at most 1 MiB (fl_node/canonical.py), and blocks have some MiB."""
PLACE: Final = re.compile(r"word (\d{1,4}): ")
"""How the contract begins to say which word it refuses."""
PATIENT_TRIES: Final = 5
"""How often a word is tried again whose blob endorsers do not have yet."""


class CarryingDependencies(Protocol):
    """What carrying needs of the node."""

    @property
    def consortium(self) -> Consortium:
        """Return the consortium as it is defined now."""
        ...

    organisation: str
    ledger: Ledger
    handing: Handing
    mirror: Mirror


@dataclass
class _Heard:
    """The words of one phase of one attempt.

    Attributes:
        view: The attempt as it was last seen in this phase.
        words: What has been heard, in order of arrival, with when it came, of time.monotonic.
        done: Proposals that are carried already, such as attestations to a proposal before, or that the contract
            refuses: their speakers learn why when they speak alone.
        tries: Proposal → how often its blob was not where it was endorsed.
        brought: Digests of blobs that were left here and that enough members have now.
        holders: The organisations that took the newest of them in good time: they can endorse.
    """

    view: Round
    words: dict[str, tuple[Word, float]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    tries: dict[str, int] = field(default_factory=dict)
    brought: set[str] = field(default_factory=set)
    holders: list[str] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Carrying:
    """Carries words for the trainings of one node; all that it remembers may be lost."""

    def __init__(self, node: CarryingDependencies, heard: Callable[[str], None]) -> None:
        """Prepare to carry; `heard` is told the training of which words have come."""
        self._node = node
        self._tell = heard
        self._heard: dict[str, _Heard] = {}

    def gather(self, view: Round) -> None:
        """Listen for the words of the attempt's phase until it is another."""
        known = self._of(view)
        if known is None:
            self._stop(view.training)
            known = self._heard[view.training] = _Heard(view)
        if known.task and len(view.dropouts) > len(known.view.dropouts):
            known.task.cancel()  # it waits for a word that does not come any more
            known.task = None
        known.view = view
        known.task = known.task or asyncio.create_task(self._listen(known))

    def gathered(self, view: Round) -> tuple[int, int]:
        """Return how many words lie here that the phase waits for, and for how many milliseconds the oldest of them.

        Who looks at another phase than before listens for that one's words no longer.
        """
        known = self._of(view)
        if known is None:
            self._stop(view.training)
        ready = [came for _, came in self._ready(known, view)] if known else []
        return len(ready), int((time.monotonic() - min(ready)) * 1000) if ready else 0

    async def carry(self, view: Round, *, last: bool) -> bool:
        """Put what lies here into one transaction; tell whether the ledger has moved.

        A word that the contract refuses is left out, and the rest carried at once: who hands in bad words again and
        again must not hold the others up until they speak alone.

        Raises:
            LedgerError: it was not endorsed or not committed, and no word alone is at fault.
            NodeError: FL4707, too few members take the blobs that were left here with the words.
        """
        known = self._of(view)
        ready = [word for word, _ in self._ready(known, view)] if known else []
        if known:
            await self._bring(known, {word.blob for word in ready if word.blob} - known.brought)
        while known and (words := _fitting([word for word in ready if word.proposal not in known.done])):
            ending = last and len(words) == len(ready) and view.phase in ENDED_BY_ADVANCE
            refused = await self._submitted(known, words, {"from": view.phase} if ending else {})
            if refused is None:
                known.done.update(word.proposal for word in words)
                log.info("words carried", attempt=view.name, phase=view.phase, words=len(words), last=ending)
                return True
            if not self._left_out(known, *refused):
                return False
        return False

    async def _bring(self, known: _Heard, digests: set[str]) -> None:
        """Bring blobs that were left here to all members: endorsers refuse a commitment to a blob that they lack.

        Words whose blob is not here are carried nonetheless, as they may be of speakers that have brought it
        themselves.
        """
        if digests:
            known.holders = await self._node.mirror.pass_on(digests, self._node.consortium.threshold)
            known.brought |= digests

    async def _submitted(
        self, known: _Heard, words: list[Word], ending: dict[str, str]
    ) -> tuple[Word, LedgerError] | None:
        """Submit a transaction of words; return the word that the contract refuses, and why."""
        view = known.view
        given = [{"proposal": word.proposal, "signature": word.signature} for word in words]
        argument: dict[str, Any] = {**view.ref, "function": WORDS[view.phase], "words": given, **ending}
        try:
            asked = endorsers(self._node.consortium, self._node.organisation, known.holders)
            await self._node.ledger.submit("CarryWords", organisations=asked, patient=False, **argument)
        except LedgerError as error:
            found = PLACE.match(error.message)
            if not found or int(found[1]) >= len(words):
                raise
            return words[int(found[1])], error
        return None

    def forget(self, training: str) -> None:
        """Stop listening for a training's words."""
        self._stop(training)

    async def close(self) -> None:
        """Stop listening for all."""
        tasks = [known.task for known in self._heard.values() if known.task]
        for training in tuple(self._heard):
            self._stop(training)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of(self, view: Round) -> _Heard | None:
        known = self._heard.get(view.training)
        return known if known and (known.view.name, known.view.phase) == (view.name, view.phase) else None

    def _stop(self, training: str) -> None:
        known = self._heard.pop(training, None)
        if known and known.task:
            known.task.cancel()

    async def _listen(self, known: _Heard) -> None:
        while True:
            try:
                if await self._ask(known):
                    self._tell(known.view.training)
            except Exception as error:  # noqa: BLE001  # an odd answer must not end the listening: speakers are many
                log.info("words cannot be asked for", attempt=known.view.name, **reported(error))
                await asyncio.sleep(LISTEN_MS / 1000)

    async def _ask(self, known: _Heard) -> bool:
        """Ask for as many words as the phase lacks; tell whether there is more to carry than before.

        Words that nobody waits for, handed in without end, are asked for no more often than silence is.
        """
        view, began = known.view, time.monotonic()
        before = {word.proposal for word, _ in self._ready(known, view)}
        count = len(known.words) + max(1, lacking(view) - len(before))
        path = f"{view.name}/{WORDS[view.phase]}"
        words = await self._node.handing.words(path, min(count, MOST_COUNT), LISTEN_MS)
        now = time.monotonic()
        known.words = {word.proposal: (word, now - word.age_ms / 1000) for word in words}
        if {word.proposal for word, _ in self._ready(known, view)} <= before:
            await asyncio.sleep(max(0.0, LISTEN_MS / 1000 - (now - began)))
            return False
        return True

    def _ready(self, known: _Heard, view: Round) -> list[tuple[Word, float]]:
        """Return one word of each that the phase waits for, the newest, in order of arrival."""
        wanted, newest = self._wanted(view), dict[str, tuple[Word, float]]()
        for proposal, heard in known.words.items():
            word = heard[0]
            speaker = wanted.get((word.organisation, "" if view.phase == "Attest" else word.participant))
            if speaker and proposal not in known.done:
                newest[speaker] = heard
        return list(newest.values())

    def _wanted(self, view: Round) -> dict[tuple[str, str], str]:
        """Return whose words the phase waits for, by organisation and participant; in Attest by organisation alone."""
        names = {one.msp_id: one.name for one in self._node.consortium.members}
        if view.phase == "Attest":
            return {(name, ""): msp for msp, name in names.items() if msp not in view.attestations}
        missing = set(awaited(view))
        return {
            (names[one.msp_id], one.participant): one.participant
            for one in view.members
            if one.participant in missing and one.msp_id in names
        }

    def _left_out(self, known: _Heard, word: Word, error: LedgerError) -> bool:
        """Leave a refused word out from now on; False: it is tried again, since endorsers may just lack its blob."""
        log.info("a word is refused", attempt=known.view.name, participant=word.participant, **error.as_json())
        tries = known.tries[word.proposal] = known.tries.get(word.proposal, 0) + 1
        if error.code in RETRYABLE and tries < PATIENT_TRIES:
            return False
        known.done.add(word.proposal)
        return True


def _fitting(words: list[Word]) -> list[Word]:
    """Return as many as go into one transaction, the first that came first."""
    fitting, size = list[Word](), 0
    for word in words:
        size += len(word.proposal) + len(word.signature)
        if fitting and size > MOST_BYTES:
            break
        fitting.append(word)
    return fitting
