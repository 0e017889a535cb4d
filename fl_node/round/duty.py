"""What a node has to do next, as a pure function of what the ledger says and what the node has done.

No clock, no network, no files: `duty` is given the time and answers with effects; `loop` has them carried out and asks
again with the ledger's new word. So a restart at any point continues where the ledger and the journal stand. The phases
are those of docs/life-of-a-round.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fl_node import codes
from fl_node.ledger.records import OVER, WORDS, Phase, Round
from fl_node.round.effects import (
    Advance,
    AnswerComplaints,
    Attest,
    Carry,
    CommitShares,
    CommitUpdate,
    Drop,
    Effect,
    Gather,
    OpenRound,
    Propose,
    PublishKeys,
    RevealShares,
    SeekState,
    Settle,
    TellDropout,
    Train,
)
from fl_node.round.progress import awaited, barren, carrier, decided, in_turn, lacking, ripe
from network.rules import DROPOUTS_SINCE

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
HURRY_TURNS: Final = 2
"""How many turns before the deadline a carrier holds no word up any more."""
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
        dropped: The code of why the node has dropped out of this attempt, "" where it has not; it still moves phases,
            holds blobs and attests. Invariant: it is never "" again for the attempt, also not over a restart.
        running: The training has rounds to come.
        trained: Its client work for the attempt has ended, well or not.
        ready: The plan's framework has started.
        found: It has computed the state that follows from the survivors' sum.
        ripe_ms: For how long the node has seen that the phase can move on, in milliseconds; negative while it rests.
        turn_ms: TURN_MS at the pace of this node's ledger. Invariant: at least TURN_MS.
        handed: What the node has left to a carrier and gives it time for: names of contract functions.
        gathered: How many words of the phase lie here to be carried.
        held_ms: For how long the oldest of them has lain here.
    """

    participant: str
    msp: str
    done: frozenset[str] = frozenset()
    dropped: str = ""
    running: bool = True
    trained: bool = True
    ready: bool = True
    found: bool = False
    ripe_ms: int = 0
    turn_ms: int = TURN_MS
    handed: frozenset[str] = frozenset()
    gathered: int = 0
    held_ms: int = 0


def duty(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    """Return what the node has to do now, most urgent first; nothing means wait.

    Args:
        view: The newest attempt, as the organisation's own peer has it.
        own: What the node has done in it.
        now_ms: The time.
    """
    if view.phase not in OVER and not own.dropped and forgotten(view, own):
        return (Drop(codes.JOURNAL_RESTORED),)
    effects = (*_leaving(view, own), *PHASES[view.phase](view, own, now_ms), *_carrying(view, own, now_ms))
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


def finished(view: Round, own: LocalState) -> bool:
    """Tell whether the training has no more rounds and this node's turn to settle the last has come and gone."""
    return view.phase in OVER and not own.running and own.ripe_ms >= turn(view, own) * own.turn_ms


def turn(view: Round, own: LocalState) -> int:
    """Return how many nodes come before this one in doing what anyone may do."""
    order = in_turn(view)
    return order.index(own.participant) if own.participant in order else len(order)


def _leaving(view: Round, own: LocalState) -> tuple[Effect, ...]:
    """Say that this node has left, where others wait for it."""
    waited_for = view.rules >= DROPOUTS_SINCE and own.participant in awaited(view)
    return (TellDropout(own.dropped),) if own.dropped and waited_for else ()


def _carrying(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    """Gather words, and carry them when all are here or the first has waited for a turn.

    Scenario: three of four have trained within a second of each other, the fourth takes a minute more. Their words are
    carried when the first has lain here for a turn, and the fourth's, with the freeze, when it comes.
    """
    missing = lacking(view)
    if carrier(view) != own.participant or not missing:
        return ()
    last = own.gathered >= missing
    hurry = own.held_ms >= own.turn_ms or now_ms >= view.deadline_ms - HURRY_TURNS * own.turn_ms
    return (Gather(), Carry(last)) if last or (own.gathered and hurry) else (Gather(),)


def _keys(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.cohort:
        return ()
    published = own.participant in view.keys or _handed(view, own) or _gathers_time(view, own, now_ms)
    return (Train(),) if published else (Train(), PublishKeys())


def _shares(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.u1:
        return ()
    dealt = own.participant in view.shares or _handed(view, own) or _gathers_time(view, own, now_ms)
    return (Train(),) if dealt else (Train(), CommitShares())


def _handed(view: Round, own: LocalState) -> bool:
    return WORDS[view.phase] in own.handed


def _gathers_time(view: Round, own: LocalState, now_ms: int) -> bool:
    """Tell whether the framework is still starting and may take its time: the phases before Updates wait as well."""
    return not own.ready and now_ms < view.deadline_ms - LATEST_MS


def _updates(view: Round, own: LocalState, _now: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.u2:
        return ()
    answers = (AnswerComplaints(),) if to_answer(view, own.participant) else ()
    if own.participant in view.updates or _handed(view, own):
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
    if own.dropped or own.participant not in view.u2 or own.participant in view.revealed or _handed(view, own):
        return ()
    return (RevealShares(),)


def _attest(view: Round, own: LocalState, now_ms: int) -> tuple[Effect, ...]:
    if not own.ready or own.msp in view.no_state or barren(view):
        return ()
    if view.proposal is not None:
        attested = own.msp in view.attestations or _handed(view, own) or decided(view)
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
