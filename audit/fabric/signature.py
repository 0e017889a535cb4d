"""Signatures as Fabric takes them (bccsp/sw/ecdsa.go): ECDSA with low-S, read as Go's encoding/asn1 reads it.

Go passes over bytes behind the two numbers. An audit that refused those would call a transaction invalid that every
peer took, and a single client could make an honest ledger look forged.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256

ECDSA_SHA256 = ec.ECDSA(SHA256())
ORDERS = {
    "secp224r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFF16A2E0B8F03E13DD29455C5C2A3D,
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "secp521r1": 0x1FF_FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,  # noqa: E501
}
"""The order of each curve that Fabric knows; it takes no signature whose s lies above half of it."""
SEQUENCE, INTEGER = 0x30, 0x02
LONG_FORM = 0x80


class SignatureError(ValueError):
    """Bytes are no signature that Fabric takes."""


def takes(key: object) -> bool:
    """Whether a public key is of a kind that Fabric takes."""
    return isinstance(key, ed25519.Ed25519PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ORDERS
    )


def check_signature(key: object, signature: bytes, message: bytes) -> None:
    """Check a signature over `message`, for ECDSA over its SHA-256; raises SignatureError."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(_canonical(signature, ORDERS.get(key.curve.name, 0) // 2), message, ECDSA_SHA256)
        else:
            raise SignatureError("the key is of a kind that Fabric does not take")
    except InvalidSignature as error:
        raise SignatureError("it is another message's or another key's") from error


def _canonical(raw: bytes, most: int) -> bytes:
    r, s = _numbers(raw)
    if s > most:
        raise SignatureError("it is not in its canonical (low-S) form")
    return utils.encode_dss_signature(r, s)


def _numbers(raw: bytes) -> tuple[int, int]:
    body, _ = _element(SEQUENCE, raw)
    first, rest = _element(INTEGER, body)
    second, _ = _element(INTEGER, rest)
    r, s = int.from_bytes(first, "big", signed=True), int.from_bytes(second, "big", signed=True)
    for number, content in ((r, first), (s, second)):
        # A positive number in the fewest bytes that leave its sign bit clear.
        if number <= 0 or len(content) != number.bit_length() // 8 + 1:
            raise SignatureError("its numbers are not positive, or not encoded in the shortest way")
    return r, s


def _element(tag: int, raw: bytes) -> tuple[bytes, bytes]:
    """Return the content of a DER element and what follows it; raises SignatureError."""
    if len(raw) < 2 or raw[0] != tag:  # noqa: PLR2004 - a tag and a length
        raise SignatureError("it does not parse")
    size, start = raw[1], 2
    if size >= LONG_FORM:
        start += size - LONG_FORM
        size = int.from_bytes(raw[2:start], "big")
        if size < LONG_FORM or raw[2] == 0:
            raise SignatureError("it does not parse")
    if len(raw) < start + size:
        raise SignatureError("it does not parse")
    return raw[start : start + size], raw[start + size :]
