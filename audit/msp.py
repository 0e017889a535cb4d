"""Membership service providers as a channel's configuration defines them: whose certificate is whose.

The rules are Fabric's (msp/mspimplvalidate.go, capability V1_4_3): a certificate chains to one of the organisation's
authorities, is on no revocation list, and carries exactly one role where node OUs are on. Expiry is not checked when a
block is validated, so it is no reason here to call a transaction invalid; `expired_at` lets the audit say it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2

from audit.wire import WireError, decode

ECDSA_SHA256 = ec.ECDSA(SHA256())
HALF_ORDER = {
    "secp256r1": 0x7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8,
    "secp384r1": 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE3B1A6C0FA1B96EFAC0D06D9245853BD76760CB5666294B9,
}
"""Half of each curve's order: Fabric takes no signature whose s lies above it."""
MOST_CACHED = 10_000
"""Certificates remembered, so that memory is bounded whatever a chain holds."""
ROLES = {
    msp_principal_pb2.MSPRole.ADMIN: "admin",
    msp_principal_pb2.MSPRole.CLIENT: "client",
    msp_principal_pb2.MSPRole.PEER: "peer",
    msp_principal_pb2.MSPRole.ORDERER: "orderer",
}


class IdentityError(ValueError):
    """An identity is not a valid member of its organisation."""


@dataclass(frozen=True)
class Identity:
    """A certificate that its organisation's MSP accepts; `roles` holds names such as "admin" or "peer"."""

    msp_id: str
    certificate: x509.Certificate
    pem: bytes
    units: frozenset[str]
    roles: frozenset[str]

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature over `message`; raises IdentityError."""
        try:
            key = self.certificate.public_key()
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                if utils.decode_dss_signature(signature)[1] > HALF_ORDER.get(key.curve.name, 0):
                    raise IdentityError(f"signature by {self.msp_id} is not in its canonical (low-S) form")
                key.verify(signature, message, ECDSA_SHA256)
            else:
                raise IdentityError(f"{self.msp_id}'s key is of an unsupported kind")
        except (InvalidSignature, ValueError, UnsupportedAlgorithm) as error:
            if isinstance(error, IdentityError):
                raise
            raise IdentityError(f"signature by {self.msp_id} does not verify") from error

    def expired_at(self, when_ms: int) -> bool:
        """Whether the certificate was outside its validity at a time in Unix milliseconds."""
        try:
            moment = datetime.fromtimestamp(when_ms / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return True
        return not self.certificate.not_valid_before_utc <= moment <= self.certificate.not_valid_after_utc


@dataclass
class Msp:
    """One organisation's authorities, revocations and role names; identities are cached by their bytes."""

    msp_id: str
    roots: list[x509.Certificate]
    intermediates: list[x509.Certificate]
    revocations: list[x509.CertificateRevocationList]
    admins: frozenset[bytes]
    role_units: dict[str, str]
    cache: dict[bytes, Identity | IdentityError] = field(default_factory=dict)

    @classmethod
    def from_config(cls, raw: bytes) -> "Msp":
        """Build an MSP from the FabricMSPConfig bytes of a channel's configuration; raises WireError."""
        config = decode(msp_config_pb2.FabricMSPConfig, raw, "MSP configuration")
        ous = config.fabric_node_ous
        units = {
            role: getattr(ous, f"{role}_ou_identifier").organizational_unit_identifier
            for role in ("client", "peer", "admin", "orderer")
            if ous.enable and ous.HasField(f"{role}_ou_identifier")
        }
        try:
            return cls(
                msp_id=config.name,
                roots=[x509.load_pem_x509_certificate(pem) for pem in config.root_certs],
                intermediates=[x509.load_pem_x509_certificate(pem) for pem in config.intermediate_certs],
                revocations=[_load_crl(crl) for crl in config.revocation_list],
                admins=frozenset(_der(pem) for pem in config.admins),
                role_units=units,
            )
        except ValueError as error:
            raise WireError(f"MSP {config.name} holds a certificate or list that does not parse") from error

    def identity(self, pem: bytes) -> Identity:
        """Return the valid identity behind a PEM certificate; raises IdentityError."""
        known = self.cache.get(pem)
        if known is None:
            try:
                known = self._validate(pem)
            except IdentityError as error:
                known = error
            except (ValueError, TypeError, UnsupportedAlgorithm):
                known = IdentityError(f"{self.msp_id}: the certificate does not parse")
            if len(self.cache) >= MOST_CACHED:
                self.cache.clear()
            self.cache[pem] = known
        if isinstance(known, IdentityError):
            raise known
        return known

    def _validate(self, pem: bytes) -> Identity:
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError as error:
            raise IdentityError(f"{self.msp_id}: the certificate does not parse") from error
        self._check_revocation(certificate, self._issuer(certificate))
        names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        units = frozenset(str(name.value) for name in names)
        roles = {role for role, unit in self.role_units.items() if unit in units}
        if self.role_units and len(roles) != 1:
            raise IdentityError(f"{self.msp_id}: a certificate has one role, this one {sorted(roles) or 'none'}")
        if _der(pem) in self.admins:
            roles.add("admin")
        return Identity(self.msp_id, certificate, pem, units, frozenset(roles))

    def _issuer(self, certificate: x509.Certificate) -> x509.Certificate:
        for authority in (*self.intermediates, *self.roots):
            if authority.subject != certificate.issuer:
                continue
            try:
                certificate.verify_directly_issued_by(authority)
            except (InvalidSignature, ValueError, TypeError):
                continue
            if authority in self.intermediates:
                self._check_revocation(authority, self._issuer(authority))
            return authority
        raise IdentityError(f"{self.msp_id}: none of the organisation's authorities issued the certificate")

    def _check_revocation(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        for crl in self.revocations:
            if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is None:
                continue
            key = issuer.public_key()
            if crl.issuer == issuer.subject and crl.is_signature_valid(key):  # type: ignore[arg-type]
                raise IdentityError(f"{self.msp_id}: the certificate is revoked")


def _load_crl(raw: bytes) -> x509.CertificateRevocationList:
    load = x509.load_pem_x509_crl if raw.lstrip().startswith(b"-----") else x509.load_der_x509_crl
    return load(raw)


def _der(pem: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@dataclass
class MspSet:
    """All organisations of a channel at one configuration."""

    msps: dict[str, Msp]

    def identity(self, serialized: bytes) -> Identity:
        """Return the identity behind SerializedIdentity bytes; raises IdentityError."""
        try:
            message = decode(identities_pb2.SerializedIdentity, serialized, "identity")
        except WireError as error:
            raise IdentityError(str(error)) from error
        msp = self.msps.get(message.mspid)
        if msp is None:
            raise IdentityError(f"no organisation of the channel has the MSP id {message.mspid!r}")
        return msp.identity(message.id_bytes)

    def satisfies(self, identity: Identity, principal: msp_principal_pb2.MSPPrincipal) -> bool:
        """Whether an identity is what a policy's principal asks for; unknown kinds of principal raise WireError."""
        kind = principal.principal_classification
        if kind == msp_principal_pb2.MSPPrincipal.ROLE:
            role = decode(msp_principal_pb2.MSPRole, principal.principal, "role")
            if role.msp_identifier != identity.msp_id:
                return False
            return role.role == msp_principal_pb2.MSPRole.MEMBER or ROLES.get(role.role) in identity.roles
        if kind == msp_principal_pb2.MSPPrincipal.IDENTITY:
            try:
                return self.identity(principal.principal).certificate == identity.certificate
            except IdentityError:
                return False
        if kind == msp_principal_pb2.MSPPrincipal.ORGANIZATION_UNIT:
            unit = decode(msp_principal_pb2.OrganizationUnit, principal.principal, "organisation unit")
            return unit.msp_identifier == identity.msp_id and unit.organizational_unit_identifier in identity.units
        raise WireError(f"principals of kind {kind} are not supported")
