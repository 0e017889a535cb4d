"""What an error means and what to do about it: the rules, without doing any of it."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum, auto

from ._codes import ValidationCode
from .errors import CommitStatusError, EndorseError, EvaluateError, GatewayError, StatusCode, SubmitError

# Peers that are down, restarting or overloaded; the same question asked later may find an answer.
_TRANSIENT = frozenset({StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED})
# Answers of somebody who looked at the request and did not pass it on. After any other error the orderers may have it.
_REFUSED = frozenset(
    {
        StatusCode.INVALID_ARGUMENT,
        StatusCode.NOT_FOUND,
        StatusCode.PERMISSION_DENIED,
        StatusCode.FAILED_PRECONDITION,
        StatusCode.ABORTED,
        StatusCode.UNIMPLEMENTED,
        StatusCode.UNAUTHENTICATED,
    }
)
_CONFLICTS = frozenset({ValidationCode.MVCC_READ_CONFLICT, ValidationCode.PHANTOM_READ_CONFLICT})
# How a gateway begins the detail of a peer whose chaincode answered with an error status (fabric, apiutils.go).
_CHAINCODE_REFUSAL = "chaincode response "
# What a gateway whose peer has just started answers until gossip has found the other organisations' peers (fabric,
# discovery/endorsement/endorsement.go and gateway/registry.go); with other reasons FAILED_PRECONDITION is final.
_NO_ROUTE_YET = (
    "no peer combination can satisfy the endorsement policy",
    "due to unavailability of peers",
    "required chaincodes are not installed on sufficient peers",  # just after an upgrade, until gossip has told of it
)
# What a peer says that will say it again (fabric, core/endorser, core/handlers/auth/filter, core/chaincode): the
# caller's identity, key or clock; a chaincode that answered what nobody can read; a message that is too large.
_FOR_GOOD = (
    "access denied",
    "error validating proposal",
    "request unauthorized due to incorrect timestamp",
    "client identity expired",
    "transaction returned with failure",
    "message larger than max",
)
# A chaincode process that ended in the middle: killed from outside, or by this very call.
_MAY_BE_KILLED = 2
_BROKE_OFF = ("chaincode stream terminated",)
_NOT_BACK_YET = ("could not launch chaincode",)  # at another peer, whose process ended under the call before
# What an orderer refuses whenever it is sent (fabric, orderer/common/broadcast); other statuses may be gone tomorrow.
_REFUSED_BY_ORDERER = ("FORBIDDEN", "BAD_REQUEST", "REQUEST_ENTITY_TOO_LARGE", "message larger than max")


class Verdict(Enum):
    """What to do next."""

    STOP = auto()
    """Raise the error: asking again would give the same answer."""
    PROPOSE_AGAIN = auto()
    """Back off, then make a new proposal with the same arguments and a new transaction id."""
    PROPOSE_ELSEWHERE = auto()
    """The same, at the fallback organisations, since only one's own organisation disagreed."""
    ASK_THEN_RESEND = auto()
    """The transaction may commit: ask for its status, send the same signed envelope, ask again."""
    ASK_AGAIN = auto()
    """Ask for the same transaction's status once more."""
    DONE = auto()
    """The transaction is committed."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How far the client goes before it gives up.

    Attributes:
        attempts: proposals for one submit or evaluate, the first included; at least 1.
        give_up_after: seconds during which a transaction of unknown fate is asked for and resent. Longer than the
            orderers may drop it silently (SmartBFT's AutoRemove: 3 minutes).
        ask_deadline: seconds that CommitStatus gets after an uncertain submit, before the envelope is resent.
        total: seconds that one submit or evaluate may take, every call and pause included; deadlines are cut to what is
            left of it.
        resend_after: seconds that a transaction which the orderers took may be in no block before its envelope is sent
            again: a Raft leader may lose what it took. No longer than the commit-status deadline.
        first_delay: seconds before the first retry; doubles with each, up to longest_delay, less up to half as jitter.
        longest_delay: seconds.
        retryable: chaincode codes ("FL0901") worth a new proposal after a pause, as a collection or a predicate.
        fallback_organizations: MSP ids to endorse when the only refusal comes from one's own organisation's peer.
        resume_for: seconds an event stream tries to reconnect before it raises StreamError.
        uniform: the source of jitter, random.uniform's signature.
    """

    attempts: int = 10
    give_up_after: float = 200.0
    total: float = 300.0
    ask_deadline: float = 5.0
    resend_after: float = 15.0
    first_delay: float = 0.1
    longest_delay: float = 5.0
    retryable: Collection[str] | Callable[[str], bool] = frozenset()
    fallback_organizations: tuple[str, ...] = ()
    resume_for: float = 120.0
    uniform: Callable[[float, float], float] = field(default=random.uniform, repr=False)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {self.attempts}")

    def delay(self, failures: int) -> float:
        """Return the pause in seconds after that many failures, counted from 1."""
        longest = min(self.longest_delay, self.first_delay * 2 ** min(failures - 1, 30))
        return self.uniform(longest / 2, longest)

    def is_retryable(self, chaincode_code: str) -> bool:
        """Return whether the caller wants this refusal of the chaincode retried."""
        return self.retryable(chaincode_code) if callable(self.retryable) else chaincode_code in self.retryable


def after_proposal(
    error: EndorseError | EvaluateError, policy: RetryPolicy, msp_id: str, *, broke_off_before: int = 0
) -> Verdict:
    """Return what to do after a proposal failed.

    Args:
        error: how it failed.
        policy: the caller's.
        msp_id: the caller's own organisation.
        broke_off_before: how often a chaincode process has ended under the same call. Two may be killed one
            after the other; the third time it is the call that ends them.
    """
    again = Verdict.PROPOSE_ELSEWHERE if _only_own(error, policy, msp_id) else Verdict.PROPOSE_AGAIN
    if error.chaincode_code is not None:
        return again if policy.is_retryable(error.chaincode_code) else Verdict.STOP
    if any(detail.message.startswith(_CHAINCODE_REFUSAL) for detail in error.details) or _say_all(error, _FOR_GOOD):
        return Verdict.STOP
    if broke_off_before >= _MAY_BE_KILLED and broke_off(error):
        return Verdict.STOP
    if error.code is StatusCode.ABORTED:
        return again
    return Verdict.PROPOSE_AGAIN if error.code in _TRANSIENT or _is_unrouted(error) else Verdict.STOP


def after_submit(error: SubmitError) -> Verdict:
    """Return what to do after the orderers did not acknowledge a transaction."""
    if error.code in _REFUSED or _say_all(error, _REFUSED_BY_ORDERER):
        return Verdict.STOP
    return Verdict.ASK_THEN_RESEND


def after_status(error: CommitStatusError) -> Verdict:
    """Return what to do when nobody could tell a transaction's fate."""
    # ABORTED is a peer that stopped waiting, not one that refused: asking changes nothing, so ask.
    refused = error.code in _REFUSED and error.code is not StatusCode.ABORTED
    return Verdict.STOP if refused else Verdict.ASK_THEN_RESEND


def after_commit(code: ValidationCode, *, asked_before: bool = False) -> Verdict:
    """Return what a validation code asks for; `asked_before`: DUPLICATE_TXID was already answered once."""
    if code is ValidationCode.VALID:
        return Verdict.DONE
    if code is ValidationCode.DUPLICATE_TXID:
        # The status may be that of a copy; the peer's index answers with the first.
        return Verdict.DONE if asked_before else Verdict.ASK_AGAIN
    return Verdict.PROPOSE_AGAIN if code in _CONFLICTS else Verdict.STOP


def is_transient(code: StatusCode) -> bool:
    """Return whether a broken stream is worth opening again."""
    return code not in _REFUSED or code is StatusCode.ABORTED


def broke_off(error: GatewayError) -> bool:
    """Return whether the chaincode's process ended in the middle of the call, and no peer could answer in its place."""
    said = _said(error)
    return any(_names(text, _BROKE_OFF) for text in said) and all(
        _names(text, _BROKE_OFF + _NOT_BACK_YET) for text in said
    )


def _say_all(error: GatewayError, reasons: tuple[str, ...]) -> bool:
    """Return whether everybody who answered gives one of these reasons: one peer or orderer alone may lie."""
    return all(_names(text, reasons) for text in _said(error))


def _said(error: GatewayError) -> list[str]:
    return [detail.message for detail in error.details] or [error.message]


def _names(text: str, reasons: tuple[str, ...]) -> bool:
    return any(reason in text for reason in reasons)


def _is_unrouted(error: GatewayError) -> bool:
    return error.code is StatusCode.FAILED_PRECONDITION and any(reason in error.message for reason in _NO_ROUTE_YET)


def _only_own(error: GatewayError, policy: RetryPolicy, msp_id: str) -> bool:
    return bool(
        policy.fallback_organizations and error.details and all(detail.msp_id == msp_id for detail in error.details)
    )
