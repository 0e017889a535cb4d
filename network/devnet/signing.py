"""Signs as a peer, orderer or admin."""

from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gateway import signatures
from gateway.encoding import serialized_identity


class SigningIdentity:
    """A certificate with its key."""

    def __init__(self, msp_id: str, certificate: bytes, key: bytes) -> None:
        self.msp_id = msp_id
        self.certificate = certificate
        self.serialized = serialized_identity(msp_id, certificate)
        private = serialization.load_pem_private_key(key, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise TypeError("only ECDSA and Ed25519 keys sign on a Fabric channel")
        self._key = private

    @classmethod
    def load(cls, msp_id: str, msp: Path) -> Self:
        """Read an identity from its MSP folder."""
        certificate = (msp / "signcerts" / "cert.pem").read_bytes()
        return cls(msp_id, certificate, (msp / "keystore" / "key.pem").read_bytes())

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
        """Return the key that its signatures are verified with."""
        return self._key.public_key()

    def sign(self, data: bytes) -> bytes:
        """Return the signature over data."""
        return signatures.sign(self._key, data)
