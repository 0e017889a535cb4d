"""The bytes of the Fabric protocol: what is signed, what is sent, what an answer means. No input or output."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from .encoding import parse, transaction_id

Octets = bytes
"""Plain bytes, for classes where the name `bytes` is a property."""

_NONCE_BYTES = 24
_FOR_EVER = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of a chaincode function, as a proposal carries it."""

    channel: str
    chaincode: str
    arguments: tuple[bytes, ...]
    transient: Mapping[str, bytes] = field(default_factory=dict)
    endorsing_organizations: tuple[str, ...] = ()


def propose(invocation: Invocation, creator: bytes) -> tuple[str, bytes]:
    """Return a transaction id, SHA-256(nonce ‖ creator) for a fresh nonce, and the peer.Proposal of that id to sign."""
    nonce = os.urandom(_NONCE_BYTES)
    identifier = transaction_id(nonce, creator)
    chaincode_id = chaincode_pb2.ChaincodeID(name=invocation.chaincode)
    header = common_pb2.Header(
        channel_header=common_pb2.ChannelHeader(
            type=common_pb2.ENDORSER_TRANSACTION,
            channel_id=invocation.channel,
            tx_id=identifier,
            timestamp=_now(),
            extension=proposal_pb2.ChaincodeHeaderExtension(chaincode_id=chaincode_id).SerializeToString(),
        ).SerializeToString(),
        signature_header=_signature_header(creator, nonce),
    )
    specification = chaincode_pb2.ChaincodeInvocationSpec(
        chaincode_spec=chaincode_pb2.ChaincodeSpec(
            chaincode_id=chaincode_id, input=chaincode_pb2.ChaincodeInput(args=invocation.arguments)
        )
    )
    payload = proposal_pb2.ChaincodeProposalPayload(
        input=specification.SerializeToString(), TransientMap=invocation.transient
    )
    proposal = proposal_pb2.Proposal(
        header=header.SerializeToString(), payload=payload.SerializeToString(deterministic=True)
    )
    return identifier, _bytes(proposal)


def channel_of_proposal(proposal_bytes: bytes) -> str:
    """Return the channel of a proposal."""
    header = parse(common_pb2.Header, parse(proposal_pb2.Proposal, proposal_bytes).header)
    return _channel(header)


def read_envelope(payload_bytes: bytes) -> tuple[str, bytes]:
    """Return channel and result of an endorsed transaction.

    Raises:
        ValueError: the bytes are no endorsed transaction.
    """
    payload = parse(common_pb2.Payload, payload_bytes)
    transaction = parse(transaction_pb2.Transaction, payload.data)
    if len(transaction.actions) != 1:
        raise ValueError(f"an endorsed transaction has one action, this one has {len(transaction.actions)}")
    action = parse(transaction_pb2.ChaincodeActionPayload, transaction.actions[0].payload).action
    response = parse(proposal_response_pb2.ProposalResponsePayload, action.proposal_response_payload)
    result: bytes = parse(proposal_pb2.ChaincodeAction, response.extension).response.payload
    return _channel(payload.header), result


def commit_status_request(channel: str, transaction_id: str, creator: bytes) -> bytes:
    """Return the gateway.CommitStatusRequest to sign."""
    request = gateway_pb2.CommitStatusRequest(transaction_id=transaction_id, channel_id=channel, identity=creator)
    return _bytes(request)


def chaincode_events_request(
    channel: str, chaincode: str, creator: bytes, start_block: int | None, after_transaction_id: str | None
) -> bytes:
    """Return the gateway.ChaincodeEventsRequest to sign; without a start block events begin with the next block."""
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id=channel,
        chaincode_id=chaincode,
        identity=creator,
        start_position=_seek(start_block),
        after_transaction_id=after_transaction_id or "",
    )
    return _bytes(request)


def deliver_payload(
    channel: str, creator: bytes, tls_certificate_hash: bytes, start_block: int | None, *, newest_only: bool = False
) -> bytes:
    """Return the common.Payload to sign that asks a peer for blocks, for ever or for the newest alone."""
    newest = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
    forever = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=_FOR_EVER))
    seek = ab_pb2.SeekInfo(start=newest if newest_only else _seek(start_block), stop=newest if newest_only else forever)
    header = common_pb2.Header(
        channel_header=common_pb2.ChannelHeader(
            type=common_pb2.HeaderType.DELIVER_SEEK_INFO,
            channel_id=channel,
            timestamp=_now(),
            tls_cert_hash=tls_certificate_hash,
        ).SerializeToString(),
        signature_header=_signature_header(creator, os.urandom(_NONCE_BYTES)),
    )
    return _bytes(common_pb2.Payload(header=header, data=seek.SerializeToString()))


def _seek(start_block: int | None) -> Any:
    if start_block is None:
        return ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=start_block))


def _signature_header(creator: bytes, nonce: bytes) -> bytes:
    return _bytes(common_pb2.SignatureHeader(creator=creator, nonce=nonce))


def _channel(header: Any) -> str:
    channel: str = parse(common_pb2.ChannelHeader, header.channel_header).channel_id
    return channel


def _now() -> Timestamp:
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)


def _bytes(message: Any) -> bytes:
    raw: bytes = message.SerializeToString()
    return raw
