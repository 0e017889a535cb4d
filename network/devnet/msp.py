"""Membership: whose certificate is it, is it genuine, and which role does it carry.

What is checked, and in which order, follows msp/mspimplvalidate.go. As there, expiry is no part of it: a block must
validate the same for ever. Whoever endorses, orders or delivers checks expiry beside.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from network.devnet import protos as p
from network.devnet.envelopes import MalformedError, parse
from network.devnet.signing import SHA256, is_low_s

ROLES = ("client", "peer", "admin", "orderer")
CACHED_IDENTITIES = 10_000


class IdentityError(Exception):
    """The certificate is not one that the channel accepts."""


@dataclass(frozen=True, eq=False)
class Identity:
    """A validated certificate."""

    msp_id: str
    certificate: x509.Certificate
    public_key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    role: str
    serialized: bytes

    @cached_property
    def expires(self) -> datetime:
        """Return when the certificate expires."""
        return self.certificate.not_valid_after_utc

    def expired(self, now: datetime | None = None) -> bool:
        """Say whether the certificate has expired."""
        return (now or datetime.now(UTC)) > self.expires

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check a signature.

        Raises:
            IdentityError: it is not this identity's signature over data, or has a high S.
        """
        try:
            if isinstance(self.public_key, ed25519.Ed25519PublicKey):
                self.public_key.verify(signature, data)
            elif not is_low_s(signature, self.public_key.curve.name):
                raise IdentityError("The signature is invalid: S is not in the lower half of the order")
            else:
                self.public_key.verify(signature, data, SHA256)
        except (InvalidSignature, ValueError):
            raise IdentityError("The signature is invalid") from None


class Msp:
    """One organisation's membership service, from its channel configuration."""

    def __init__(self, config: Any) -> None:
        self.name: str = config.name
        self._roots = [x509.load_pem_x509_certificate(pem) for pem in config.root_certs]
        self._intermediates = [x509.load_pem_x509_certificate(pem) for pem in config.intermediate_certs]
        self._admins = {x509.load_pem_x509_certificate(pem) for pem in config.admins}
        self._lists = [x509.load_pem_x509_crl(pem) for pem in config.revocation_list]
        units = config.fabric_node_ous
        self._units: dict[str, str] = {}
        if units.enable:
            for role in ROLES:
                name = getattr(units, f"{role}_ou_identifier").organizational_unit_identifier
                if name:
                    self._units[name] = role
        self.tls_roots: list[bytes] = list(config.tls_root_certs) + list(config.tls_intermediate_certs)

    def validate(self, pem: bytes, serialized: bytes) -> Identity:
        """Return the identity of a certificate.

        Raises:
            IdentityError: not issued by this MSP, revoked, of an unsupported kind, or without exactly one role.
        """
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            key = certificate.public_key()
            units = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
        except ValueError as error:
            raise IdentityError(f"could not parse the certificate: {error}") from None
        if not _supported(key):
            raise IdentityError("the public key's algorithm is not supported")
        self._check_not_revoked(certificate, self._issuer(certificate))
        role = self._role(certificate, [str(unit.value) for unit in units])
        return Identity(self.name, certificate, key, role, serialized)  # type: ignore[arg-type]

    def _issuer(self, certificate: x509.Certificate) -> x509.Certificate:
        if _is_authority(certificate):
            raise IdentityError(
                "An X509 certificate with Basic Constraint: Certificate Authority equals true is no identity"
            )
        for candidate in self._intermediates:
            if _issued_by(certificate, candidate) and any(_issued_by(candidate, root) for root in self._roots):
                return candidate
        for root in self._roots:
            if _issued_by(certificate, root):
                return root
        raise IdentityError(f"certificate signed by unknown authority for MSP {self.name}")

    def _check_not_revoked(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        identifier = _subject_key_identifier(issuer)
        for revocations in self._lists:
            if _authority_key_identifier(revocations) != identifier:
                continue
            entry = revocations.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None and revocations.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                raise IdentityError("The certificate has been revoked")

    def _role(self, certificate: x509.Certificate, units: Iterable[str]) -> str:
        if certificate in self._admins:
            return "admin"
        if not self._units:
            return "member"
        roles = [self._units[unit] for unit in units if unit in self._units]
        if len(roles) != 1:
            raise IdentityError(
                f"the identity must have exactly one of the roles client, peer, orderer or admin, not {roles}"
            )
        return roles[0]


class MspManager:
    """All organisations of a channel; remembers what it has validated."""

    def __init__(self, msps: Iterable[Msp]) -> None:
        self.msps = {msp.name: msp for msp in msps}
        self._known: dict[bytes, Identity] = {}

    def identity(self, serialized: bytes) -> Identity:
        """Return the validated identity.

        Raises:
            IdentityError: unreadable, of an unknown organisation or not valid in its own.
        """
        known = self._known.get(serialized)
        if known is None:
            known = self._validate(serialized)
            if len(self._known) >= CACHED_IDENTITIES:
                self._known.clear()
            self._known[serialized] = known
        return known

    def _validate(self, serialized: bytes) -> Identity:
        try:
            message = parse(p.identities.SerializedIdentity, serialized, "SerializedIdentity")
        except MalformedError as error:
            raise IdentityError(str(error)) from None
        msp = self.msps.get(message.mspid)
        if msp is None:
            raise IdentityError(f"MSP {message.mspid} is not defined on channel")
        return msp.validate(message.id_bytes, serialized)


def _supported(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in {"secp256r1", "secp384r1"}
    return isinstance(key, ed25519.Ed25519PublicKey)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject or not _is_authority(issuer):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _subject_key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _authority_key_identifier(revocations: x509.CertificateRevocationList) -> bytes | None:
    try:
        return revocations.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None
