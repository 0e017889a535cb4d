"""Who signs, and how."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from fabric_protos.msp import identities_pb2

# Group orders (SEC 2, sections 2.4.2 and 2.5.1). Peers refuse the higher of the two valid values of s, so that nobody
# can turn a signature into a second valid one.
_ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


@dataclass(frozen=True, slots=True)
class Identity:
    """A member of an organisation: the MSP id and its certificate in PEM."""

    msp_id: str
    certificate: bytes

    @property
    def creator(self) -> bytes:
        """The identity as it stands in every header (msp.SerializedIdentity)."""
        serialized: bytes = identities_pb2.SerializedIdentity(
            mspid=self.msp_id, id_bytes=self.certificate
        ).SerializeToString(deterministic=True)
        return serialized


def sha256(message: bytes) -> bytes:
    """Return the digest that an MSP with ECDSA identities expects to be signed, whatever the curve."""
    return hashlib.sha256(message).digest()


def no_hash(message: bytes) -> bytes:
    """Return the message itself, which is what Ed25519 signs."""
    return message


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs digests, and knows how to make them.

    A key kept elsewhere needs only `Signer(sign=function)`; ECDSA signatures are DER with the low s.

    Attributes:
        sign: digest → signature.
        digest: message → digest; SHA-256 for ECDSA on any curve, the message itself for Ed25519.
    """

    sign: Callable[[bytes], bytes]
    digest: Callable[[bytes], bytes] = sha256

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
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return cls(sign=key.sign, digest=no_hash)
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _ORDERS:
            return cls(sign=_low_s(key))
        raise ValueError("the private key is neither ECDSA P-256, ECDSA P-384 nor Ed25519")


def _low_s(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    order = _ORDERS[key.curve.name]

    def sign(digest: bytes) -> bytes:
        signature = key.sign(digest, _PREHASHED)
        r, s = utils.decode_dss_signature(signature)
        return signature if s <= order // 2 else utils.encode_dss_signature(r, order - s)

    return sign
