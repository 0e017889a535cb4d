"""What secure aggregation refuses, with stable codes FL41xx.

FedledgerError
└── SecaggError            anything wrong in secure aggregation
    ├── Refusal            this node protects itself: it drops out of the attempt and reveals nothing
    └── Fault              a misbehaviour that the inputs prove; `kind` and `participant` say whose

No message ever holds a key, a seed, a share or a slot.
"""

from typing import Final, Literal

from fl_node import codes
from network.errors import FedledgerError

Kind = Literal["dealer", "update", "garbage", "aggregator"]
"""Whose fault: the dealer's of bad shares, an update's sender's, some survivor's, or the aggregator's."""

_CODES: Final[dict[Kind, str]] = {
    "dealer": codes.DEALER_FAULT,
    "update": codes.SENDER_FAULT,
    "garbage": codes.GARBAGE_FAULT,
    "aggregator": codes.AGGREGATOR_FAULT,
}


class SecaggError(FedledgerError):
    """Something is wrong in secure aggregation."""


class Refusal(SecaggError):  # noqa: N818 - the protocol's own word
    """This node will not go on in this attempt, because going on could open an update."""


class Fault(SecaggError):  # noqa: N818 - the protocol's own word
    """A misbehaviour that anyone can prove from the same inputs.

    Attributes:
        kind: Whose.
        participant: Who; empty where the inputs do not tell.
    """

    def __init__(self, kind: Kind, participant: str, reason: str) -> None:
        super().__init__(_CODES[kind], reason, where=participant)
        self.kind = kind
        self.participant = participant
