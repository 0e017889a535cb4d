"""Membership service providers as a channel's configuration defines them: whose certificate is whose.

The rules are Fabric's (msp/mspimplvalidate.go, capability V1_4_3): a certificate chains to one of the organisation's
authorities, is on no revocation list, and carries exactly one role where node OUs are on. Expiry is not checked when a
block is validated, so it is no reason here to call a transaction invalid; `expired_at` lets the audit say it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtensionOID, NameOID
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2

from audit.fabric.signature import SignatureError, check_signature
from audit.fabric.wire import WireError, decode, first_block

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

    @cached_property
    def key(self) -> tuple[str, bytes]:
        """What tells identities apart: the same content with another text or signature around it is no other one."""
        return self.msp_id, self.certificate.tbs_certificate_bytes

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature over `message`; raises IdentityError."""
        try:
            check_signature(self.certificate.public_key(), signature, message)
        except SignatureError as error:
            raise IdentityError(f"a signature by {self.msp_id} does not hold: {error}") from error

    def expired_at(self, when_ms: int) -> bool:
        """Whether the certificate was outside its validity at a time in Unix milliseconds."""
        try:
            moment = datetime.fromtimestamp(when_ms / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return True
        return not self.certificate.not_valid_before_utc <= moment <= self.certificate.not_valid_after_utc


@dataclass(frozen=True)
class Unit:
    """An organisational unit that an MSP knows; `issuer` is the one authority that may give it, None for any."""

    name: str
    issuer: x509.Certificate | None

    @classmethod
    def of(cls, config: msp_config_pb2.FabricOUIdentifier) -> "Unit":
        """Read a unit of a channel's configuration."""
        issuer = x509.load_pem_x509_certificate(config.certificate) if config.certificate else None
        return cls(config.organizational_unit_identifier, issuer)

    def given_by(self, issuer: x509.Certificate) -> bool:
        """Whether an authority may give the unit."""
        return self.issuer in {None, issuer}


@dataclass
class Msp:
    """One organisation's authorities, revocations and role names; identities are cached by their bytes.

    `roles` is None where node OUs are off; of the units `needed`, where there are any, each certificate carries one.
    """

    msp_id: str
    roots: list[x509.Certificate]
    intermediates: list[x509.Certificate]
    revocations: list[x509.CertificateRevocationList]
    admins: frozenset[x509.Certificate]
    roles: dict[str, Unit] | None
    needed: list[Unit]
    cache: dict[bytes, Identity | IdentityError] = field(default_factory=dict)

    @classmethod
    def from_config(cls, raw: bytes) -> "Msp":
        """Build an MSP from the FabricMSPConfig bytes of a channel's configuration; raises WireError."""
        config = decode(msp_config_pb2.FabricMSPConfig, raw, "MSP configuration")
        try:
            return cls(
                msp_id=config.name,
                roots=[x509.load_pem_x509_certificate(pem) for pem in config.root_certs],
                intermediates=[x509.load_pem_x509_certificate(pem) for pem in config.intermediate_certs],
                revocations=[_load_crl(crl) for crl in config.revocation_list],
                admins=frozenset(x509.load_pem_x509_certificate(pem) for pem in config.admins),
                roles=_roles(config.fabric_node_ous),
                needed=[Unit.of(unit) for unit in config.organizational_unit_identifiers],
            )
        except Exception as error:  # whatever a parser raises on bytes that others wrote
            raise WireError(f"MSP {config.name!r} holds a certificate or list that does not parse") from error

    def identity(self, pem: bytes) -> Identity:
        """Return the valid identity behind a PEM certificate; raises IdentityError."""
        known = self.cache.get(pem)
        if known is None:
            try:
                known = self._validate(pem)
            except IdentityError as error:
                known = error
            except Exception:  # noqa: BLE001 - whatever a parser raises on bytes that others wrote
                known = IdentityError(f"{self.msp_id}: the certificate does not parse")
            if len(self.cache) >= MOST_CACHED:
                self.cache.clear()
            self.cache[pem] = known
        if isinstance(known, IdentityError):
            raise known
        return known

    def _validate(self, pem: bytes) -> Identity:
        certificate = x509.load_der_x509_certificate(first_block(pem))
        self._check_extensions(certificate)
        certificate.public_key()  # raises where its kind is unknown
        chain = self._chain(certificate)
        for issued, issuer in zip((certificate, *chain), chain, strict=False):
            self._check_revocation(issued, issuer)
        names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        units = [str(name.value) for name in names]
        self._check_needed(units, chain[0])
        roles = self._roles(units, chain[0])
        if certificate in self.admins:
            roles = roles | {"admin"}
        return Identity(self.msp_id, certificate, pem, frozenset(units), roles)

    def _check_extensions(self, certificate: x509.Certificate) -> None:
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
                raise IdentityError(f"{self.msp_id}: an authority's certificate is nobody's identity")
            if extension.critical and extension.oid not in UNDERSTOOD:
                raise IdentityError(f"{self.msp_id}: the certificate has a critical extension that is not understood")

    def _chain(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        """Return the authorities above a certificate, its issuer first, a root last; each stands in it once."""
        chain: list[x509.Certificate] = []
        while not chain or chain[-1] not in self.roots:
            below = chain[-1] if chain else certificate
            above = (a for a in (*self.roots, *self.intermediates) if a not in chain and _issued(a, below))
            issuer = next(above, None)
            if issuer is None:
                raise IdentityError(f"{self.msp_id}: none of the organisation's authorities issued the certificate")
            chain.append(issuer)
        return chain

    def _check_revocation(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        for crl in self.revocations:
            if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is None:
                continue
            key = issuer.public_key()
            if crl.issuer == issuer.subject and crl.is_signature_valid(key):  # type: ignore[arg-type]
                raise IdentityError(f"{self.msp_id}: the certificate is revoked")

    def _check_needed(self, units: list[str], issuer: x509.Certificate) -> None:
        if self.needed and not any(unit.name in units and unit.given_by(issuer) for unit in self.needed):
            raise IdentityError(f"{self.msp_id}: the certificate has none of the units that the organisation asks for")

    def _roles(self, units: list[str], issuer: x509.Certificate) -> frozenset[str]:
        if self.roles is None:
            return frozenset()
        means = {unit.name: unit for unit in self.roles.values()}
        marks = [means[unit] for unit in units if unit in means]
        if len(marks) != 1 or not marks[0].given_by(issuer):
            raise IdentityError(f"{self.msp_id}: a certificate has one role from its authority, this one {len(marks)}")
        return frozenset(role for role, unit in self.roles.items() if unit.name == marks[0].name)


UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)
"""Critical extensions that Go's crypto/x509 handles; any other makes it refuse the certificate."""


def _roles(ous: msp_config_pb2.FabricNodeOUs) -> dict[str, Unit] | None:
    """Return the unit that stands for each role, None where node OUs are off."""
    if not ous.enable:
        return None
    named = {role: f"{role}_ou_identifier" for role in ROLES.values()}
    return {role: Unit.of(getattr(ous, name)) for role, name in named.items() if ous.HasField(name)}


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    if authority.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _load_crl(raw: bytes) -> x509.CertificateRevocationList:
    load = x509.load_pem_x509_crl if raw.lstrip().startswith(b"-----") else x509.load_der_x509_crl
    return load(raw)


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
