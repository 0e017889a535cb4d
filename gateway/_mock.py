"""A gateway in memory, for the tests of programs that use this client."""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2, events_pb2

from . import _mock_messages
from ._codes import ValidationCode
from ._mock_messages import MockCall
from ._sources import BLOCKS_AND_PRIVATE_DATA, CHAINCODE_EVENTS, FILTERED_BLOCKS
from ._transport import Pairs
from .errors import ErrorDetail, StatusCode, TransportError

_FILTER = common_pb2.BlockMetadataIndex.TRANSACTIONS_FILTER


class MockRefusal(Exception):  # noqa: N818 it is the chaincode's answer, not this module's failure
    """What a mocked chaincode raises to refuse a call; the message may begin with a stable code ("FL0203: …")."""


@dataclass(slots=True)
class _Ledger:
    """One channel: blocks with the events of their valid transactions, and what became of each transaction."""

    name: str
    blocks: list[tuple[Any, list[Any]]] = field(default_factory=list)
    statuses: dict[str, tuple[ValidationCode, int]] = field(default_factory=dict)


class MockTransport:
    """A transport without a network: a function plays the chaincode, every submit makes a block.

    Nothing is verified and nothing is stored between calls but blocks, events and the fate of transactions; state is
    the function's own. Transactions of one proposal keep their id, results and events are those of its endorsement.

    Args:
        chaincode: is given each MockCall and returns the result; raises MockRefusal to refuse.
    """

    def __init__(self, chaincode: Callable[[MockCall], bytes]) -> None:
        self.calls: list[MockCall] = []
        self._chaincode = chaincode
        self._failures: defaultdict[str, deque[tuple[TransportError, bool]]] = defaultdict(deque)
        self._codes: deque[ValidationCode] = deque()
        self._endorsed: dict[str, MockCall] = {}
        self._ledgers: dict[str, _Ledger] = {}
        self._grown = asyncio.Condition()
        self._cuts = 0

    @property
    def address(self) -> str:
        """Empty: there is one peer."""
        return ""

    @property
    def tls_certificate_hash(self) -> bytes:
        """Empty: there is no TLS."""
        return b""

    async def connect(self, deadline: float) -> None:
        """Return at once."""

    def pass_over(self, address: str, reason: str) -> None:
        """Do nothing: there is one peer."""

    async def close(self) -> None:
        """End every stream."""
        await self.cut()

    def fail(self, method: str, *errors: TransportError, after: bool = False) -> None:
        """Let the next calls of a method ("Submit") fail, one by one; `after`: only once their work is done."""
        self._failures[method].extend((error, after) for error in errors)

    def invalidate(self, *codes: ValidationCode) -> None:
        """Let the next transactions be committed with these validation codes, one by one."""
        self._codes.extend(codes)

    async def cut(self) -> None:
        """Break every stream that is open now."""
        async with self._grown:
            self._cuts += 1
            self._grown.notify_all()

    async def unary(self, path: str, request: bytes, deadline: float, metadata: Pairs = ()) -> bytes:
        """See Transport."""
        del metadata  # Fabric reads none of it
        method = path.rpartition("/")[2]
        failure, after = self._failures[method].popleft() if self._failures[method] else (None, False)
        if failure is not None and not after:
            raise failure
        try:
            async with asyncio.timeout(deadline):
                response: bytes = await _METHODS[method](self, request)
        except TimeoutError:
            raise TransportError(StatusCode.DEADLINE_EXCEEDED, "the deadline has passed") from None
        if failure is not None:
            raise failure
        return response

    async def stream(self, path: str, request: bytes, metadata: Pairs = ()) -> AsyncIterator[bytes]:
        """See Transport."""
        del metadata
        failures = self._failures[path.rpartition("/")[2]]
        if failures:
            raise failures.popleft()[0]
        responses = self._events(request) if path == CHAINCODE_EVENTS else self._deliver(path, request)
        async for response in responses:
            yield response

    def _ledger(self, channel: str) -> _Ledger:
        if channel not in self._ledgers:
            ledger = self._ledgers[channel] = _Ledger(channel)
            ledger.blocks.append((common_pb2.Block(header=common_pb2.BlockHeader(number=0)), []))
        return self._ledgers[channel]

    async def _endorse(self, raw: bytes) -> bytes:
        request = gateway_pb2.EndorseRequest.FromString(raw)
        call = _mock_messages.read_call("submit", request.proposed_transaction, request.endorsing_organizations)
        result = self._run(call, StatusCode.ABORTED)
        self._endorsed[call.transaction_id] = call
        envelope = _mock_messages.prepare(request.proposed_transaction, result)
        response: bytes = gateway_pb2.EndorseResponse(prepared_transaction=envelope).SerializeToString()
        return response

    async def _evaluate(self, raw: bytes) -> bytes:
        request = gateway_pb2.EvaluateRequest.FromString(raw)
        call = _mock_messages.read_call("evaluate", request.proposed_transaction, request.target_organizations)
        payload = self._run(call, StatusCode.UNKNOWN)
        response: bytes = gateway_pb2.EvaluateResponse(result={"status": 200, "payload": payload}).SerializeToString()
        return response

    def _run(self, call: MockCall, refusal: StatusCode) -> bytes:
        self.calls.append(call)
        try:
            return self._chaincode(call)
        except MockRefusal as error:
            detail = ErrorDetail("mock", call.msp_id, f"chaincode response 500, {error}")
            raise TransportError(refusal, "the chaincode refused", (detail,)) from error

    async def _submit(self, raw: bytes) -> bytes:
        request = gateway_pb2.SubmitRequest.FromString(raw)
        ledger = self._ledger(request.channel_id)
        code = self._codes.popleft() if self._codes else ValidationCode.VALID
        if request.transaction_id in ledger.statuses:
            code = ValidationCode.DUPLICATE_TXID
        number = len(ledger.blocks)
        block = common_pb2.Block(
            header=common_pb2.BlockHeader(number=number),
            data=common_pb2.BlockData(data=[request.prepared_transaction.SerializeToString()]),
            metadata=common_pb2.BlockMetadata(metadata=[b""] * _FILTER + [bytes([code])]),
        )
        call = self._endorsed.get(request.transaction_id)
        events = [] if call is None or code is not ValidationCode.VALID else _announced(call)
        async with self._grown:
            ledger.statuses.setdefault(request.transaction_id, (code, number))
            ledger.blocks.append((block, events))
            self._grown.notify_all()
        response: bytes = gateway_pb2.SubmitResponse().SerializeToString()
        return response

    async def _commit_status(self, raw: bytes) -> bytes:
        inner = gateway_pb2.SignedCommitStatusRequest.FromString(raw).request
        request = gateway_pb2.CommitStatusRequest.FromString(inner)
        statuses = self._ledger(request.channel_id).statuses
        async with self._grown:
            await self._grown.wait_for(lambda: request.transaction_id in statuses)
        code, number = statuses[request.transaction_id]
        response: bytes = gateway_pb2.CommitStatusResponse(result=code, block_number=number).SerializeToString()
        return response

    async def _events(self, raw: bytes) -> AsyncIterator[bytes]:
        request = gateway_pb2.ChaincodeEventsRequest.FromString(
            gateway_pb2.SignedChaincodeEventsRequest.FromString(raw).request
        )
        ledger = self._ledger(request.channel_id)
        start = _mock_messages.first_block(request.start_position, len(ledger.blocks))
        passed = not request.after_transaction_id
        async for block, announced in self._from(ledger, start):
            events = []
            for event in announced:
                if passed and event.chaincode_id == request.chaincode_id:
                    events.append(event)
                passed = passed or event.tx_id == request.after_transaction_id
            if events:
                yield gateway_pb2.ChaincodeEventsResponse(
                    events=events, block_number=block.header.number
                ).SerializeToString()

    async def _deliver(self, path: str, raw: bytes) -> AsyncIterator[bytes]:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(raw).payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        seek = ab_pb2.SeekInfo.FromString(payload.data)
        ledger = self._ledger(header.channel_id)
        start = _mock_messages.first_block(seek.start, len(ledger.blocks))
        async for block, _ in self._from(ledger, start):
            if path == FILTERED_BLOCKS:
                filtered = _mock_messages.filter_block(ledger.name, block)
                yield events_pb2.DeliverResponse(filtered_block=filtered).SerializeToString()
            elif path == BLOCKS_AND_PRIVATE_DATA:
                yield events_pb2.DeliverResponse(block_and_private_data={"block": block}).SerializeToString()
            else:
                yield events_pb2.DeliverResponse(block=block).SerializeToString()

    async def _from(self, ledger: _Ledger, number: int) -> AsyncIterator[tuple[Any, list[Any]]]:
        cuts = self._cuts
        for wanted in itertools.count(number):
            async with self._grown:
                while len(ledger.blocks) <= wanted and cuts == self._cuts:
                    await self._grown.wait()
            if cuts < self._cuts:
                raise TransportError(StatusCode.UNAVAILABLE, "the stream was cut")
            yield ledger.blocks[wanted]


_METHODS: dict[str, Callable[[MockTransport, bytes], Any]] = {
    "Endorse": MockTransport._endorse,  # noqa: SLF001
    "Evaluate": MockTransport._evaluate,  # noqa: SLF001
    "Submit": MockTransport._submit,  # noqa: SLF001
    "CommitStatus": MockTransport._commit_status,  # noqa: SLF001
}


def _announced(call: MockCall) -> list[Any]:
    if call.event is None:
        return []
    name, payload = call.event
    return [
        chaincode_event_pb2.ChaincodeEvent(
            chaincode_id=call.chaincode, tx_id=call.transaction_id, event_name=name, payload=payload
        )
    ]
