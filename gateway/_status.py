"""What a call over the wire can come back with, free of any RPC library."""

from dataclasses import dataclass
from enum import IntEnum


class StatusCode(IntEnum):
    """Canonical gRPC status codes (grpc/grpc, doc/statuscodes.md)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What one peer or orderer answered, as the gateway's peer reports it."""

    address: str
    msp_id: str
    message: str


class TransportError(Exception):
    """A call that a transport could not complete, or that the other side refused.

    Transports raise it; callers of the client see a stage's error made from it.
    """

    def __init__(self, code: StatusCode, message: str, details: tuple[ErrorDetail, ...] = ()) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.details = details
