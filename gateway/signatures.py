"""Signatures as Fabric makes and takes them: ECDSA over SHA-256 with the lower s, or Ed25519.

Every ECDSA signature has a twin with the same r and the order minus s. Peers refuse the twin with the higher s, so that
nobody can turn a signature into a second valid one.
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

ORDERS: Final = {
    curve.name: curve.group_order for curve in (ec.SECP224R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
}
"""The order of each curve that Fabric takes, by the curve's name in `cryptography`."""

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_SHA256 = ec.ECDSA(hashes.SHA256())
_PREHASHED = {hash_.digest_size: ec.ECDSA(utils.Prehashed(hash_)) for hash_ in (hashes.SHA256(), hashes.SHA384())}
_SEQUENCE, _INTEGER, _LONG_FORM = 0x30, 0x02, 0x80


class SignatureError(ValueError):
    """A signature is not one that Fabric takes."""


def takes(key: object) -> bool:
    """Say whether a public key is of a kind whose signatures Fabric takes (channel capability V3_0)."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in ORDERS
    return isinstance(key, ed25519.Ed25519PublicKey)


def low_s(signature: bytes, curve: str) -> bytes:
    """Return an ECDSA signature (DER) in its form with the lower s.

    Raises:
        KeyError: the curve is none of ORDERS.
        ValueError: the bytes are no signature.
    """
    r, s = utils.decode_dss_signature(signature)
    return signature if s <= ORDERS[curve] // 2 else utils.encode_dss_signature(r, ORDERS[curve] - s)


def from_raw(signature: bytes, curve: str) -> bytes:
    """Return r followed by s, both of the same length, as PKCS#11, JWS and WebCrypto write them, in DER with the low s.

    Raises:
        KeyError: the curve is none of ORDERS.
        SignatureError: the bytes are not two numbers of the curve's size.
    """
    size = (ORDERS[curve].bit_length() + 7) // 8
    if len(signature) != 2 * size:
        raise SignatureError(f"r and s of {curve} have {2 * size} bytes together, not {len(signature)}")
    r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    if not (0 < r < ORDERS[curve] and 0 < s < ORDERS[curve]):
        raise SignatureError("r or s is zero, or not below the curve's order")
    return low_s(utils.encode_dss_signature(r, s), curve)


def has_low_s(signature: bytes, curve: str) -> bool:
    """Say whether an ECDSA signature has the lower s; SignatureError if it is none that Fabric can read."""
    return read(signature)[1] <= ORDERS[curve] // 2


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Return the signature over a message."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    return low_s(key.sign(message, _SHA256), key.curve.name)


def digest_signer(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    """Return the function that signs a digest of 32 or 48 bytes."""
    return lambda digest: low_s(key.sign(digest, _PREHASHED[len(digest)]), key.curve.name)


def verify(key: object, signature: bytes, message: bytes) -> None:
    """Check a signature over a message.

    Raises:
        SignatureError: it is another's or another message's, has the higher s, or is not readable.
    """
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ORDERS:
            r, s = read(signature)
            if s > ORDERS[key.curve.name] // 2:
                raise SignatureError("S is not in the lower half of the order")
            key.verify(utils.encode_dss_signature(r, s), message, _SHA256)
        else:
            raise SignatureError("the key is of a kind that Fabric does not take")
    except InvalidSignature:
        raise SignatureError("it is not this key's signature over the message") from None


def read(signature: bytes) -> tuple[int, int]:
    """Return r and s as Fabric reads them (Go: encoding/asn1): whatever follows the two numbers is passed over.

    Raises:
        SignatureError: there are no two positive numbers in their shortest encoding.
    """
    content, _ = _element(_SEQUENCE, signature)
    first, rest = _element(_INTEGER, content)
    second, _ = _element(_INTEGER, rest)
    return _positive(first), _positive(second)


def _positive(content: bytes) -> int:
    number = int.from_bytes(content, "big", signed=True)
    if number <= 0 or len(content) != number.bit_length() // 8 + 1:
        raise SignatureError("r or s is not a positive number in its shortest encoding")
    return number


def _element(tag: int, raw: bytes) -> tuple[bytes, bytes]:
    """Return the content of the first DER element and what follows it."""
    size, start = (raw[1], 2) if len(raw) > 1 and raw[0] == tag else (_LONG_FORM, 2)
    if size > _LONG_FORM:
        start += size - _LONG_FORM
        size = int.from_bytes(raw[2:start], "big")
        if size < _LONG_FORM or raw[2] == 0:
            size = len(raw)  # a length that is not in its shortest form: none at all
    elif size == _LONG_FORM:
        size = len(raw)
    if len(raw) < start + size:
        raise SignatureError("it is not a sequence of two numbers")
    return raw[start : start + size], raw[start + size :]
