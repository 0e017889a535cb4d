"""Signs as a peer, orderer or admin: ECDSA with low S, as Fabric requires."""

from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from network.devnet import protos as p

SHA256 = ec.ECDSA(hashes.SHA256())
ORDERS = {  # of the base points, SEC 2
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}


def is_low_s(signature: bytes, curve: str) -> bool:
    """Say whether S lies in the lower half of the curve's order; ValueError if the signature is not DER."""
    _, s = decode_dss_signature(signature)
    return s <= ORDERS[curve] // 2


class SigningIdentity:
    """A certificate with its key."""

    def __init__(self, msp_id: str, certificate: bytes, key: bytes) -> None:
        self.msp_id = msp_id
        self.certificate = certificate
        self.serialized: bytes = p.identities.SerializedIdentity(mspid=msp_id, id_bytes=certificate).SerializeToString()
        private = serialization.load_pem_private_key(key, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise TypeError("only ECDSA and Ed25519 keys sign on a Fabric channel")
        self._key = private

    @classmethod
    def load(cls, msp_id: str, msp: Path) -> Self:
        """Read an identity from its MSP folder."""
        certificate = (msp / "signcerts" / "cert.pem").read_bytes()
        return cls(msp_id, certificate, (msp / "keystore" / "key.pem").read_bytes())

    def sign(self, data: bytes) -> bytes:
        """Return the signature over data."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        r, s = decode_dss_signature(self._key.sign(data, SHA256))
        return encode_dss_signature(r, min(s, ORDERS[self._key.curve.name] - s))
