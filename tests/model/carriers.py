"""What a carrier of words may do beside carrying them, drawn by hypothesis; its node does it, or its organisation."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fl_node.blobs.words import FUNCTIONS, Turn
from fl_node.ledger.records import WORDS, Round
from tests.faults import synthetic
from tests.model.consortium import msp, place_of
from tests.model.ledger import caller
from tests.model.misdeeds import Misdeeds
from tests.model.nodes import Rules, Runner, World

VALUES = synthetic.LAYOUT.flat.segment("values")
Batch = tuple[dict[str, Any], str, list[dict[str, str]]]
"""What a transaction of words is about, of which function they are to be, and the words."""


def beyond(masked: bytes) -> bytes:
    """Move one value of a sum beyond its range: half around its ring."""
    moved = bytearray(masked)
    VALUES.view(moved)[0] ^= np.uint32(1 << 31)
    return bytes(moved)


@dataclass
class Carrier:
    """The ways of one carrier. Whatever it does, honest nodes bring the attempt to the end that is due.

    Attributes:
        drops: Which of the words that lie there it leaves out, each time that it carries; bit by bit.
        late_ms: For how long it keeps the others, while its node takes them for carried.
        repeats: It brings words of phases and attempts that are over, alone and among others.
        misplaces: It brings words under other names: of another function, of another attempt, with another's signature.
        outcomes: The codes that its transactions got, empty where one was taken.
    """

    drops: int = 0
    late_ms: int = 0
    repeats: bool = False
    misplaces: bool = False
    misdeeds: Misdeeds = field(default_factory=Misdeeds)
    outcomes: Counter[str] = field(default_factory=Counter)
    _kept: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    _heard: dict[tuple[int, str], dict[str, dict[str, str]]] = field(default_factory=dict)

    def kinds(self) -> tuple[type[Rules], type[Runner]]:
        """Return the carrier's client of the ledger and its runner."""
        carrier, (rules, runner) = self, self.misdeeds.kinds()

        class Faithless(rules):  # type: ignore[misc, valid-type]
            async def submit(self, function: str, /, **arguments: Any) -> Any:
                if function != "CarryWords":
                    return await super().submit(function, **arguments)
                words = arguments["words"]
                kept = [word for at, word in enumerate(words) if not carrier.drops >> at % 8 & 1]
                if not kept:
                    return {}
                arguments = {**arguments, "words": kept}
                if carrier.late_ms:
                    del arguments["patient"], arguments["organisations"]
                    carrier._kept.append((self.world.now + carrier.late_ms, arguments))
                    return {}
                return await super().submit(function, **arguments)

        return Faithless, runner

    def meddle(self, world: World) -> None:
        """Do what is not its node's: bring late what it kept, and what must not be taken."""
        due = [argument for at_ms, argument in self._kept if at_ms <= world.now]
        self._kept = [(at_ms, argument) for at_ms, argument in self._kept if at_ms > world.now]
        for argument in due:
            self.outcomes[_brought(world, argument)] += 1
        view = world.view()
        if view.phase not in WORDS or not (self.repeats or self.misplaces):
            return
        self._listen(world, view)
        for about, function, words in (*self._old(view), *self._odd(view)):
            code = _brought(world, {**about, "function": function, "words": words})
            assert code, f"{len(words)} words are taken as {function} of {about}"
            self.outcomes[code] += 1

    def _listen(self, world: World, view: Round) -> None:
        """Take note of what lies in its organisation's service."""
        for function in FUNCTIONS:
            turn = Turn(view.training, view.round, view.attempt, function)
            for word in world.words[world.first].of(turn):
                given = {"proposal": word.proposal, "signature": word.signature}
                self._heard.setdefault((view.attempt, function), {})[word.participant] = given

    def _now(self, view: Round) -> list[dict[str, str]]:
        return list(self._heard.get((view.attempt, WORDS[view.phase]), {}).values())

    def _old(self, view: Round) -> Iterator[Batch]:
        """Yield what it heard in phases and attempts before: as that, as of now, and after what it hears now."""
        for (attempt, function), words in self._heard.items() if self.repeats else ():
            old = list(words.values())
            if (attempt, function) != (view.attempt, WORDS[view.phase]):
                yield {**view.ref, "attempt": attempt}, function, old
                yield view.ref, function, old
                yield view.ref, WORDS[view.phase], [*self._now(view), old[0]]

    def _odd(self, view: Round) -> Iterator[Batch]:
        """Yield what it hears now as what it is not."""
        words, function = self._now(view), WORDS[view.phase]
        if not words or not self.misplaces:
            return
        for other in FUNCTIONS:
            if other != function:
                yield view.ref, other, words
        yield {**view.ref, "attempt": view.attempt + 1}, function, words
        yield {**view.ref, "round": view.round + 1}, function, words
        yield view.ref, function, [*words, words[0]]
        if len(words) > 1:
            yield view.ref, function, [{**words[0], "signature": words[1]["signature"]}]


def _brought(world: World, argument: dict[str, Any]) -> str:
    """Submit words by hand; return the code of the refusal, empty where they are taken."""
    who = caller(msp(place_of(world.first)), "client")
    answer = world.ledger.submit(who, "CarryWords", argument, world.now)
    world.accepted["CarryWords"] += not answer.code
    return answer.code


SPOILT = st.builds(Misdeeds, masked=st.just(beyond))
"""The carrier's own update makes the attempt void, so that there are words of an attempt that is over."""
CARRIERS = st.builds(
    Carrier,
    drops=st.sampled_from((0, 0, 0b1, 0b10, 0b1010, 0b11111111)) | st.integers(0, 255),
    late_ms=st.sampled_from((0, 0, 1_000, 2_500, 4_000, 9_000)),
    repeats=st.booleans(),
    misplaces=st.booleans(),
    misdeeds=st.builds(Misdeeds) | SPOILT,
)
