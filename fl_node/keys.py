"""The hash by which the ledger binds a participant to its certificate."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def public_key_hash(certificate_pem: bytes) -> str:
    """Return the SHA-256 of a certificate's SubjectPublicKeyInfo, hex."""
    key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
