"""One submit with its retries, as a conversation: this module says what to do next, the driver does it.

A flow yields steps and is sent their results, or has their errors thrown in. It does no input or output and reads no
clock but the one it is given, so that every rule can be tested by talking to it.
"""

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from . import _retry
from ._codes import ValidationCode
from ._commit import Commit, Status
from ._retry import RetryPolicy, Verdict
from ._stages import Transaction
from .errors import CommitError, CommitStatusError, EndorseError, EvaluateError, SubmitError

_log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Propose:
    """Make a new proposal and have it endorsed or evaluated; organisations None: the caller's choice."""

    organizations: tuple[str, ...] | None
    deadline: float


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign a transaction; whatever is sent of it later is these bytes."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Send:
    """Submit a signed transaction."""

    transaction: Transaction
    deadline: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask what became of a transaction."""

    commit: Commit
    deadline: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Pause for that many seconds."""

    seconds: float


# A step's deadline is in seconds, and the longest that it may take: the caller's own, where that is shorter, counts.
Step = Propose | Sign | Send | Ask | Wait
Flow = Generator[Step, Any, Any]


@dataclass(slots=True)
class Submission:
    """The state of one submit.

    Attributes:
        policy: how far to go.
        msp_id: the caller's own organisation.
        clock: seconds from any start.
        may_choose: whether the fallback organisations may be named, since the caller named none.
    """

    policy: RetryPolicy
    msp_id: str
    clock: Callable[[], float]
    may_choose: bool = True
    proposals: int = 0
    organizations: tuple[str, ...] | None = None
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    def left(self) -> float:
        """Return the seconds left of what the policy gives to the whole."""
        return max(0.0, self.begun + self.policy.total - self.clock())

    def proposed(self) -> Flow:
        """Propose until somebody answers; returns the answer. What failed last is raised from what failed first."""
        first: EndorseError | EvaluateError | None = None
        broken = 0
        while True:
            self.proposals += 1
            try:
                return (yield Propose(self.organizations, self.left()))
            except (EndorseError, EvaluateError) as error:
                verdict = _retry.after_proposal(error, self.policy, self.msp_id, broke_off_before=broken)
                broken += _retry.broke_off(error)
                pause = self.policy.delay(self.proposals)
                if verdict is Verdict.STOP or not self._may_propose_after(pause):
                    raise error from first
                first = first or error
                if verdict is Verdict.PROPOSE_ELSEWHERE and self.may_choose:
                    self.organizations = self.policy.fallback_organizations
            yield Wait(pause)

    def sent(self) -> Flow:
        """Have a proposal endorsed and ordered; returns the commit."""
        transaction = yield Sign((yield from self.proposed()))
        status = yield from self._ordered(transaction, self.clock())
        if status is not None and _retry.after_commit(status.code) is Verdict.STOP:
            raise CommitError(status.transaction_id, status.code, status.block_number)
        return transaction.commit()

    def committed(self) -> Flow:
        """Submit until the transaction is committed; returns the commit and its status."""
        while True:
            transaction = yield Sign((yield from self.proposed()))
            status = yield from self._settled(transaction)
            verdict = _retry.after_commit(status.code, asked_before=True)
            if verdict is Verdict.DONE:
                return transaction.commit(), status
            if status.code is ValidationCode.ENDORSEMENT_POLICY_FAILURE:
                _log.error(
                    "transaction %s: its endorsements do not satisfy the policy, or endorsers run different chaincode",
                    status.transaction_id,
                )
            pause = self.policy.delay(self.proposals)
            if verdict is Verdict.STOP or not self._may_propose_after(pause):
                raise CommitError(status.transaction_id, status.code, status.block_number)
            yield Wait(pause)

    def _settled(self, transaction: Transaction) -> Flow:
        """Send an envelope and ask until its fate is known; returns the status."""
        started = self.clock()
        while True:
            status = yield from self._ordered(transaction, started)
            try:
                status = status or (yield Ask(transaction.commit(), self._within(self.policy.resend_after)))
                if _retry.after_commit(status.code) is Verdict.ASK_AGAIN:
                    status = yield Ask(transaction.commit(), self.left())
            except CommitStatusError as error:
                if _retry.after_status(error) is Verdict.STOP or self._too_late(started):
                    raise
                yield Wait(self.policy.delay(1))
            else:
                return status

    def _ordered(self, transaction: Transaction, started: float) -> Flow:
        """Send an envelope until the orderers take it; returns its status where that became known, else None."""
        failures = 0
        while True:
            try:
                yield Send(transaction, self.left())
            except SubmitError as error:
                failures += 1
                if _retry.after_submit(error) is Verdict.STOP:
                    raise
                status = yield from self._known(transaction, error)
                if status is not None:
                    return status
                if self._too_late(started):
                    raise
                yield Wait(self.policy.delay(failures))
            else:
                return None

    def _known(self, transaction: Transaction, cause: SubmitError) -> Flow:
        """Ask, with a short deadline, whether the transaction committed after all; returns None where nobody knows."""
        try:
            status: Status = yield Ask(transaction.commit(), self._within(self.policy.ask_deadline))
        except CommitStatusError as error:
            if _retry.after_status(error) is Verdict.STOP:
                raise cause from error
            return None
        return status

    def _too_late(self, started: float) -> bool:
        return self.clock() - started >= self.policy.give_up_after or not self.left()

    def _may_propose_after(self, pause: float) -> bool:
        return self.proposals < self.policy.attempts and self.left() > pause

    def _within(self, seconds: float) -> float:
        return min(seconds, self.left())
