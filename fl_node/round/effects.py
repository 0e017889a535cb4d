"""What `duty` may ask for: values for `carry_out`; each is safe to repeat."""

from dataclasses import dataclass
from typing import Final

from network import contract_codes

DONE_ALREADY: Final = frozenset(
    {
        contract_codes.TRAINING_ENDED,
        contract_codes.ROUND_IN_PROGRESS,
        contract_codes.WRONG_PHASE,
        contract_codes.UNKNOWN_ROUND,
        contract_codes.ALREADY_DONE,
        contract_codes.NOT_YOUR_TURN,
        contract_codes.PROPOSAL_OPEN,
        contract_codes.NO_OPEN_PROPOSAL,
        contract_codes.ALREADY_ATTESTED,
        contract_codes.ALREADY_SETTLED,
        contract_codes.DROPPED_OUT,
    }
)
"""The ledger has moved on, or somebody, perhaps this node before a crash, has done it: look again."""


class Effect:
    """Something to carry out; safe to repeat."""


@dataclass(frozen=True)
class Train(Effect):
    """Start the plan's work on the base state in the background: it needs no key of the round."""


@dataclass(frozen=True)
class PublishKeys(Effect):
    """Draw two key pairs, or take the journal's, and publish the public keys."""


@dataclass(frozen=True)
class CommitShares(Effect):
    """Share the secrets, or take the journal's sealed bundle, push it and commit to it."""


@dataclass(frozen=True)
class AnswerComplaints(Effect):
    """Show what was dealt to those that say that they cannot open it."""


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
class SeekState(Effect):
    """Compute the next state because another organisation says that there is none; say so if so."""


@dataclass(frozen=True)
class Gather(Effect):
    """Listen for the words of the phase: this node is their carrier."""


@dataclass(frozen=True)
class Carry(Effect):
    """Put the gathered words into one transaction.

    Attributes:
        last: They are all that the phase waits for, so that the same transaction can end it.
    """

    last: bool


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


@dataclass(frozen=True)
class TellDropout(Effect):
    """Say on the ledger that this participant has left the attempt, so that nobody waits for it."""

    code: str
