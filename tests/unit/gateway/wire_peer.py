"""A small peer on the wire: TLS, official messages, every signature checked, one block a transaction.

It shares no code with the client. What the chaincode does, and what goes wrong, is up to the test.
"""

import asyncio
import hashlib
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    events_pb2,
    events_pb2_grpc,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from google.rpc import status_pb2

VALID = 0
ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}


@dataclass
class Call:
    """What reached the chaincode."""

    kind: str
    transaction_id: str
    channel: str
    chaincode: str
    args: list[bytes]
    transient: dict[str, bytes]
    organizations: list[str]
    creator: Any


@dataclass
class Failure:
    """What the test wants a call to fail with."""

    code: grpc.StatusCode
    message: str = "made to fail"
    details: tuple[tuple[str, str, str], ...] = ()
    after: bool = False  # the call does its work before it fails


@dataclass
class Peer(gateway_pb2_grpc.GatewayServicer, events_pb2_grpc.DeliverServicer):
    """One peer of one organisation."""

    chaincode: Callable[[Call], bytes] = lambda call: b"|".join(call.args)
    failures: dict[str, deque[Any]] = field(default_factory=dict)
    codes: deque[int] = field(default_factory=deque)  # validation codes of the next transactions
    calls: list[Call] = field(default_factory=list)
    envelopes: list[bytes] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=lambda: [stored(0)])
    statuses: dict[str, tuple[int, int]] = field(default_factory=dict)
    cut_after: deque[int] = field(default_factory=deque)  # responses until each of the next streams is cut
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)  # what each method was last called with
    callers: set[str] = field(default_factory=set)  # one for each connection
    delivers: list[common_pb2.Payload] = field(default_factory=list)

    def fail(self, method: str, *failures: Any) -> None:
        self.failures.setdefault(method, deque()).extend(failures)

    async def Endorse(self, request, context):  # noqa: N802
        failure = await self._enter("Endorse", context)
        call = read_proposal("endorse", request.transaction_id, request.channel_id, request.proposed_transaction)
        call.organizations = list(request.endorsing_organizations)
        self.calls.append(call)
        proposal = proposal_pb2.Proposal.FromString(request.proposed_transaction.proposal_bytes)
        envelope = prepared(proposal, self.chaincode(call))
        await self._leave(failure, context)
        return gateway_pb2.EndorseResponse(prepared_transaction=envelope)

    async def Evaluate(self, request, context):  # noqa: N802
        failure = await self._enter("Evaluate", context)
        call = read_proposal("evaluate", request.transaction_id, request.channel_id, request.proposed_transaction)
        call.organizations = list(request.target_organizations)
        self.calls.append(call)
        response = gateway_pb2.EvaluateResponse(result={"status": 200, "payload": self.chaincode(call)})
        await self._leave(failure, context)
        return response

    async def Submit(self, request, context):  # noqa: N802
        self.envelopes.append(request.prepared_transaction.SerializeToString())
        failure = await self._enter("Submit", context)
        envelope = request.prepared_transaction
        payload = common_pb2.Payload.FromString(envelope.payload)
        verify_header(payload.header.signature_header, envelope.payload, envelope.signature)
        await self.commit(request.transaction_id, envelope)
        await self._leave(failure, context)
        return gateway_pb2.SubmitResponse()

    async def commit(self, transaction_id, envelope):
        code = self.codes.popleft() if self.codes else VALID
        self.statuses.setdefault(transaction_id, (code, len(self.blocks)))
        events = [event(transaction_id)] if code == VALID else []
        await self.append(events, [envelope.SerializeToString()], code, transaction_id)

    async def append(self, events, envelopes=(), code=VALID, transaction_id=""):
        async with self.grown:
            self.blocks.append(stored(len(self.blocks), envelopes, code, events, transaction_id))
            self.grown.notify_all()

    async def CommitStatus(self, request, context):  # noqa: N802
        failure = await self._enter("CommitStatus", context)
        inner = gateway_pb2.CommitStatusRequest.FromString(request.request)
        verify(inner.identity, request.request, request.signature)
        async with self.grown:
            await self.grown.wait_for(lambda: inner.transaction_id in self.statuses)
        await self._leave(failure, context)
        code, number = self.statuses[inner.transaction_id]
        return gateway_pb2.CommitStatusResponse(result=code, block_number=number)

    async def ChaincodeEvents(self, request, context):  # noqa: N802
        await self._enter("ChaincodeEvents", context)
        inner = gateway_pb2.ChaincodeEventsRequest.FromString(request.request)
        verify(inner.identity, request.request, request.signature)
        seek = inner.start_position
        number = seek.specified.number if seek.WhichOneof("Type") == "specified" else len(self.blocks)
        passed = not inner.after_transaction_id
        async for candidate in self._blocks(number):
            events = []
            for announced in candidate.events:
                if passed and announced.chaincode_id == inner.chaincode_id:
                    events.append(announced)
                passed = passed or announced.tx_id == inner.after_transaction_id
            if events:
                yield gateway_pb2.ChaincodeEventsResponse(events=events, block_number=candidate.block.header.number)

    async def Deliver(self, request_iterator, context):  # noqa: N802
        async for response in self._deliver("Deliver", request_iterator, context):
            yield response

    async def DeliverFiltered(self, request_iterator, context):  # noqa: N802
        async for response in self._deliver("DeliverFiltered", request_iterator, context):
            yield response

    async def DeliverWithPrivateData(self, request_iterator, context):  # noqa: N802
        async for response in self._deliver("DeliverWithPrivateData", request_iterator, context):
            yield response

    async def _deliver(self, method, request_iterator, context):
        failure = await self._enter(method, context)
        envelope = await anext(aiter(request_iterator))
        payload = common_pb2.Payload.FromString(envelope.payload)
        self.delivers.append(payload)
        verify_header(payload.header.signature_header, envelope.payload, envelope.signature)
        if isinstance(failure, int):
            yield events_pb2.DeliverResponse(status=failure)
            return
        seek = ab_pb2.SeekInfo.FromString(payload.data)
        if seek.start.WhichOneof("Type") == "newest":
            yield delivered(method, self.blocks[-1])
            yield events_pb2.DeliverResponse(status=common_pb2.Status.SUCCESS)
            return
        async for candidate in self._blocks(seek.start.specified.number):
            yield delivered(method, candidate)

    async def _blocks(self, number):
        numbers = itertools.count(number)
        if self.cut_after:
            numbers = itertools.islice(numbers, self.cut_after.popleft())
        for wanted in numbers:
            async with self.grown:
                while wanted >= len(self.blocks):
                    await self.grown.wait()
            yield self.blocks[wanted]

    async def _enter(self, method, context):
        self.requests.append(method)
        self.callers.add(context.peer())
        self.metadata[method] = dict(context.invocation_metadata())
        self.entered.set()
        waiting = self.failures.get(method)
        failure = waiting.popleft() if waiting else None
        if isinstance(failure, float):
            await asyncio.sleep(failure)
        if isinstance(failure, Failure) and not failure.after:
            await abort(failure, context)
        return failure

    async def _leave(self, failure, context):
        if isinstance(failure, Failure):
            await abort(failure, context)


async def abort(failure, context):
    status = status_pb2.Status(code=failure.code.value[0], message=failure.message)
    for address, msp_id, message in failure.details:
        status.details.add().Pack(gateway_pb2.ErrorDetail(address=address, msp_id=msp_id, message=message))
    trailer = (("grpc-status-details-bin", status.SerializeToString()),) if failure.details else ()
    await context.abort(failure.code, failure.message, trailer)


def read_proposal(kind, transaction_id, channel, signed):
    proposal = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
    header = common_pb2.Header.FromString(proposal.header)
    channel_header = common_pb2.ChannelHeader.FromString(header.channel_header)
    signature_header = verify_header(header.signature_header, signed.proposal_bytes, signed.signature)
    derived = hashlib.sha256(signature_header.nonce + signature_header.creator).hexdigest()
    assert transaction_id == channel_header.tx_id == derived
    assert channel == channel_header.channel_id
    assert channel_header.type == common_pb2.HeaderType.ENDORSER_TRANSACTION
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
    spec = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec
    extension = proposal_pb2.ChaincodeHeaderExtension.FromString(channel_header.extension)
    assert spec.chaincode_id.name == extension.chaincode_id.name
    creator = identities_pb2.SerializedIdentity.FromString(signature_header.creator)
    return Call(
        kind,
        transaction_id,
        channel,
        spec.chaincode_id.name,
        list(spec.input.args),
        dict(payload.TransientMap),
        [],
        creator,
    )


def prepared(proposal, result):
    header = common_pb2.Header.FromString(proposal.header)
    response = proposal_response_pb2.ProposalResponsePayload(
        extension=proposal_pb2.ChaincodeAction(response={"status": 200, "payload": result}).SerializeToString()
    )
    action = transaction_pb2.ChaincodeEndorsedAction(proposal_response_payload=response.SerializeToString())
    transaction = transaction_pb2.Transaction(
        actions=[
            transaction_pb2.TransactionAction(
                header=header.signature_header,
                payload=transaction_pb2.ChaincodeActionPayload(action=action).SerializeToString(),
            )
        ]
    )
    payload = common_pb2.Payload(header=header, data=transaction.SerializeToString())
    return common_pb2.Envelope(payload=payload.SerializeToString())


def verify_header(signature_header, message, signature):
    header = common_pb2.SignatureHeader.FromString(signature_header)
    assert len(header.nonce) == 24
    verify(header.creator, message, signature)
    return header


def verify(creator, message, signature):
    identity = identities_pb2.SerializedIdentity.FromString(creator)
    key = x509.load_pem_x509_certificate(identity.id_bytes).public_key()
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
        return
    key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    _, s = utils.decode_dss_signature(signature)
    assert s <= ORDERS[key.curve.name] // 2, f"high s on {key.curve.name}"


@dataclass
class Stored:
    """A block and the events of its transactions."""

    block: common_pb2.Block
    events: list[Any]
    transaction_id: str = ""
    code: int = VALID


def stored(number, envelopes=(), code=VALID, events=(), transaction_id=""):
    return Stored(
        common_pb2.Block(
            header=common_pb2.BlockHeader(number=number),
            data=common_pb2.BlockData(data=envelopes),
            metadata=common_pb2.BlockMetadata(metadata=[b"", b"", bytes([code])]),
        ),
        list(events),
        transaction_id,
        code,
    )


def event(transaction_id, name="Done", payload=b"", chaincode="basic"):
    return chaincode_event_pb2.ChaincodeEvent(
        chaincode_id=chaincode, tx_id=transaction_id, event_name=name, payload=payload
    )


def delivered(method, candidate):
    if method == "Deliver":
        return events_pb2.DeliverResponse(block=candidate.block)
    if method == "DeliverWithPrivateData":
        pair = events_pb2.BlockAndPrivateData(block=candidate.block)
        pair.private_data_map[0].ns_pvt_rwset.add(namespace="basic")
        return events_pb2.DeliverResponse(block_and_private_data=pair)
    filtered = events_pb2.FilteredBlock(channel_id="channel", number=candidate.block.header.number)
    if candidate.transaction_id:
        filtered.filtered_transactions.add(txid=candidate.transaction_id, tx_validation_code=candidate.code)
    return events_pb2.DeliverResponse(filtered_block=filtered)


def half_closed_events(peer):
    """Take the one request for events only once the client has ended its side, as servers in Go do."""

    async def events(request_iterator, context):
        (request,) = [request async for request in request_iterator]
        async for response in peer.ChaincodeEvents(request, context):
            yield response

    handler = grpc.stream_stream_rpc_method_handler(
        events,
        request_deserializer=gateway_pb2.SignedChaincodeEventsRequest.FromString,
        response_serializer=gateway_pb2.ChaincodeEventsResponse.SerializeToString,
    )
    return {"ChaincodeEvents": handler}


@dataclass
class Registrar:
    """Registers what the generated code gives it, with some methods replaced."""

    server: Any
    replaced: dict[str, Any]

    def add_generic_rpc_handlers(self, handlers):
        """Leave it to the registered methods."""

    def add_registered_method_handlers(self, service, handlers):
        methods = {**handlers, **self.replaced}
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))


async def serve(peer, credentials=None, address="127.0.0.1:0"):
    """Start the peer and return its server and port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    gateway_pb2_grpc.add_GatewayServicer_to_server(peer, Registrar(server, half_closed_events(peer)))
    events_pb2_grpc.add_DeliverServicer_to_server(peer, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    return server, port
