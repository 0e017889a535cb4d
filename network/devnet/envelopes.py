"""Bytes of Fabric's envelopes, proposals and blocks: what is hashed, what is signed, what lies inside what."""

import os
import time
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from gateway import encoding
from gateway.encoding import sha256
from network.devnet import protos as p

SIGNATURES = p.common.SIGNATURES
LAST_CONFIG = p.common.LAST_CONFIG
TRANSACTIONS_FILTER = p.common.TRANSACTIONS_FILTER
COMMIT_HASH = p.common.COMMIT_HASH
LONG_FORM = 0x80  # of a DER length


class MalformedError(ValueError):
    """A message that cannot be read, or lacks a part that it must have."""


class Signer(Protocol):
    """Whoever signs: serialized identity and signature."""

    serialized: bytes

    def sign(self, data: bytes) -> bytes:
        """Return the signature over data."""


def parse(message: Any, data: bytes, what: str) -> Any:
    """Return data as a message of that type; MalformedError naming `what` if it is none."""
    try:
        return encoding.parse(message, data)
    except ValueError as error:
        raise MalformedError(f"error unmarshalling {what}: {error}") from None


def _der_length(length: int) -> bytes:
    if length < LONG_FORM:
        return bytes([length])
    size = (length.bit_length() + 7) // 8
    return bytes([LONG_FORM | size]) + length.to_bytes(size, "big")


def _der(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _der_length(len(content)) + content


def header_bytes(header: Any) -> bytes:
    """Return a block header as the ASN.1 sequence that is hashed and signed (protoutil/blockutils.go)."""
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")
    return _der(0x30, _der(0x02, number) + _der(0x04, header.previous_hash) + _der(0x04, header.data_hash))


def block_hash(header: Any) -> bytes:
    """Return the hash that the next block carries as previous_hash."""
    return sha256(header_bytes(header))


def data_hash(envelopes: list[bytes]) -> bytes:
    """Return the hash over a block's transactions."""
    return sha256(b"".join(envelopes))


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """An envelope taken apart: who says what about which channel."""

    envelope: Any
    header: Any
    channel: Any
    signature: Any
    data: bytes


def open_envelope(envelope: Any) -> SignedPayload:
    """Take an envelope apart.

    Raises:
        MalformedError: a part is missing or unreadable.
    """
    payload = parse(p.common.Payload, envelope.payload, "Payload")
    if not payload.HasField("header"):
        raise MalformedError("envelope has no header")
    channel = parse(p.common.ChannelHeader, payload.header.channel_header, "ChannelHeader")
    signature = parse(p.common.SignatureHeader, payload.header.signature_header, "SignatureHeader")
    return SignedPayload(envelope, payload.header, channel, signature, payload.data)


def channel_header(kind: int, channel: str, *, seconds: float | None = None, **fields: Any) -> Any:
    """Return a channel header, stamped with the given or the current time."""
    now = time.time() if seconds is None else seconds
    stamp = Timestamp(seconds=int(now), nanos=int(now % 1 * 1e9))
    return p.common.ChannelHeader(type=kind, channel_id=channel, timestamp=stamp, **fields)


def sign_envelope(signer: Signer, header: Any, data: bytes) -> Any:
    """Return a signed envelope with a fresh nonce."""
    signature = p.common.SignatureHeader(creator=signer.serialized, nonce=os.urandom(24))
    payload = p.common.Payload(
        header=p.common.Header(
            channel_header=header.SerializeToString(), signature_header=signature.SerializeToString()
        ),
        data=data,
    ).SerializeToString()
    return p.common.Envelope(payload=payload, signature=signer.sign(payload))


def strip_transient(payload: Any) -> bytes:
    """Return the chaincode proposal payload as it goes to the ledger, without transient data."""
    stripped: bytes = p.proposal.ChaincodeProposalPayload(input=payload.input).SerializeToString()
    return stripped


def proposal_hash(header: Any, stripped_payload: bytes) -> bytes:
    """Return the hash that ties an endorsement to its proposal (protoutil/proputils.go, GetProposalHash2)."""
    return sha256(header.channel_header + header.signature_header + stripped_payload)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A signed proposal taken apart, as core/endorser/msgvalidation.go does."""

    signed: Any
    header: Any
    channel: Any
    signature: Any
    payload: Any
    chaincode: str
    input: Any

    @property
    def hash(self) -> bytes:
        """Return the proposal hash."""
        return proposal_hash(self.header, strip_transient(self.payload))


def open_proposal(signed: Any) -> Proposal:
    """Take a signed proposal apart.

    Raises:
        MalformedError: a part is missing or unreadable.
    """
    proposal = parse(p.proposal.Proposal, signed.proposal_bytes, "Proposal")
    header = parse(p.common.Header, proposal.header, "Header")
    channel = parse(p.common.ChannelHeader, header.channel_header, "ChannelHeader")
    signature = parse(p.common.SignatureHeader, header.signature_header, "SignatureHeader")
    extension = parse(p.proposal.ChaincodeHeaderExtension, channel.extension, "ChaincodeHeaderExtension")
    if not extension.HasField("chaincode_id"):
        raise MalformedError("ChaincodeHeaderExtension.ChaincodeId is nil")
    if not extension.chaincode_id.name:
        raise MalformedError("ChaincodeHeaderExtension.ChaincodeId.Name is empty")
    payload = parse(p.proposal.ChaincodeProposalPayload, proposal.payload, "ChaincodeProposalPayload")
    invocation = parse(p.chaincode.ChaincodeInvocationSpec, payload.input, "ChaincodeInvocationSpec")
    if not invocation.HasField("chaincode_spec"):
        raise MalformedError("chaincode invocation spec did not contain chaincode spec")
    if not invocation.chaincode_spec.HasField("input"):
        raise MalformedError("chaincode input did not contain any input")
    name = extension.chaincode_id.name
    return Proposal(signed, header, channel, signature, payload, name, invocation.chaincode_spec.input)
