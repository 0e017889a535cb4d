"""Errors of the client; each names the stage of the transaction that failed.

GatewayError
├── EvaluateError            the query was refused or could not be answered
├── EndorseError             no transaction came to be
├── SubmitError              the orderers did not acknowledge the transaction: it may still commit
├── CommitStatusError        nobody could say whether the transaction committed
├── CommitError              the transaction is in a block, marked invalid: nothing was changed
├── StreamError              an event stream broke and could not be resumed
└── ConnectError             no endpoint answered

Wrong use of the interface (unreadable keys, negative block numbers, malformed bytes) raises ValueError.
"""

import re
from typing import TYPE_CHECKING, ClassVar

from ._status import ErrorDetail, StatusCode, TransportError

if TYPE_CHECKING:
    from ._codes import ValidationCode

__all__ = [
    "CommitError",
    "CommitStatusError",
    "ConnectError",
    "EndorseError",
    "ErrorDetail",
    "EvaluateError",
    "GatewayError",
    "StatusCode",
    "StreamError",
    "SubmitError",
    "TransportError",
]

# A chaincode that wants its refusals understood puts a code in front of the sentence: "FL0203: round 7 is closed".
_CHAINCODE_CODE = re.compile(r"\b([A-Z]{2,6}\d{4}): ")


class GatewayError(Exception):
    """A stage that failed.

    Attributes:
        transaction_id: the transaction in question; "" where there is none (streams, connecting).
        code: the gRPC status code.
        message: the gateway's sentence, without the details.
        details: what each peer or orderer answered; empty where the error came from the gateway's own peer.
        chaincode_code: the stable code of the chaincode's refusal ("FL0203"), None where there is none.
    """

    stage: ClassVar[str] = "gateway call"

    def __init__(
        self, message: str, *, code: StatusCode, transaction_id: str = "", details: tuple[ErrorDetail, ...] = ()
    ) -> None:
        self.transaction_id = transaction_id
        self.code = code
        self.message = message
        self.details = details
        self.chaincode_code = find_chaincode_code(message, details)
        super().__init__(self._describe())

    def _describe(self) -> str:
        subject = f" of transaction {self.transaction_id}" if self.transaction_id else ""
        lines = [f"{self.stage}{subject} failed with {self.code.name}: {self.message}"]
        lines += [f"  {detail.msp_id} at {detail.address}: {detail.message}" for detail in self.details]
        return "\n".join(lines)


class EvaluateError(GatewayError):
    """The query was refused or could not be answered."""

    stage = "evaluate"


class EndorseError(GatewayError):
    """The proposal was not endorsed by enough organisations; no transaction came to be."""

    stage = "endorse"


class SubmitError(GatewayError):
    """The orderers did not acknowledge the transaction.

    Unless they say FORBIDDEN it may still commit: ask CommitStatus with the same transaction id before anything else.
    """

    stage = "submit"


class CommitStatusError(GatewayError):
    """Nobody could say whether the transaction committed; it may have, or may yet."""

    stage = "commit status"


class CommitError(GatewayError):
    """The transaction is in a block, marked invalid; nothing it wrote took effect.

    Attributes:
        validation_code: why it was invalid.
        block_number: the block it is in.
    """

    stage = "commit"

    def __init__(self, transaction_id: str, validation_code: "ValidationCode", block_number: int) -> None:
        self.validation_code = validation_code
        self.block_number = block_number
        super().__init__(
            f"marked {validation_code.name} in block {block_number}",
            code=StatusCode.ABORTED,
            transaction_id=transaction_id,
        )


class StreamError(GatewayError):
    """An event stream broke and could not be resumed; start again from the checkpoint."""

    stage = "event stream"


class ConnectError(GatewayError):
    """No endpoint answered."""

    stage = "connect"


def find_chaincode_code(message: str, details: tuple[ErrorDetail, ...]) -> str | None:
    """Return the first stable chaincode code in the details, else in the message."""
    for text in (*(detail.message for detail in details), message):
        if found := _CHAINCODE_CODE.search(text):
            return found[1]
    return None
