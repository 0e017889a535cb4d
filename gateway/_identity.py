"""Who signs, and how."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from . import digests
from .encoding import serialized_identity
from .signatures import digest_signer

_CURVES = ("secp256r1", "secp384r1")


@dataclass(frozen=True, slots=True)
class Identity:
    """A member of an organisation.

    Attributes:
        msp_id: the organisation's MSP id.
        certificate: the member's certificate in PEM.
    """

    msp_id: str
    certificate: bytes

    @property
    def creator(self) -> bytes:
        """The identity as it stands in every header (msp.SerializedIdentity)."""
        return serialized_identity(self.msp_id, self.certificate)

    @property
    def public_key(self) -> bytes:
        """The certificate's key (SubjectPublicKeyInfo in DER); ValueError where it cannot be read."""
        return _encoded(x509.load_pem_x509_certificate(self.certificate).public_key())


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs digests, and knows how to make them.

    A key kept elsewhere needs only `Signer(sign=function)`; ECDSA signatures are DER with the low s, which
    `signatures.low_s` and `signatures.from_raw` make of what other programs return.

    Attributes:
        sign: digest → signature.
        digest: message → digest; SHA-256 for ECDSA on any curve, the message itself for Ed25519.
        public_key: the key's public half (SubjectPublicKeyInfo in DER), which `connect` compares with the certificate;
            None where it is not known here.
    """

    sign: Callable[[bytes], bytes]
    digest: Callable[[bytes], bytes] = digests.sha256
    public_key: bytes | None = None

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> "Signer":
        """Return a signer for a private key in PEM: ECDSA P-256 or P-384, or Ed25519.

        Raises:
            ValueError: the key cannot be read or is of another kind.
        """
        try:
            key = serialization.load_pem_private_key(pem, password)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the private key cannot be read: {error}") from error
        public = _encoded(key.public_key())
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return cls(sign=key.sign, digest=digests.none, public_key=public)
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
            return cls(sign=digest_signer(key), public_key=public)
        raise ValueError("the private key is neither ECDSA P-256, ECDSA P-384 nor Ed25519")


@dataclass(frozen=True, slots=True)
class AsyncSigner:
    """Signs digests without holding up the program: `sign` is awaited; `digest` and `public_key` are as in Signer."""

    sign: Callable[[bytes], Awaitable[bytes]]
    digest: Callable[[bytes], bytes] = digests.sha256
    public_key: bytes | None = None


def _encoded(public_key: PublicKeyTypes) -> bytes:
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
