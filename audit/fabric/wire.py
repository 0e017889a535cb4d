"""Fabric's block bytes as typed values, and the hashes that chain them.

Facts are those of Hyperledger Fabric 3.1: the block hash covers the ASN.1 encoding of number, previous hash and
data hash; the data hash covers the joined envelopes.
"""

import json
from base64 import b64decode
from contextlib import suppress
from hashlib import sha256
from typing import Any, TypeVar

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError, Message

SIGNATURES, LAST_CONFIG, TRANSACTIONS_FILTER, ORDERER, COMMIT_HASH = range(5)
DER_LONG_FORM = 0x80
BEGIN, END = b"-----BEGIN ", b"\n-----END "
Version = tuple[int, int]
"""The block number and the transaction's index that wrote a key."""


M = TypeVar("M", bound=Message)


class WireError(ValueError):
    """Bytes that should be a Fabric message are not one."""


def decode(kind: type[M], raw: bytes, what: str) -> M:
    """Parse `raw` as a message of `kind`; raises WireError naming `what`."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise WireError(f"{what} is not a {kind.DESCRIPTOR.full_name}") from error


def header_bytes(header: common_pb2.BlockHeader) -> bytes:
    """Return the DER bytes that a block's hash and its orderers' signatures cover."""
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")
    body = _der(0x02, number) + _der(0x04, header.previous_hash) + _der(0x04, header.data_hash)
    return _der(0x30, body)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < DER_LONG_FORM:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, DER_LONG_FORM | len(length)]) + length + content


def header_hash(header: common_pb2.BlockHeader) -> bytes:
    """Return the hash that the next block must name as its previous hash."""
    return sha256(header_bytes(header)).digest()


def hash_of(raw: bytes) -> str:
    """Return the hash of a block's bytes in hex; raises WireError where they are none."""
    return header_hash(decode(common_pb2.Block, raw, "block").header).hex()


def data_hash(data: common_pb2.BlockData) -> bytes:
    """Return the hash over a block's envelopes that its header must carry."""
    return sha256(b"".join(data.data)).digest()


def read_json(raw: bytes | str) -> Any:
    """Parse JSON that others wrote; raises WireError, however deep or long it is."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise WireError("it is not JSON") from error


def first_block(pem: bytes) -> bytes:
    """Return the content of the first PEM block that can be read, whatever it calls itself; raises ValueError.

    Fabric's peers and the rules take that one (Go: pem.Decode). Whoever takes another sees another creator than they.
    """
    end = -1
    while (end := pem.find(END, end + 1)) >= 0:
        start = pem.rfind(BEGIN, 0, end)
        if start < 0 or pem[start - 1 : start] not in {b"", b"\n"}:
            continue
        label, *body = (line.rstrip() for line in pem[start + len(BEGIN) : end].split(b"\n"))
        after = pem[end + len(END) :].partition(b"\n")[0].rstrip()
        if not label.endswith(b"-----") or after != label:
            continue
        while body and b":" in body[0]:  # headers
            del body[0]
        with suppress(ValueError):
            return b64decode(b"".join(b"".join(body).split()), validate=True)
    raise ValueError("it is not PEM")


def metadata(block: common_pb2.Block, index: int) -> common_pb2.Metadata:
    """Return one of a block's signed metadata entries; empty where the block has none."""
    entries = block.metadata.metadata
    return decode(common_pb2.Metadata, entries[index] if index < len(entries) else b"", "block metadata")


def check_envelopes(block: common_pb2.Block) -> None:
    """Check that a block's envelopes can be cut in no other way; raises WireError.

    The data hash covers them joined, without their lengths: two joined envelopes parse as the second alone, and the
    hash and every signature still hold (Fabric: protoutil.VerifyTransactionsAreWellFormed).
    """
    if not block.data.data:
        raise WireError("the block is empty")
    for index, raw in enumerate(block.data.data):
        envelope = decode(common_pb2.Envelope, raw, "envelope")
        signed = envelope.signature or block.header.number == 0
        if not envelope.payload or not signed or envelope.SerializeToString() != raw:
            raise WireError(f"envelope {index} is not one payload and one signature")


def recorded_flags(block: common_pb2.Block) -> bytes:
    """Return the validation codes that the peer recorded, a byte a transaction."""
    entries = block.metadata.metadata
    return bytes(entries[TRANSACTIONS_FILTER]) if len(entries) > TRANSACTIONS_FILTER else b""
