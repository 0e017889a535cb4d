"""What is signed of a message: its digest, or the message itself. Whoever signs elsewhere has to know which.

Fabric checks ECDSA signatures over SHA-256 and Ed25519 signatures over the message, as long as nobody has set another
`SignatureHashFamily` in the MSP; the others are for keys and organisations of which that is not true.
"""

import hashlib
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from .encoding import sha256

__all__ = ["Digest", "none", "of_certificate", "sha3_256", "sha3_384", "sha256", "sha384"]

Digest = Callable[[bytes], bytes]


def none(message: bytes) -> bytes:
    """Return the message itself, which is what Ed25519 signs."""
    return message


def sha384(message: bytes) -> bytes:
    """Return the SHA-384 digest (48 bytes)."""
    return hashlib.sha384(message).digest()


def sha3_256(message: bytes) -> bytes:
    """Return the SHA3-256 digest (32 bytes)."""
    return hashlib.sha3_256(message).digest()


def sha3_384(message: bytes) -> bytes:
    """Return the SHA3-384 digest (48 bytes)."""
    return hashlib.sha3_384(message).digest()


def of_certificate(pem: bytes) -> Digest:
    """Return what Fabric checks signatures of a certificate's key over; SHA-256 where the certificate is unreadable."""
    try:
        key = x509.load_pem_x509_certificate(pem).public_key()
    except ValueError:
        return sha256
    return none if isinstance(key, ed25519.Ed25519PublicKey) else sha256
