"""What a node has to do next, as a pure function of what the ledger says and what the node has done.

No clock, no network, no files: `duty` is given the time and answers with effects; `loop` has them carried out and asks
again with the ledger's new word. So a restart at any point continues where the ledger and the journal stand. The phases
are those of docs/life-of-a-round.md.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fl_node import codes
from fl_node.ledger.records import OVER, Phase, Round
from fl_node.round.effects import (
    Advance,
    AnswerComplaints,
    Attest,
    CommitShares,
    CommitUpdate,
    Drop,
    Effect,
    OpenRound,
    Propose,
    PublishKeys,
    RevealShares,
    SeekState,
    Settle,
    Train,
)
from network.rules import FLOWS_SINCE

TURN_MS: Final = 1000
"""How much longer each next node in the elected order waits before it does what any may do: longer than that takes.

A node whose ledger answers late waits longer in proportion (LocalState.turn_ms).
"""
URGENT: Final = frozenset(
    {
        "RoundOpened",
        "PhaseMoved",
        "FaultReported",
        "ComplaintAnswered",
        "AggregateProposed",
        "NoStateAttested",
        "RoundFinal",
        "RoundVoid",
    }
)
"""Events that give every node something to do; of the others only the one whose turn it is to advance need know."""
QUICK_ATTEMPTS: Final = 3
"""So many void attempts of a round are each followed by the next at once."""
LONGEST_REST_MS: Final = 300_000
LATEST_MS: Final = 3000
"""How long before a deadline a node that is not ready to train takes part at last."""


@dataclass(frozen=True)
class LocalState:
    """The node's side of an attempt.

    Attributes:
        participant: The node's id.
        msp: Its organisation's MSP id.
        done: Kinds that the attempt's journal holds: keys, shares, masked, reveal. Invariant: a kind is here before the
            ledger can hold the deed, so that a deed on the ledger without its kind means that the journal is older.
        dropped: The node has dropped out of this attempt; it still moves phases, holds blobs and attests. Invariant: it
            never turns false again for the attempt, also not over a restart.
        running: The training has rounds to come.
        trained: Its client work for the attempt has ended, well or not.
        ready: The plan's framework has started.
        found: It has computed the state that follows from the survivors' sum.
        ripe_ms: For how long the node has seen that the phase can move on, in milliseconds; negative while it rests.
        turn_ms: TURN_MS at the pace of this node's ledger. Invariant: at least TURN_MS.
    """

    participant: str
    msp: str
    done: frozenset[str] = frozenset()
    dropped: bool = False
    running: bool = True
    trained: bool = True
    ready: bool = True
    found: bool = False
    ripe_ms: int = 0
    turn_ms: int = TURN_MS


def duty(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    """Return what the node has to do now, most urgent first; nothing means wait.

    Args:
        view: The newest attempt, as the organisation's own peer has it.
        own: What the node has done in it.
        now_ms: The time.
    """
    if view.phase not in OVER and not own.dropped and forgotten(view, own):
        return (Drop(codes.JOURNAL_RESTORED),)
    effects = PHASES[view.phase](view, own, now_ms)
    if ripe(view, now_ms) and own.ripe_ms >= turn(view, own) * own.turn_ms:
        return (*effects, Advance())
    return effects


def forgotten(view: Round, own: LocalState) -> bool:
    """Tell whether the ledger shows a deed of this node that its journal does not hold."""
    me = own.participant
    deeds = {
        "keys": me in view.keys,
        "shares": me in view.shares,
        "masked": me in view.updates,
        "reveal": me in view.revealed,
    }
    return any(on_ledger and kind not in own.done for kind, on_ledger in deeds.items())


def ripe(view: Round, now_ms: int) -> bool:
    """Tell whether the phase can move on: all have delivered, or the deadline has passed."""
    if view.phase in OVER:
        return False
    if view.phase == "Attest":
        return barren(view) or (view.proposal is not None and (decided(view) or now_ms >= view.deadline_ms))
    expected, arrived = EXPECTED[view.phase](view)
    return set(expected) <= set(arrived) or now_ms >= view.deadline_ms


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


def finished(view: Round, own: LocalState) -> bool:
    """Tell whether the training has no more rounds and this node's turn to settle the last has come and gone."""
    return view.phase in OVER and not own.running and own.ripe_ms >= turn(view, own) * own.turn_ms


def turn(view: Round, own: LocalState) -> int:
    """Return how many nodes come before this one in doing what anyone may do."""
    there = view.survivors or view.u2 or view.u1 or view.cohort  # those who have dropped out come last
    drawn = (*view.aggregators, *(p for p in view.cohort if p not in view.aggregators))
    order = sorted(drawn, key=lambda participant: participant not in there)
    return order.index(own.participant) if own.participant in order else len(order)


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


def awaited(view: Round) -> tuple[str, ...]:
    """Return the participants that the phase still waits for, in cohort order."""
    expected, arrived = EXPECTED[view.phase](view) if view.phase in EXPECTED else ((), ())
    return tuple(p for p in expected if p not in arrived)


def _keys(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.cohort:
        return ()
    published = own.participant in view.keys or _gathers_time(view, own, now_ms)
    return (Train(),) if published else (Train(), PublishKeys())


def _shares(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.u1:
        return ()
    dealt = own.participant in view.shares or _gathers_time(view, own, now_ms)
    return (Train(),) if dealt else (Train(), CommitShares())


def _gathers_time(view: Round, own: LocalState, now_ms: int) -> bool:
    """Tell whether the framework is still starting and may take its time: the phases before Updates wait as well."""
    return not own.ready and now_ms < view.deadline_ms - LATEST_MS


def _updates(view: Round, own: LocalState, _now: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.u2:
        return ()
    answers = (AnswerComplaints(),) if to_answer(view, own.participant) else ()
    if own.participant in view.updates:
        return answers
    return (*answers, CommitUpdate() if own.trained else Train())


def to_answer(view: Round, dealer: str) -> tuple[str, ...]:
    """Return who waits for a dealer's answer to its complaint, where that is safe; in cohort order.

    More complaints than members may be faulty are not answered: so many shares of both secrets must not be known
    (docs/decisions/0011).

    Scenario: in a cohort of four with threshold 3, b says that it cannot open what a dealt to it. So a shows b's shares
    to everybody: one of each secret, where three are needed. Where c complains too, a answers nobody: with both answers
    two shares would be known, and the share of one dishonest member would be the third.
    """
    complaints = view.complaints.get(dealer, {})
    waiting = tuple(name for name in view.cohort if complaints.get(name) is False)
    return waiting if len(complaints) <= len(view.cohort) - view.threshold else ()


def _unmask(view: Round, own: LocalState, _now: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.u2 or own.participant in view.revealed:
        return ()
    return (RevealShares(),)


def _attest(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    if not own.ready or own.msp in view.no_state or barren(view):
        return ()
    if view.proposal is not None:
        attested = own.msp in view.attestations or decided(view)
        return () if attested else (Attest(view.proposal.number),)
    if any(turn.participant == own.participant and now_ms >= turn.from_ms for turn in view.turns):
        return (Propose(),)
    return (SeekState(),) if view.no_state and not own.found else ()


def _over(view: Round, own: LocalState, _now: int) -> tuple[Effect, ...]:
    if own.ripe_ms < turn(view, own) * own.turn_ms:
        return ()
    settle: tuple[Effect, ...] = (Settle(),) if view.phase == "Final" else ()
    return (OpenRound(), *settle) if own.running else settle


PHASES: Final[dict[Phase, Callable[[Round, LocalState, int], tuple[Effect, ...]]]] = {
    "Keys": _keys,
    "Shares": _shares,
    "Updates": _updates,
    "Unmask": _unmask,
    "Attest": _attest,
    "Final": _over,
    "Void": _over,
}

EXPECTED: Final[dict[Phase, Callable[[Round], tuple[tuple[str, ...], tuple[str, ...]]]]] = {
    "Keys": lambda view: (view.cohort, tuple(view.keys)),
    "Shares": lambda view: (view.u1, tuple(view.shares)),
    "Updates": lambda view: (view.u2, tuple(view.updates)),
    "Unmask": lambda view: (view.survivors, view.revealed),
}
