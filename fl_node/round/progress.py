"""How far an attempt is, as everybody sees it: what its phase waits for, when it can move on, and whose turn it is."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from fl_node.ledger.records import OVER, WORDS, Phase, Round
from network.rules import FLOWS_SINCE, WORDS_SINCE

QUICK_ATTEMPTS: Final = 3
"""So many void attempts of a round are each followed by the next at once."""
LONGEST_REST_MS: Final = 300_000
ENDED_BY_ADVANCE: Final = frozenset({"Updates", "Unmask", "Attest"})
"""The phases whose end the carrier of the last words records.

The freeze and the result take it. Whoever looks at a round that is past Unmask unrecorded makes a contract rebuild all
secrets to see it.
"""


def ripe(view: Round, now_ms: int) -> bool:
    """Tell whether the phase can move on: all have delivered or dropped out, or the deadline has passed."""
    if view.phase in OVER:
        return False
    if view.phase == "Attest":
        return barren(view) or (view.proposal is not None and (decided(view) or now_ms >= view.deadline_ms))
    return not awaited(view) or now_ms >= view.deadline_ms


def barren(view: Round) -> bool:
    """Tell whether a majority says of one sum that no state follows from it, so that the attempt is void."""
    sums = Counter(word.aggregate for word in view.no_state.values())
    return max(sums.values(), default=0) >= view.majority


def decided(view: Round) -> bool:
    """Tell whether a majority agrees to the proposal or disagrees, or all have attested without one."""
    return _undecided(view) <= 0


def _undecided(view: Round) -> int:
    """Return how many attestations the proposal's fate still takes at least."""
    attested = len(view.attestations)
    agree = sum(attestation.agree for attestation in view.attestations.values())
    return min(view.majority - max(agree, attested - agree), view.voters - attested)


def lacking(view: Round) -> int:
    """Return how many more records it takes at least until the phase can move on before its deadline; 0: none."""
    return max(0, _undecided(view)) if view.proposal is not None else len(awaited(view))


def awaited(view: Round) -> tuple[str, ...]:
    """Return the participants that the phase still waits for, in cohort order."""
    expected, arrived = EXPECTED[view.phase](view) if view.phase in EXPECTED else ((), ())
    return tuple(p for p in expected if p not in arrived and p not in view.dropouts)


def flows(view: Round) -> bool:
    """Tell whether everybody has something to do as soon as all have spoken: no Advance says that the phase is over."""
    return view.rules >= FLOWS_SINCE and view.phase in {"Keys", "Shares"}


def rest_ms(view: Round) -> int:
    """Return how long to rest after an attempt: what is void again and again takes a vote or a repair, not haste.

    Scenario: two of four nodes are down for a day. Without a rest every deadline of Keys would bring another void
    attempt, thousands in a day. With it three void attempts are each followed by the next at once; after the fourth it
    takes 2 s, then 4 s … 5 min. A vote, such as the suspension of the two, ends the rest.
    """
    doublings = min(view.attempt - QUICK_ATTEMPTS, LONGEST_REST_MS.bit_length())
    return min(LONGEST_REST_MS, 1000 << doublings) if view.phase == "Void" and doublings > 0 else 0


def in_turn(view: Round) -> list[str]:
    """Return the cohort in the order in which it does what anyone may do."""
    there = view.survivors or view.u2 or view.u1 or view.cohort  # those who have dropped out come last
    drawn = (*view.aggregators, *(p for p in view.cohort if p not in view.aggregators))
    return sorted(drawn, key=lambda participant: participant not in there)


def carrier(view: Round) -> str | None:
    """Return the participant that the words of the phase are left to; None where everybody speaks alone."""
    spoken = view.rules >= WORDS_SINCE and view.phase in WORDS
    return next(iter(in_turn(view)), None) if spoken else None


EXPECTED: Final[dict[Phase, Callable[[Round], tuple[tuple[str, ...], tuple[str, ...]]]]] = {
    "Keys": lambda view: (view.cohort, tuple(view.keys)),
    "Shares": lambda view: (view.u1, tuple(view.shares)),
    "Updates": lambda view: (view.u2, tuple(view.updates)),
    "Unmask": lambda view: (view.survivors, view.revealed),
}
