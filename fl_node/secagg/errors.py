"""What secure aggregation refuses, with stable codes FL41xx.

FedledgerError
└── SecaggError            anything wrong in secure aggregation
    ├── Refusal            this node protects itself: it drops out of the attempt and reveals nothing
    └── Fault              a misbehaviour that the inputs prove; `kind` and `participant` say whose

No message ever holds a key, a seed, a share or a slot.
"""

from typing import Final, Literal

from network.errors import FedledgerError

BAD_KEY: Final = "FL4101"
BAD_SEAL: Final = "FL4102"
BAD_SHARE: Final = "FL4103"
BAD_LAYOUT: Final = "FL4104"
BAD_VECTOR: Final = "FL4105"
OUT_OF_ORDER: Final = "FL4106"
TOO_FEW_SHARES: Final = "FL4107"
BAD_BLOB: Final = "FL4108"
DEALER: Final = "FL4109"
GARBAGE: Final = "FL4110"
AGGREGATOR: Final = "FL4111"
SENDER: Final = "FL4112"
BAD_SECRET: Final = "FL4113"  # noqa: S105 - a code
BAD_PROOF: Final = "FL4114"

WEAK_ROUND: Final = "FL4120"
ANOTHER_SESSION: Final = "FL4121"
UNKNOWN_OWN: Final = "FL4122"
SECOND_MASKING: Final = "FL4123"
LEFT_OUT: Final = "FL4124"
TOO_FEW_SURVIVORS: Final = "FL4125"
BOTH_KINDS: Final = "FL4126"
CHANGED_VIEW: Final = "FL4127"
DIFFERENCING: Final = "FL4128"
TOO_MANY_ANSWERS: Final = "FL4129"

Kind = Literal["dealer", "update", "garbage", "aggregator"]
"""Whose fault: the dealer's of bad shares, an update's sender's, some survivor's, or the aggregator's."""

_CODES: Final[dict[Kind, str]] = {
    "dealer": DEALER,
    "update": SENDER,
    "garbage": GARBAGE,
    "aggregator": AGGREGATOR,
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
