"""Identities, transaction ids and messages as Fabric writes them into bytes."""

import base64
import hashlib
from typing import Any

from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

_BEGIN, _END, _DASHES = b"-----BEGIN ", b"\n-----END ", b"-----"
_BLANKS = b" \t\r\n"


def parse(message_type: Any, raw: bytes) -> Any:
    """Return the decoded message.

    Raises:
        ValueError: the bytes are no such message.
    """
    try:
        return message_type.FromString(raw)
    except DecodeError as error:
        raise ValueError(f"the bytes are no {message_type.DESCRIPTOR.full_name}") from error


def sha256(message: bytes) -> bytes:
    """Return the SHA-256 digest (32 bytes)."""
    return hashlib.sha256(message).digest()


def transaction_id(nonce: bytes, creator: bytes) -> str:
    """Return the transaction id that a nonce and its creator (msp.SerializedIdentity) determine."""
    return sha256(nonce + creator).hex()


def serialized_identity(msp_id: str, certificate: bytes) -> bytes:
    """Return an organisation's certificate (PEM) as it stands in headers and endorsements (msp.SerializedIdentity)."""
    identity = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=certificate)
    raw: bytes = identity.SerializeToString(deterministic=True)
    return raw


def pem_content(text: bytes) -> bytes:
    """Return the content of the first PEM block that can be read, whatever its label, as Fabric does (Go: pem.Decode).

    Raises:
        ValueError: there is none.
    """
    rest = text
    while _END in rest:
        before, rest = rest.split(_END, 1)
        _, marker, block = (b"\n" + before).rpartition(b"\n" + _BEGIN)
        label, *lines = block.split(b"\n")
        label, closing = label.rstrip(_BLANKS), rest.split(b"\n", 1)[0].rstrip(_BLANKS)
        if not marker or not label.endswith(_DASHES) or closing != label:
            continue
        content = _decoded(lines)
        if content is not None:
            return content
    raise ValueError("there is no PEM block")


def _decoded(lines: list[bytes]) -> bytes | None:
    """Return what the lines of a PEM block say, without its headers; None if they are not base64."""
    while lines and b":" in lines[0]:
        del lines[0]
    try:
        return base64.b64decode(b"".join(lines).translate(None, _BLANKS), validate=True)
    except ValueError:
        return None
