"""An identity's key: made once, kept, never replaced; requests for its certificate; PEM."""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import Signer
from gateway.signatures import digest_signer
from network import codes
from network.ca.hsm import TokenKey, TokenReference
from network.errors import NetworkError
from network.files import write_new


def create_key(path: Path, *, synced: bool = False) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key at a path, created with mode 0600 if there is none.

    Where the file names a key in a token, that one is made there unless the token has it.
    """
    if path.exists():
        reference = TokenReference.read(path.read_bytes())
        return TokenKey(reference, create=True) if reference else load_key(path)
    key = ec.generate_private_key(ec.SECP256R1())
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_new(path, encoded, mode=0o600, synced=synced)
    return load_key(path)


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key at a path, or in the token that the file names.

    Raises:
        NetworkError: FL1013 if it is no key on an elliptic curve in PEM, FL1095 if a token cannot be used.
    """
    try:
        content = path.read_bytes()
        reference = TokenReference.read(content)
        key = TokenKey(reference) if reference else serialization.load_pem_private_key(content, password=None)
    except (OSError, ValueError, TypeError):
        raise NetworkError(codes.KEY_DAMAGED, "this is not a readable private key", where=str(path)) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NetworkError(codes.KEY_DAMAGED, "this is not an elliptic-curve key", where=str(path))
    return key


def signer_of(content: bytes) -> Signer:
    """Return who signs with what a key's file holds: a key in PEM, or which key of a token.

    Raises:
        ValueError: the key cannot be read or is of a kind that Fabric does not take.
        NetworkError: FL1095 if the token cannot be used, FL1096 without the package for tokens.
    """
    reference = TokenReference.read(content)
    return Signer(sign=digest_signer(TokenKey(reference))) if reference else Signer.from_pem(content)


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def request(name: x509.Name, key: ec.EllipticCurvePrivateKey, extensions: Sequence[x509.ExtensionType] = ()) -> bytes:
    """Return a PKCS#10 request in PEM for a name, signed with the key that is to be certified."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
