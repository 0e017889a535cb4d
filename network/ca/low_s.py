"""Certificates as Fabric compares them: with the lower s in an ECDSA signature.

Fabric rewrites a certificate whose signature has the higher s before it compares bytes (msp/cert.go). Who keeps it in
that form meets no surprise; the certificate stays good, whoever verifies it.
"""

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import signatures

_SEQUENCE, _BIT_STRING, _LONG_FORM = 0x30, 0x03, 0x80


def in_low_s(certificate: x509.Certificate, issuer: x509.Certificate) -> x509.Certificate:
    """Return a certificate with the lower s in its issuer's signature; as it is where it has it, or is none of ECDSA.

    Raises:
        SignatureError: the signature is of another kind than the issuer's key.
    """
    key = issuer.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in signatures.ORDERS:
        return certificate
    if signatures.has_low_s(certificate.signature, key.curve.name):
        return certificate
    signed, end = certificate.tbs_certificate_bytes, _bits(certificate.signature)
    whole = certificate.public_bytes(serialization.Encoding.DER)
    algorithm = whole[whole.index(signed) + len(signed) : -len(end)]
    lower = _bits(signatures.low_s(certificate.signature, key.curve.name))
    return x509.load_der_x509_certificate(_element(_SEQUENCE, signed + algorithm + lower))


def _bits(signature: bytes) -> bytes:
    return _element(_BIT_STRING, b"\0" + signature)  # no bit of the last byte is unused


def _element(tag: int, content: bytes) -> bytes:
    """Return a DER element."""
    size = len(content)
    if size < _LONG_FORM:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM | len(length)]) + length + content
