"""What a node has to do next, as a pure function of what the ledger says and what the node has done (architecture §7).

No clock, no network, no files: `duty` is given the time and answers with effects; `daemon.py` carries them out and asks
again with the ledger's new word. So a restart at any point continues where the ledger and the journal stand.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fl_node.views import Phase, Round

TURN_MS: Final = 400
"""How much longer each next node in the elected order waits before it does what any one of them may do."""


@dataclass(frozen=True)
class Own:
    """The node's side of an attempt.

    Attributes:
        participant: The node's id.
        msp: Its organisation's MSP id.
        done: Kinds that the attempt's journal holds: keys, shares, masked, reveal.
        dropped: The node has dropped out of this attempt; it still moves phases, holds blobs and attests.
        ripe_ms: For how long the node has seen that the phase can move on.
        lease_ms: How long each aggregator has before the next in order may propose.
        attest_ms: How long the Attest phase was given, which dates its beginning.
        rounds: How many rounds the training has, 0 where it is stopped.
        refuted: Numbers of proposals that this organisation has attested against.
    """

    participant: str
    msp: str
    done: frozenset[str] = frozenset()
    dropped: bool = False
    ripe_ms: int = 0
    lease_ms: int = 5000
    attest_ms: int = 15000
    rounds: int = 0
    refuted: frozenset[int] = field(default_factory=frozenset)


class Effect:
    """Something for the daemon to carry out; each is safe to repeat."""


@dataclass(frozen=True)
class Train(Effect):
    """Start the plan's work on the base state in the background: it needs no key of the round."""


@dataclass(frozen=True)
class PublishKeys(Effect):
    """Draw two key pairs, or take the journal's, and publish the public keys."""


@dataclass(frozen=True)
class CommitShares(Effect):
    """Share the secrets, or take the journal's sealed messages, push them and commit to them."""


@dataclass(frozen=True)
class CommitUpdate(Effect):
    """Mask the trained update, push the blob to enough members and commit its digest."""


@dataclass(frozen=True)
class RevealShares(Effect):
    """Check the frozen survivors, then reveal one kind of share for each participant."""


@dataclass(frozen=True)
class Propose(Effect):
    """Unmask the sum, compute the next state and propose both."""


@dataclass(frozen=True)
class Attest(Effect):
    """Recompute the next state and say whether the proposed one follows."""

    number: int


@dataclass(frozen=True)
class Advance(Effect):
    """Move the phase on; that somebody else did is success."""


@dataclass(frozen=True)
class OpenRound(Effect):
    """Draw the next cohort; that somebody else did is success."""


@dataclass(frozen=True)
class Settle(Effect):
    """Fold the round's rewards into balances."""


@dataclass(frozen=True)
class Drop(Effect):
    """Leave the attempt for good, with the code of the reason."""

    code: str


def duty(view: Round, own: Own, now_ms: int) -> tuple[Effect, ...]:
    """Return what the node has to do now, most urgent first; nothing means wait.

    Args:
        view: The newest attempt, as the organisation's own peer has it.
        own: What the node has done in it.
        now_ms: The time.
    """
    if not own.dropped and forgotten(view, own):
        return (Drop("FL4203"),)
    effects = PHASES[view.phase](view, own, now_ms)
    if ripe(view, now_ms) and own.ripe_ms >= turn(view, own) * TURN_MS:
        return (*effects, Advance())
    return effects


def forgotten(view: Round, own: Own) -> bool:
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
    if view.phase in {"Final", "Void"}:
        return False
    if view.phase == "Attest":
        return view.proposal is not None and now_ms >= view.deadline_ms
    expected, arrived = EXPECTED[view.phase](view)
    return set(expected) <= set(arrived) or now_ms >= view.deadline_ms


def turn(view: Round, own: Own) -> int:
    """Return how many nodes come before this one in doing what anyone may do."""
    order = (*view.aggregators, *(p for p in view.cohort if p not in view.aggregators))
    return order.index(own.participant) if own.participant in order else len(order)


def awaited(view: Round) -> tuple[str, ...]:
    """Return the participants that the phase still waits for, in cohort order."""
    if view.phase not in EXPECTED:
        return ()
    expected, arrived = EXPECTED[view.phase](view)
    return tuple(p for p in expected if p not in arrived)


def _keys(view: Round, own: Own, _now: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.cohort:
        return ()
    return (Train(),) if own.participant in view.keys else (PublishKeys(), Train())


def _shares(view: Round, own: Own, _now: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.keys:
        return ()
    return () if own.participant in view.shares else (CommitShares(),)


def _updates(view: Round, own: Own, _now: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.shares:
        return ()
    return () if own.participant in view.updates else (CommitUpdate(),)


def _unmask(view: Round, own: Own, _now: int) -> tuple[Effect, ...]:
    if own.dropped or own.participant not in view.shares or own.participant in view.revealed:
        return ()
    return (RevealShares(),)


def _attest(view: Round, own: Own, now_ms: int) -> tuple[Effect, ...]:
    if view.proposal is not None and own.msp not in view.attestations and view.proposal.number not in own.refuted:
        return (Attest(view.proposal.number),)
    if own.participant in view.aggregators and _may_propose(view, own, now_ms):
        return (Propose(),)
    return ()


def _may_propose(view: Round, own: Own, now_ms: int) -> bool:
    began = view.deadline_ms - own.attest_ms
    elected = now_ms >= began + view.aggregators.index(own.participant) * own.lease_ms
    return elected and (view.proposal is None or view.proposal.number in own.refuted)


def _over(view: Round, own: Own, _now: int) -> tuple[Effect, ...]:
    if own.ripe_ms < turn(view, own) * TURN_MS:
        return ()
    settle: tuple[Effect, ...] = (Settle(),) if view.phase == "Final" else ()
    again = view.phase == "Void" or view.round < own.rounds
    return (*settle, OpenRound()) if own.rounds and again else settle


PHASES: Final[dict[Phase, Callable[[Round, Own, int], tuple[Effect, ...]]]] = {
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
    "Shares": lambda view: (view.in_order(tuple(view.keys)), tuple(view.shares)),
    "Updates": lambda view: (view.in_order(tuple(view.shares)), tuple(view.updates)),
    "Unmask": lambda view: (view.survivors, view.revealed),
}
