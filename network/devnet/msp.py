"""Membership: whose certificate is it, is it genuine, and which roles does it carry.

What is checked, and in which order, follows msp/mspimpl{setup,validate}.go; tests/vectors/fabric holds what Fabric
answers. As there, expiry is no part of it: a block must validate the same for ever. Whoever endorses, orders or
delivers checks expiry beside.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from gateway import signatures
from gateway.encoding import pem_content
from gateway.signatures import PublicKey, SignatureError
from network.chains import UNREADABLE, Chain, ChainError, Pool, is_authority, issued, subject_key_identifier, whole
from network.devnet import protos as p
from network.devnet.envelopes import MalformedError, parse

ROLES = ("client", "peer", "admin", "orderer")
CACHED_IDENTITIES = 10_000


class MspError(ValueError):
    """An organisation's configuration is not one that a channel takes."""


class IdentityError(Exception):
    """The certificate is not one that the channel accepts."""


@dataclass(frozen=True, eq=False)
class Identity:
    """A certificate with a chain to its organisation's authorities.

    Attributes:
        roles: of ROLES; more than one only where the configuration names the certificate as an admin's, or gives one
            unit to two roles.
        units: its organisational units, each with the digest of the authorities that gave it.
        invalid: why it is not a valid identity, "" if it is one. A certificate that is named as an admin's counts as
            an admin in policies even if it is revoked, and for nothing else.
    """

    msp_id: str
    certificate: x509.Certificate
    public_key: PublicKey
    roles: frozenset[str]
    units: frozenset[tuple[str, bytes]]
    serialized: bytes
    invalid: str = ""

    @cached_property
    def key(self) -> tuple[str, bytes]:
        """Return what tells identities apart: the same content in another encoding or signature is no other one."""
        return self.msp_id, self.certificate.tbs_certificate_bytes

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
            signatures.verify(self.public_key, signature, data)
        except SignatureError as error:
            raise IdentityError(f"The signature is invalid: {error}") from None


@dataclass(frozen=True)
class _Unit:
    """An organisational unit; where an authority is named, only that one gives it."""

    name: str
    authority: x509.Certificate | None

    def given_by(self, authority: x509.Certificate) -> bool:
        return self.authority is None or self.authority == authority


class Msp:
    """One organisation's membership service, from its channel configuration; MspError if that is not valid."""

    def __init__(self, config: Any) -> None:
        self.name: str = config.name
        try:
            self._pool = Pool.of(list(map(_load, config.root_certs)), list(map(_load, config.intermediate_certs)))
            self._lists = [_load_list(raw) for raw in config.revocation_list]
            self._inner = self._check_authorities()
            self._needed = [self._unit(unit) for unit in config.organizational_unit_identifiers]
            if any(unit.authority is None for unit in self._needed):
                raise MspError("a unit that everybody needs names no authority")
            self._roles = self._node_units(config.fabric_node_ous)
            self._admins = [_load(pem) for pem in config.admins]
            self._check_admins()
        except (IdentityError, *UNREADABLE) as error:
            raise MspError(f"MSP {self.name}: {error}") from None
        self.tls_roots: list[bytes] = list(config.tls_root_certs) + list(config.tls_intermediate_certs)

    def identity(self, pem: bytes, serialized: bytes) -> Identity:
        """Return the identity of a certificate, valid or not.

        Raises:
            IdentityError: it cannot be read, its key is of a kind that is not supported, or it has no chain.
        """
        try:
            certificate = _load(pem)
            key = certificate.public_key()
            names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        except UNREADABLE as error:
            raise IdentityError(f"could not parse the certificate: {error}") from None
        if not signatures.takes(key):
            raise IdentityError("the public key's algorithm is not supported")
        chain = self._chain(certificate)
        units = [str(name.value) for name in names]
        giver = _digest(chain[1:])
        known = frozenset((unit, giver) for unit in units)
        identity = Identity(self.name, certificate, key, frozenset(), known, serialized)  # type: ignore[arg-type]
        admin = frozenset({"admin"} if certificate in self._admins else ())
        try:
            self._check_not_revoked(chain)
            roles = self._check_units(units, chain[1])
        except IdentityError as error:
            return replace(identity, roles=admin, invalid=str(error))
        return replace(identity, roles=roles | admin)

    def administrator(self) -> Identity:
        """Return what stands for any administrator, for asking a policy whether one counts; it signs nothing."""
        root = self._pool.roots[0]
        return Identity(self.name, root, root.public_key(), frozenset({"admin"}), frozenset(), b"")  # type: ignore[arg-type]

    def _chain(self, certificate: x509.Certificate) -> Chain:
        """Return an identity's chain; its issuer may not itself have issued another authority."""
        if is_authority(certificate):
            raise IdentityError(
                "An X509 certificate with Basic Constraint: Certificate Authority equals true is no identity"
            )
        try:
            chain = self._pool.chain(certificate)
        except ChainError as error:
            raise IdentityError(f"{error} for MSP {self.name}") from None
        if chain[1] in self._inner:
            raise IdentityError("Parent certificate should be a leaf of the certification tree")
        return chain

    def _check_not_revoked(self, chain: Chain) -> None:
        revoked, issuer = chain[:2]
        for revocations in self._lists:
            if not _has_identifier(revocations):
                raise IdentityError("a revocation list has no authority key identifier, so nobody is accepted")
            if _identifier(revocations) != subject_key_identifier(issuer):
                continue
            entry = revocations.get_revoked_certificate_by_serial_number(revoked.serial_number)
            if entry is not None and revocations.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                raise IdentityError("The certificate has been revoked")

    def _check_units(self, units: Sequence[str], issuer: x509.Certificate) -> frozenset[str]:
        """Return the roles that a certificate's units mean."""
        if self._needed and not any(unit.name in units and unit.given_by(issuer) for unit in self._needed):
            raise IdentityError(f"none of the identity's organizational units {list(units)} are in MSP {self.name}")
        if not self._roles:
            return frozenset()
        meant = {unit.name: unit for unit in self._roles.values()}
        found = [meant[unit] for unit in units if unit in meant]
        if len(found) != 1:
            names = [unit.name for unit in found]
            raise IdentityError(
                f"the identity must have exactly one of the roles client, peer, orderer or admin, not {names}"
            )
        if not found[0].given_by(issuer):
            raise IdentityError("certifiersIdentifier does not match")
        return frozenset(role for role, unit in self._roles.items() if unit.name == found[0].name)

    def _check_authorities(self) -> set[x509.Certificate]:
        """Check roots and intermediates, and return those that issued an intermediate."""
        inner: set[x509.Certificate] = set()
        if not self._pool.roots:
            raise MspError("expected at least one CA certificate")
        for authority in (*self._pool.roots, *self._pool.intermediates):
            if not is_authority(authority) or subject_key_identifier(authority) is None:
                raise MspError("CA Certificate did not have the CA attribute or a subject key identifier")
            chain = self._pool.chain(authority)
            if len(chain) > 1:
                self._check_not_revoked(chain)
            elif not issued(authority, authority):
                raise MspError("a root certificate is not signed by itself")
            inner.update(chain[1:])
        return inner

    def _node_units(self, config: Any) -> dict[str, _Unit]:
        """Return the unit of each role; none where roles are off."""
        units = {role: f"{role}_ou_identifier" for role in ROLES}
        found = {role: self._unit(getattr(config, name)) for role, name in units.items() if config.HasField(name)}
        return found if config.enable else {}

    def _unit(self, config: Any) -> _Unit:
        authority = _load(config.certificate) if config.certificate else None
        if authority is not None and authority not in (*self._pool.roots, *self._pool.intermediates):
            raise MspError("Failed adding OU. Certificate not in root or intermediate certs")
        return _Unit(config.organizational_unit_identifier, authority)

    def _check_admins(self) -> None:
        if not self._admins and "admin" not in self._roles:
            raise MspError("administrators must be declared when no admin ou classification is set")
        for admin in self._admins:
            names = admin.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
            units = {str(name.value) for name in names}
            chain = self._chain(admin)
            if self._roles and not units & {self._roles[r].name for r in ("client", "admin") if r in self._roles}:
                raise MspError("admin is invalid: it is neither client nor admin")
            if not self._roles:
                self._check_not_revoked(chain)
                self._check_units(list(units), chain[1])


class MspManager:
    """All organisations of a channel; remembers what it has validated."""

    def __init__(self, msps: Iterable[Msp]) -> None:
        self.msps = {msp.name: msp for msp in msps}
        self._known: dict[bytes, Identity] = {}

    def identity(self, serialized: bytes) -> Identity:
        """Return a valid identity.

        Raises:
            IdentityError: unreadable, of an unknown organisation or not valid in its own.
        """
        identity = self.signer(serialized)
        if identity.invalid:
            raise IdentityError(identity.invalid)
        return identity

    def signer(self, serialized: bytes) -> Identity:
        """Return an identity as policies take it: with a chain, but perhaps not valid.

        Raises:
            IdentityError: unreadable, of an unknown organisation or without a chain.
        """
        known = self._known.get(serialized)
        if known is None:
            known = self._read(serialized)
            if len(self._known) >= CACHED_IDENTITIES:
                self._known.clear()
            self._known[serialized] = known
        return known

    def _read(self, serialized: bytes) -> Identity:
        try:
            message = parse(p.identities.SerializedIdentity, serialized, "SerializedIdentity")
        except MalformedError as error:
            raise IdentityError(str(error)) from None
        msp = self.msps.get(message.mspid)
        if msp is None:
            raise IdentityError(f"MSP {message.mspid} is not defined on channel")
        return msp.identity(message.id_bytes, serialized)


def _load(pem: bytes) -> x509.Certificate:
    return whole(x509.load_der_x509_certificate(pem_content(pem)))


def _load_list(raw: bytes) -> x509.CertificateRevocationList:
    load = x509.load_pem_x509_crl if raw.startswith(b"-----BEGIN") else x509.load_der_x509_crl
    return whole(load(raw))


def _digest(authorities: Chain) -> bytes:
    """Return what stands for a chain of authorities in a policy (getCertificationChainIdentifierFromChain)."""
    return hashlib.sha256(b"".join(a.public_bytes(serialization.Encoding.DER) for a in authorities)).digest()


def _has_identifier(revocations: x509.CertificateRevocationList) -> bool:
    return any(isinstance(extension.value, x509.AuthorityKeyIdentifier) for extension in revocations.extensions)


def _identifier(revocations: x509.CertificateRevocationList) -> bytes | None:
    return revocations.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
