"""Membership service providers as a channel's configuration defines them: whose certificate is whose.

The rules are Fabric's (msp/mspimplvalidate.go, capability V3_0; tests/vectors/fabric holds what Fabric answers): a
certificate chains to one of the organisation's authorities in one way, is on no revocation list, and carries exactly
one role where node OUs are on. Expiry is not checked when a
block is validated, so it is no reason here to call a transaction invalid; `expired_at` lets the audit say it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2

from audit.fabric.chains import ChainError, extension, is_authority, only_chain, signed
from audit.fabric.signature import SignatureError, check_signature, takes
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
    """A certificate with a chain to its organisation's authorities.

    `roles` holds names such as "admin" or "peer"; `units` the organisational units, each with the digest of the
    authorities that gave it. `problem` says why the certificate is not valid, "" where it is: peers let a revoked one
    count as an admin's where the configuration names it as one, and nowhere else.
    """

    msp_id: str
    certificate: x509.Certificate
    pem: bytes
    units: frozenset[tuple[str, bytes]]
    roles: frozenset[str]
    problem: str = ""

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
        issuer = load(config.certificate) if config.certificate else None
        return cls(config.organizational_unit_identifier, issuer)

    def given_by(self, issuer: x509.Certificate) -> bool:
        """Whether an authority may give the unit."""
        return self.issuer in {None, issuer}


@dataclass
class Msp:
    """One organisation's authorities, revocations and role names; identities are cached by their bytes.

    `roles` is None where node OUs are off; of the units `needed`, where there are any, each certificate carries one.
    `inner` are the authorities that issued another one: they give no identities.
    """

    msp_id: str
    roots: list[x509.Certificate]
    intermediates: list[x509.Certificate]
    revocations: list[x509.CertificateRevocationList]
    admins: frozenset[x509.Certificate]
    roles: dict[str, Unit] | None
    needed: list[Unit]
    inner: set[x509.Certificate] = field(default_factory=set)
    cache: dict[bytes, Identity | IdentityError] = field(default_factory=dict)

    @classmethod
    def from_config(cls, raw: bytes) -> "Msp":
        """Build an MSP from the FabricMSPConfig bytes of a channel's configuration.

        Raises:
            WireError: it does not parse, or is one that no peer takes.
        """
        config = decode(msp_config_pb2.FabricMSPConfig, raw, "MSP configuration")
        try:
            msp = cls(
                msp_id=config.name,
                roots=[load(pem) for pem in config.root_certs],
                intermediates=[load(pem) for pem in config.intermediate_certs],
                revocations=[_load_crl(crl) for crl in config.revocation_list],
                admins=frozenset(load(pem) for pem in config.admins),
                roles=_roles(config.fabric_node_ous),
                needed=[Unit.of(unit) for unit in config.organizational_unit_identifiers],
            )
            msp.check()
        except (IdentityError, ChainError) as error:
            raise WireError(f"MSP {config.name!r} is one that no peer takes: {error}") from error
        except Exception as error:  # whatever a parser raises on bytes that others wrote
            raise WireError(f"MSP {config.name!r} holds a certificate or list that does not parse") from error
        return msp

    def check(self) -> None:
        """Check authorities, units and admins as a peer does before it takes a configuration; raises IdentityError."""
        authorities = [*self.roots, *self.intermediates]
        if not self.roots:
            raise IdentityError("it has no root")
        for authority in authorities:
            if not is_authority(authority) or extension(authority, x509.SubjectKeyIdentifier) is None:
                raise IdentityError("an authority is none, or lacks its subject key identifier")
            above = only_chain(authority, self.roots, self.intermediates)
            self.inner.update(above)
            if above:
                self._check_revocation(authority, above[0])
            elif not signed(authority, authority):
                raise IdentityError("a root did not sign itself")
        named = [unit.issuer for unit in (*(self.roles or {}).values(), *self.needed)]
        if any(issuer is not None and issuer not in authorities for issuer in named):
            raise IdentityError("a unit names an authority that the organisation does not have")
        if any(unit.issuer is None for unit in self.needed):
            raise IdentityError("a unit that each certificate needs names no authority")
        self._check_admins()

    def _check_admins(self) -> None:
        if not self.admins and "admin" not in (self.roles or {}):
            raise IdentityError("it neither names admins nor gives them a unit")
        for admin in self.admins:
            chain = self._chain(admin)
            if self.roles is None:
                self._check_membership(admin, chain)
            elif not {role.name for name, role in self.roles.items() if name in ("client", "admin")} & {*_units(admin)}:
                raise IdentityError("somebody named as an admin is neither client nor admin")

    def identity(self, pem: bytes) -> Identity:
        """Return the valid identity behind a PEM certificate; raises IdentityError."""
        found = self.signer(pem)
        if found.problem:
            raise IdentityError(found.problem)
        return found

    def signer(self, pem: bytes) -> Identity:
        """Return the identity behind a PEM certificate as policies see it, valid or not; raises IdentityError."""
        known = self.cache.get(pem)
        if known is None:
            try:
                known = self._read(pem)
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

    def _read(self, pem: bytes) -> Identity:
        certificate = load(pem)
        if not takes(certificate.public_key()):  # raises where its kind is unknown
            raise IdentityError(f"{self.msp_id}: the key is of a kind that Fabric does not take")
        chain = self._chain(certificate)
        giver = sha256(b"".join(authority.public_bytes(Encoding.DER) for authority in chain)).digest()
        units = frozenset((unit, giver) for unit in _units(certificate))
        roles, problem = frozenset[str](), ""
        try:
            roles = self._check_membership(certificate, chain)
        except IdentityError as error:
            problem = str(error)
        if certificate in self.admins:
            roles |= {"admin"}
        return Identity(self.msp_id, certificate, pem, units, roles, problem)

    def _chain(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        if is_authority(certificate):
            raise IdentityError(f"{self.msp_id}: an authority's certificate is nobody's identity")
        try:
            chain = only_chain(certificate, self.roots, self.intermediates)
        except ChainError as error:
            raise IdentityError(f"{self.msp_id}: {error}") from error
        if chain[0] in self.inner:
            raise IdentityError(f"{self.msp_id}: an authority that issued others gives no identities")
        return chain

    def _check_membership(self, certificate: x509.Certificate, chain: list[x509.Certificate]) -> frozenset[str]:
        """Check revocation and units, and return the roles that the units give."""
        self._check_revocation(certificate, chain[0])
        units = _units(certificate)
        self._check_needed(units, chain[0])
        return self._roles(units, chain[0])

    def _check_revocation(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        """Check that no list of the issuer names a certificate.

        A list without authority key identifier makes peers refuse everybody; of the others they look at those with the
        issuer's, whoever the list says made it and whenever it ended.
        """
        own = extension(issuer, x509.SubjectKeyIdentifier)
        for crl in self.revocations:
            identifier = extension(crl, x509.AuthorityKeyIdentifier)
            if identifier is None or own is None:
                raise IdentityError(f"{self.msp_id}: a revocation list lacks its key identifier: nobody is accepted")
            if identifier.key_identifier != own.digest:
                continue
            listed = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if listed is not None and crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
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


def load(pem: bytes) -> x509.Certificate:
    """Return the certificate in the first readable PEM block; raises ValueError."""
    return x509.load_der_x509_certificate(first_block(pem))


def _units(certificate: x509.Certificate) -> list[str]:
    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return [str(name.value) for name in names]


def _roles(ous: msp_config_pb2.FabricNodeOUs) -> dict[str, Unit] | None:
    """Return the unit that stands for each role, None where node OUs are off or none is named."""
    named = {role: f"{role}_ou_identifier" for role in ROLES.values()}
    found = {role: Unit.of(getattr(ous, name)) for role, name in named.items() if ous.HasField(name)}
    return found if ous.enable and found else None


def _load_crl(raw: bytes) -> x509.CertificateRevocationList:
    load_list = x509.load_pem_x509_crl if raw.lstrip().startswith(b"-----") else x509.load_der_x509_crl
    return load_list(raw)


@dataclass
class MspSet:
    """All organisations of a channel at one configuration."""

    msps: dict[str, Msp]

    def identity(self, serialized: bytes) -> Identity:
        """Return the valid identity behind SerializedIdentity bytes; raises IdentityError."""
        msp, certificate = self._read(serialized)
        return msp.identity(certificate)

    def signer(self, serialized: bytes) -> Identity:
        """Return the identity behind SerializedIdentity bytes as policies see it; raises IdentityError."""
        msp, certificate = self._read(serialized)
        return msp.signer(certificate)

    def _read(self, serialized: bytes) -> tuple[Msp, bytes]:
        try:
            message = decode(identities_pb2.SerializedIdentity, serialized, "identity")
        except WireError as error:
            raise IdentityError(str(error)) from error
        msp = self.msps.get(message.mspid)
        if msp is None:
            raise IdentityError(f"no organisation of the channel has the MSP id {message.mspid!r}")
        return msp, message.id_bytes
