"""Words that members hand to their carrier, in memory only: the newest of each speaker, bounded, soon forgotten.

A word is a call of the contract that a participant signed and somebody else puts onto the ledger. Nothing here is
believed: the contract opens every word. Two organisations may name the same participant, so each has words of its own.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from fl_node.ledger.records import WORDS

FUNCTIONS: Final = tuple(WORDS.values())
MOST_WORDS: Final = 4096
MOST_BYTES: Final = 64 << 20
"""Kept of one organisation; the oldest go first."""
KEPT_S: Final = 600.0
ANSWERED: Final = 16 << 20
"""Bytes of words in one answer, an equal share for each organisation: who hands in rubbish hides nobody's words."""
BESIDE: Final = 256
"""Bytes that a word counts for beside its texts, in memory and in an answer."""


class Turn(NamedTuple):
    """What words of one kind have in common: an attempt, and the function that its participants call now."""

    training: str
    round: int
    attempt: int
    function: str


@dataclass(frozen=True)
class Word:
    """A signed proposal of a participant, its parts in base64.

    Attributes:
        organisation: Who handed it in, by its certificate.
        participant: Who speaks, as the organisation says.
        proposal: Fabric's peer.Proposal.
        signature: The participant's, of the proposal.
        age_ms: How long it had been here when it was given out.
        blob: The digest of the blob that it commits to, where that was left to the carrier as well; else empty.
    """

    organisation: str
    participant: str
    proposal: str
    signature: str
    age_ms: int = 0
    blob: str = ""

    @property
    def size(self) -> int:
        """Return what it counts for."""
        return len(self.proposal) + len(self.signature) + BESIDE


class _Place(NamedTuple):
    """Where a word is kept: a newer one of the same place takes it."""

    turn: Turn
    organisation: str
    participant: str


@dataclass(frozen=True)
class _Kept:
    word: Word
    since: float


class Words:
    """The words of every organisation, oldest first; for one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: defaultdict[str, dict[_Place, None]] = defaultdict(dict)
        self._bytes: defaultdict[str, int] = defaultdict(int)
        self._turns: dict[Turn, dict[_Place, _Kept]] = {}
        self._waiting: dict[Turn, dict[asyncio.Future[None], int]] = {}

    def put(self, turn: Turn, word: Word) -> None:
        """Keep a word instead of an earlier one of the same speaker, and wake who waits for as many as there are now.

        The word is the newest: whatever has no room any more beside it is forgotten.
        """
        self._forget_old()
        place = _Place(turn, word.organisation, word.participant)
        places = self._places[word.organisation]
        if place in places:
            self._forget(place)
        places[place] = None
        self._bytes[word.organisation] += word.size
        self._turns.setdefault(turn, {})[place] = _Kept(word, self._clock())
        while len(places) > MOST_WORDS or self._bytes[word.organisation] > MOST_BYTES:
            self._forget(next(iter(places)))
        for waiter, count in self._waiting.get(turn, {}).items():
            if len(self._turns[turn]) >= count and not waiter.done():
                waiter.set_result(None)

    def of(self, turn: Turn) -> list[Word]:
        """Return the words of a turn in order of arrival; where they are too many, of each organisation the oldest."""
        self._forget_old()
        found = self._turns.get(turn, {}).values()
        share = ANSWERED // max(1, len({kept.word.organisation for kept in found}))
        return [self._aged(kept) for kept in _within(share, found)]

    async def wait(self, turn: Turn, count: int, seconds: float) -> None:
        """Return as soon as at least `count` words of a turn are here, or after so many seconds."""
        self._forget_old()
        if len(self._turns.get(turn, {})) >= count:
            return
        woken = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(turn, {})
        waiting[woken] = count
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await woken
        finally:
            del waiting[woken]
            if not waiting:
                self._waiting.pop(turn, None)

    @property
    def waiting(self) -> int:
        """Return how many wait."""
        return sum(map(len, self._waiting.values()))

    def wake(self) -> None:
        """Let all who wait go on with what is here: the service ends."""
        for waiting in self._waiting.values():
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)

    def _aged(self, kept: _Kept) -> Word:
        return replace(kept.word, age_ms=int((self._clock() - kept.since) * 1000))

    def _forget_old(self) -> None:
        bound = self._clock() - KEPT_S
        for organisation in list(self._places):
            places = self._places[organisation]
            while places and self._kept(oldest := next(iter(places))).since <= bound:
                self._forget(oldest)
            if not places:
                del self._places[organisation], self._bytes[organisation]

    def _kept(self, place: _Place) -> _Kept:
        return self._turns[place.turn][place]

    def _forget(self, place: _Place) -> None:
        places = self._turns[place.turn]
        kept = places.pop(place)
        if not places:
            del self._turns[place.turn]
        del self._places[place.organisation][place]
        self._bytes[place.organisation] -= kept.word.size


def _within(share: int, found: Iterable[_Kept]) -> Iterator[_Kept]:
    """Yield the words of each organisation up to its share of bytes."""
    given: defaultdict[str, int] = defaultdict(int)
    for kept in found:
        given[kept.word.organisation] += kept.word.size
        if given[kept.word.organisation] <= share:
            yield kept
