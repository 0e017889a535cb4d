"""What a node refuses by itself beyond secure aggregation's own refusals (`secagg.survivors`, `secagg.participant`).

Pure functions over what the ledger says and what the node knows; each raises RefusalError or returns nothing. Chain
rejection alone is too late once a share has left the node.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from fl_node import codes
from fl_node.errors import RefusalError
from fl_node.ledger.records import Round
from fl_node.ledger.settled import Settled, settled
from fl_node.privacy.accounting import Promise
from fl_node.privacy.integers import NOTHING, Numbers
from fl_node.round.consent import Consent
from fl_node.secagg.modes.interface import Mode

PPM: Final = 1_000_000
SHARE_LIMIT_MOST_PPM: Final = 900_000
"""No vote makes a node reveal where one survivor declares more: the sum would almost be its update (T28)."""


@dataclass(frozen=True)
class Trusted:
    """What the node knows of a round without asking the round itself.

    Attributes:
        plan: Digest of the plan file the node holds.
        layout_digest: Digest of that plan's layout. Invariant: computed from the plan file, not read from the round.
        base_states: States that this node knows the training had: computed, or attested by a majority. Invariant: the
            plan's initial state is among them.
        organisations: Participant → MSP id, from the vetted records; it holds those that are suspended as well.
        survivor_difference_min: By how many survivors two sets on one base state must differ.
        share_limit_ppm: The largest part of the examples one survivor may declare, in millionths.
        count_bucket: What declared examples are rounded up to a multiple of.
        promise: What the plan promises of differential privacy.
        numbers: The same in the ledger's whole numbers. Invariant: computed from the plan file.
        registered: What the ledger adds up by; None where the plan was registered under rules that keep no accounts.
        rounds: How many rounds the training has.
        zeroing: The plan replaces large updates by zeros, which are no mean of a group.
    """

    plan: str
    layout_digest: str
    base_states: frozenset[str]
    organisations: Mapping[str, str]
    survivor_difference_min: int = 3
    share_limit_ppm: int = 700_000
    count_bucket: int = 1
    promise: Promise | None = None
    numbers: Numbers = NOTHING
    registered: Numbers | None = None
    zeroing: bool = False
    rounds: int = 0


def check_opening(view: Round, trusted: Trusted) -> None:
    """Check what a round fixes when it opens, before the node draws a key for it.

    Raises:
        RefusalError: FL4301 another model (T1), FL4302 another layout, FL4303 members that nobody vetted (T10),
            FL4311 another promise of privacy than the plan's.
    """
    if view.plan != trusted.plan:
        raise _refusal(
            codes.WRONG_PLAN_OR_BASE, f"the round's plan is {view.plan}, the training's {trusted.plan}", view
        )
    if view.base_state not in trusted.base_states:
        raise _refusal(
            codes.WRONG_PLAN_OR_BASE, f"base state {view.base_state} does not follow from the rounds before", view
        )
    if view.layout_digest != trusted.layout_digest:
        raise _refusal(codes.WRONG_LAYOUT, "the round's layout is not the plan's", view)
    if trusted.registered is not None and trusted.registered != trusted.numbers:
        text = f"the plan is registered with the promise {trusted.registered}, its file gives {trusted.numbers}"
        raise _refusal(codes.PROMISE_DIFFERS, text, view)
    _check_groups(view, trusted)
    _check_vetted(view, view.cohort, trusted)


def _check_groups(view: Round, trusted: Trusted) -> None:
    """Check that the plan is one for sums of groups, in what its layout does not tell; the ledger cannot know it."""
    if view.groups and trusted.zeroing:
        raise _refusal(codes.WRONG_LAYOUT, "the plan zeroes large updates: groups need one without zero_above", view)
    if view.groups and trusted.promise is not None:  # it counts on the noise of all survivors, a group has a part of it
        raise _refusal(codes.WRONG_LAYOUT, "the plan promises privacy of one sum of all: groups would break it", view)


def check_shown(view: Round, mode: Mode, consent: Consent) -> None:
    """Check that the organisation consents where the round would show its update to the members.

    Nobody is deceived by another mode's name: that mode opens no groups of one, and other groups are another session.

    Raises:
        RefusalError: FL4310.
    """
    if mode.shows and not consent.show_updates:
        raise _refusal(codes.UPDATES_SHOWN, "the round shows each update to the members", view)


def check_reveal(view: Round, trusted: Trusted) -> None:
    """Check the frozen survivors before the first share leaves the node, beside what the participant itself checks.

    Raises:
        RefusalError: FL4303 members that nobody vetted, FL4304 one survivor declares too large a part of
            the examples: the sum would almost be its update (T28).
    """
    _check_vetted(view, (*view.survivors, *view.left_out), trusted)
    committed = (*view.survivors, *view.left_out)  # as the ledger counts: groups may close after it has
    examples = {name: view.updates[name].examples for name in committed if name in view.updates}
    total, limit = sum(examples.values()), min(trusted.share_limit_ppm, SHARE_LIMIT_MOST_PPM)
    for name, declared in examples.items():
        if declared * PPM > limit * total:
            raise _refusal(codes.SHARE_TOO_LARGE, f"{name} declares {declared} of {total} examples", view)


def check_agreement(view: Round, others: Mapping[str, Settled | None], faulty: int) -> bool:
    """Tell whether enough other organisations confirm what the organisation's own peer shows (T3, T4).

    At most `faulty` organisations are dishonest. If our own peer's host is one of them, at most `faulty` - 1 others
    support it, so that `faulty` confirmations include an honest one. No single liar can stop a node: it takes more than
    `faulty` contradictions. One that lags behind, or has ended the attempt, counts neither way.

    Args:
        view: The attempt as the own peer has it.
        others: MSP id → what that organisation has of the attempt.
        faulty: How many organisations may be dishonest.

    Raises:
        RefusalError: FL4305, more than `faulty` show something else, an honest one among them.
    """
    ours = settled(view)
    answers = {msp: ours.agrees(other) for msp, other in others.items() if other is not None}
    contradicting = sorted(msp for msp, answer in answers.items() if answer is False)
    if len(contradicting) > faulty:
        raise _refusal(codes.MEMBERS_DISAGREE, f"{', '.join(contradicting)} show another attempt than our peer", view)
    return sum(answer is True for answer in answers.values()) >= faulty


def check_unchanged(view: Round, before: Collection[str] | None) -> None:
    """Check that the survivors are those that this node remembers revealing for in this very attempt.

    Raises:
        RefusalError: FL4306.
    """
    if before is not None and tuple(before) != view.survivors:
        raise _refusal(
            codes.SURVIVORS_CHANGED, "the survivors are not those of an earlier reveal in this attempt", view
        )


def _check_vetted(view: Round, members: Collection[str], trusted: Trusted) -> None:
    unknown = sorted(set(members) - set(trusted.organisations))
    if unknown:
        raise _refusal(codes.NOT_VETTED, f"{', '.join(unknown)} have no vetted record", view)


def _refusal(code: str, message: str, view: Round) -> RefusalError:
    return RefusalError(code, message, where=view.name, hint="This node takes no further part in this attempt.")
