"""Raw blocks, read as an outsider would: nothing here trusts what a peer says about them."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2

from gateway import Gateway, ValidationCode
from tests.contract.harness.wire import Endorsed, verify
from tests.waiting import PATIENCE_S


@dataclass(frozen=True)
class Recorded:
    """One transaction of a block."""

    transaction_id: str
    code: ValidationCode
    kind: int
    envelope: Any

    @property
    def endorsed(self) -> Endorsed:
        """The transaction taken apart."""
        return Endorsed.of_envelope(self.envelope)


def transactions(block: Any) -> list[Recorded]:
    """The transactions of a block with their validation codes."""
    codes = block.metadata.metadata[common_pb2.BlockMetadataIndex.TRANSACTIONS_FILTER]
    envelopes = [common_pb2.Envelope.FromString(raw) for raw in block.data.data]
    headers = [
        common_pb2.ChannelHeader.FromString(common_pb2.Payload.FromString(e.payload).header.channel_header)
        for e in envelopes
    ]
    return [
        Recorded(header.tx_id, ValidationCode(code), header.type, envelope)
        for header, code, envelope in zip(headers, codes, envelopes, strict=True)
    ]


def header_bytes(header: Any) -> bytes:
    """The DER form of a block header that is hashed: SEQUENCE of number, previous hash, data hash."""
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")
    parts = [_der(2, number), _der(4, header.previous_hash), _der(4, header.data_hash)]
    return _der(0x30, b"".join(parts))


def header_hash(header: Any) -> bytes:
    """The hash that the next block carries."""
    return hashlib.sha256(header_bytes(header)).digest()


def data_hash(block: Any) -> bytes:
    """The hash of a block's transactions."""
    return hashlib.sha256(b"".join(block.data.data)).digest()


def commit_hash(block: Any) -> bytes:
    """The peer's running hash of what it committed."""
    raw = block.metadata.metadata[common_pb2.BlockMetadataIndex.COMMIT_HASH]
    value: bytes = common_pb2.Metadata.FromString(raw).value
    return value


def certificate_of(creator: bytes) -> tuple[str, x509.Certificate]:
    """MSP id and certificate of a serialized identity."""
    identity = identities_pb2.SerializedIdentity.FromString(creator)
    return identity.mspid, x509.load_pem_x509_certificate(identity.id_bytes)


def units_of(creator: bytes) -> list[str]:
    """Organisational units in the certificate of a serialized identity."""
    _, certificate = certificate_of(creator)
    found = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return [str(unit.value) for unit in found]


def verify_signed(creator: bytes, message: bytes, signature: bytes) -> str:
    """Check a signature by a serialized identity and return its MSP id."""
    msp_id, certificate = certificate_of(creator)
    verify(certificate.public_key(), signature, hashlib.sha256(message).digest())
    return msp_id


async def blocks_up_to(gateway: Gateway, channel: str, last: int, start: int = 0) -> list[Any]:
    """The blocks start … last."""
    found: list[Any] = []
    async with (
        asyncio.timeout(PATIENCE_S),
        gateway.network(channel).block_events(start_block=start) as stream,
    ):
        async for block in stream:
            found.append(block)
            if block.header.number >= last:
                return found
    raise AssertionError("the stream ended")


async def block_of(gateway: Gateway, channel: str, number: int) -> Any:
    """One block."""
    (block,) = await blocks_up_to(gateway, channel, number, number)
    return block


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content
