"""A chaincode's functions, as they are called from a program."""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import _messages
from ._arguments import encode_arguments, encode_transient
from ._client import Client, Deadlines
from ._commit import Commit, Status
from ._messages import Invocation
from ._retry import RetryPolicy
from ._stages import Proposal, Transaction
from ._submission import Ask, Flow, Propose, Send, Sign, Step, Submission, Wait
from ._watch import CommitWatch, give_up
from .errors import CommitError, CommitStatusError, StatusCode

_ONCE = RetryPolicy(attempts=1)


@dataclass(frozen=True, slots=True)
class Contract:
    """A chaincode on a channel; `network` is the channel's name, `chaincode` the chaincode's.

    Arguments are text (sent as UTF-8) or bytes-like; anything else is a TypeError that says which and why. `transient`
    data reaches the endorsers and not the ledger.
    `endorsing_organizations` names by MSP id who must run the function. `retry` may be False, or a policy other than
    the gateway's; `deadlines` likewise.
    """

    network: str
    chaincode: str
    _client: Client = field(repr=False)
    _policy: RetryPolicy = field(repr=False)
    _watch: CommitWatch = field(repr=False, compare=False)
    name: str = ""
    """One of the chaincode's contracts; "" for its default. The contract API takes "name:function"."""

    async def evaluate(
        self,
        function: str,
        *arguments: str | bytes,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: tuple[str, ...] | list[str] | None = None,
        retry: bool | RetryPolicy = True,
        deadlines: Deadlines | None = None,
    ) -> bytes:
        """Run a function on one peer and return its result; the ledger stays as it is.

        Raises:
            EvaluateError: the chaincode refused, or no peer answered.
        """
        call = self._call(deadlines, function, arguments, transient, endorsing_organizations)
        flow = self._submission(retry, endorsing_organizations).proposed()
        result: bytes = await _drive(flow, _Evaluation(call.client, call.invocation, call.watch))
        return result

    async def submit(
        self,
        function: str,
        *arguments: str | bytes,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: tuple[str, ...] | list[str] | None = None,
        retry: bool | RetryPolicy = True,
        deadlines: Deadlines | None = None,
    ) -> bytes:
        """Run a function on enough peers, wait until its transaction is committed and return its result.

        Raises:
            EndorseError: too few organisations endorsed.
            SubmitError: the orderers did not acknowledge; it may still commit unless they say FORBIDDEN.
            CommitStatusError: nobody could tell its fate; read the state.
            CommitError: it was committed as invalid.
        """
        call = self._call(deadlines, function, arguments, transient, endorsing_organizations)
        call.watch.under_way += 1
        try:
            if retry is False:
                return await call.once()
            commit, _ = await _drive(self._submission(retry, endorsing_organizations).committed(), call)
        finally:
            call.watch.under_way -= 1
        result: bytes = commit.result
        return result

    async def submit_async(
        self,
        function: str,
        *arguments: str | bytes,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: tuple[str, ...] | list[str] | None = None,
        retry: bool | RetryPolicy = True,
        deadlines: Deadlines | None = None,
    ) -> Commit:
        """Run a function on enough peers, send its transaction to the orderers and return without waiting for a block.

        Raises:
            EndorseError, SubmitError: as in submit.
        """
        call = self._call(deadlines, function, arguments, transient, endorsing_organizations)
        if retry is False:
            return await (await call.proposal(None).endorse()).submit()
        commit: Commit = await _drive(self._submission(retry, endorsing_organizations).sent(), call)
        return commit

    def proposal(
        self,
        function: str,
        *arguments: str | bytes,
        transient: Mapping[str, bytes] | None = None,
        endorsing_organizations: tuple[str, ...] | list[str] | None = None,
    ) -> Proposal:
        """Return the first stage of a transaction, to go on by hand; no retries."""
        call = self._call(None, function, arguments, transient, endorsing_organizations)
        return call.proposal(None)

    def _call(
        self,
        deadlines: Deadlines | None,
        function: str,
        arguments: tuple[str | bytes, ...],
        transient: Mapping[str, bytes] | None,
        organizations: tuple[str, ...] | list[str] | None,
    ) -> "_Submitting":
        client = self._client if deadlines is None else replace(self._client, deadlines=deadlines)
        qualified = f"{self.name}:{function}" if self.name else function
        encoded, hidden = encode_arguments(qualified, arguments), encode_transient(transient)
        invocation = Invocation(self.network, self.chaincode, encoded, hidden, tuple(organizations or ()))
        return _Submitting(client, invocation, self._watch)

    def _submission(self, retry: bool | RetryPolicy, organizations: Any) -> Submission:
        policy = retry if isinstance(retry, RetryPolicy) else self._policy if retry else _ONCE
        return Submission(policy, self._client.identity.msp_id, time.monotonic, may_choose=not organizations)


@dataclass(slots=True)
class _Submitting:
    """Does the steps of a submission."""

    client: Client
    invocation: Invocation
    watch: CommitWatch
    sent: str = ""
    expected: "asyncio.Future[Status | None] | None" = None

    def proposal(self, organizations: tuple[str, ...] | None) -> Proposal:
        invocation = self.invocation
        asked = invocation.endorsing_organizations if organizations is None else organizations
        identifier, proposal = _messages.propose(invocation, self.client.creator)
        return Proposal(identifier, invocation.channel, proposal, asked, self.client)

    async def propose(self, organizations: tuple[str, ...] | None, deadline: float) -> Any:
        return await self.proposal(organizations).endorse(deadline=min(deadline, self.client.deadlines.endorse))

    async def once(self) -> bytes:
        transaction = await self.propose(None, math.inf)
        status = await self.status(await self.send(transaction, math.inf), math.inf)
        if not status.successful:
            raise CommitError(status.transaction_id, status.code, status.block_number)
        result: bytes = transaction.result
        return result

    async def send(self, transaction: Transaction, deadline: float) -> Commit:
        if transaction.transaction_id != self.sent:  # one that is sent again may be in a block already
            self.sent = transaction.transaction_id
            self.expected = self.watch.expect(self.sent)
        return await transaction.submit(deadline=min(deadline, self.client.deadlines.submit))

    async def status(self, commit: Commit, deadline: float) -> Status:
        expected, self.expected = self.expected, None
        deadline = min(deadline, self.client.deadlines.commit_status)
        if expected is None:
            return await commit.status(deadline=deadline)
        late = asyncio.get_running_loop().call_later(deadline, give_up, expected)  # a tenth of asyncio.timeout's cost
        try:
            seen = await expected
        except TimeoutError:
            message = "the transaction was in no block in time"
            code = StatusCode.DEADLINE_EXCEEDED
            raise CommitStatusError(message, code=code, transaction_id=commit.transaction_id) from None
        finally:
            late.cancel()
            self.watch.forget(commit.transaction_id)
        return seen or await commit.status(deadline=deadline)

    async def do(self, step: Step) -> Any:
        match step:
            case Propose(organizations, deadline):
                return await self.propose(organizations, deadline)
            case Sign(transaction):
                return await transaction.signed()
            case Send(transaction, deadline):
                return await self.send(transaction, deadline)
            case Ask(commit, deadline):
                return await self.status(commit, deadline)
            case Wait(seconds):
                return await asyncio.sleep(seconds)


class _Evaluation(_Submitting):
    """Does the steps of a query."""

    async def propose(self, organizations: tuple[str, ...] | None, deadline: float) -> Any:
        return await self.proposal(organizations).evaluate(deadline=min(deadline, self.client.deadlines.evaluate))


async def _drive(flow: Flow, actor: _Submitting) -> Any:
    """Do what the flow says until it returns; what fails is told to the flow, which raises or goes on."""
    try:
        step = next(flow)
        while True:
            try:
                answer = await actor.do(step)
            except Exception as error:  # noqa: BLE001 the flow raises again what it does not know
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as end:
        return end.value
