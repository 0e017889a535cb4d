"""A DSSE envelope (github.com/secure-systems-lab/dsse, version 1) with an in-toto statement, and who signed it."""

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedledger_passport import codes
from fedledger_passport.errors import PassportError
from fedledger_passport.strict import canonical, parse

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
HALF_ORDER: Final = ec.SECP256R1().group_order // 2
MAX_SIGNATURES: Final = 128
FIELDS: Final = {"keyid", "sig", "cert"}


@dataclass(frozen=True)
class Signature:
    """One signature of an envelope: ECDSA on P-256 in DER, and the certificate of its key."""

    signature: bytes
    certificate: x509.Certificate

    def check(self, payload: bytes, where: str) -> None:
        """Check that it is over the payload; FL6007. Of the two forms that ECDSA has, only the one with the lower s."""
        key = self.certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise PassportError(codes.SIGNATURE_WRONG, "the key is none of P-256", where=where)
        try:
            _, s = utils.decode_dss_signature(self.signature)
            key.verify(self.signature, encoded(payload), ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            text = "the signature is another's, or of another statement"
            raise PassportError(codes.SIGNATURE_WRONG, text, where=where) from None
        if s > HALF_ORDER:
            raise PassportError(codes.SIGNATURE_WRONG, "the signature has the higher s", where=where)


@dataclass(frozen=True)
class Envelope:
    """A statement as it was signed, and its signatures in their order."""

    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of the payload, hex: the passport's name."""
        return sha256(self.payload).hexdigest()

    @property
    def statement(self) -> dict[str, Any]:
        """What the payload says; FL6001 where it is no JSON object."""
        try:
            found = parse(self.payload)
        except ValueError as error:
            raise PassportError(codes.NOT_A_PASSPORT, f"the payload is no statement: {error}") from None
        if not isinstance(found, dict):
            raise PassportError(codes.NOT_A_PASSPORT, "the payload is no statement")
        return found

    @classmethod
    def read(cls, raw: bytes) -> "Envelope":
        """Read an envelope; raises PassportError, FL6001 or FL6002."""
        try:
            fields = parse(raw)
        except ValueError as error:
            raise PassportError(codes.NOT_A_PASSPORT, f"it is no JSON: {error}") from None
        if not isinstance(fields, dict) or set(fields) != {"payload", "payloadType", "signatures"}:
            raise PassportError(codes.NOT_A_PASSPORT, "it has other fields than an envelope")
        if fields["payloadType"] != PAYLOAD_TYPE:
            raise PassportError(codes.OTHER_TYPE, f"its payload is {fields['payloadType']!r:.80}")
        signatures = fields["signatures"]
        if not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES:
            raise PassportError(codes.NOT_A_PASSPORT, "its signatures are no list")
        read = tuple(_signature(one, f"signature {at}") for at, one in enumerate(signatures, 1))
        return cls(_base64(fields["payload"], "payload"), read)

    def write(self) -> bytes:
        """Return the envelope as JSON."""
        signatures = [
            {
                "keyid": key_id(one.certificate),
                "sig": base64.b64encode(one.signature).decode(),
                "cert": one.certificate.public_bytes(Encoding.PEM).decode(),
            }
            for one in self.signatures
        ]
        payload = base64.b64encode(self.payload).decode()
        return canonical({"payload": payload, "payloadType": PAYLOAD_TYPE, "signatures": signatures}) + b"\n"


def encoded(payload: bytes) -> bytes:
    """Return what is hashed and signed: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def key_id(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate's SubjectPublicKeyInfo, hex, as the ledger names keys."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).hexdigest()


def _signature(fields: Any, where: str) -> Signature:
    if not isinstance(fields, dict) or set(fields) != FIELDS or not all(isinstance(v, str) for v in fields.values()):
        raise PassportError(codes.NOT_A_PASSPORT, "it does not have keyid, sig and cert", where=where)
    try:
        certificate = x509.load_pem_x509_certificate(fields["cert"].encode())
        named = key_id(certificate)
    except Exception as error:  # whatever a parser raises on bytes that others wrote
        raise PassportError(codes.NOT_A_PASSPORT, "the certificate cannot be read", where=where) from error
    if named != fields["keyid"]:
        raise PassportError(codes.SIGNATURE_WRONG, "keyid is not that of the certificate's key", where=where)
    return Signature(_base64(fields["sig"], where), certificate)


def _base64(text: Any, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise PassportError(codes.NOT_A_PASSPORT, "it is not base64", where=where) from None
