"""The token by which a Fabric CA knows who asks: a certificate and its signature over the whole request.

Source: Fabric CA 1.4 and later, util.CreateToken and VerifyToken.
"""

import base64

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import signatures
from network.chains import UNREADABLE

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts to which a secret may go without TLS."""


class TokenError(ValueError):
    """A token is no certificate with its signature over the request."""


def token(method: str, path: str, body: bytes, certificate: bytes, key: ec.EllipticCurvePrivateKey) -> str:
    """Return the token of a request.

    Args:
        method: of HTTP, in capitals.
        path: of the request, with its query.
        body: the bytes that are sent.
        certificate: the asker's, in PEM.
        key: that of the certificate.
    """
    encoded = _encoded(certificate)
    return f"{encoded}.{_encoded(signatures.sign(key, _signed(method, path, body, encoded)))}"


def verified(header: str, method: str, path: str, body: bytes) -> x509.Certificate:
    """Return the certificate of a token that belongs to a request; TokenError if it does not."""
    encoded, _, signature = header.partition(".")
    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(encoded, validate=True))
        raw = base64.b64decode(signature, validate=True)
        signatures.verify(certificate.public_key(), raw, _signed(method, path, body, encoded))
    except UNREADABLE as error:  # a SignatureError is a ValueError
        raise TokenError(str(error)) from None
    return certificate


def _signed(method: str, path: str, body: bytes, certificate: str) -> bytes:
    return f"{method}.{_encoded(path.encode())}.{_encoded(body)}.{certificate}".encode()


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
