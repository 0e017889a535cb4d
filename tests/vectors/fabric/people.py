"""Authorities and people for the cases; keys follow from names, so that the same code gives the same bytes."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2, msp_config_pb2

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
YEAR = dt.timedelta(days=365)
ROLES = ("client", "peer", "admin", "orderer")
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
DETERMINISTIC = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def key_of(name: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """Return the key that belongs to a name; P-256 unless another curve is given."""
    seed = int.from_bytes(hashlib.shake_256(b"fabric vectors: " + name.encode()).digest(28), "big")
    return ec.derive_private_key(seed, curve or ec.SECP256R1())


def ed25519_key_of(name: str) -> ed25519.Ed25519PrivateKey:
    """Return the Ed25519 key that belongs to a name."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def number_of(name: str) -> int:
    """Return the serial number that belongs to a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def subject(name: str, units: Sequence[str] = ()) -> x509.Name:
    """Return a distinguished name."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def with_signature_of(certificate: x509.Certificate, signature: bytes) -> x509.Certificate:
    """Return a certificate with another signature over the same content."""
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256
    bits = b"\0" + signature
    body = certificate.tbs_certificate_bytes + algorithm + b"\x03" + bytes([len(bits)]) + bits
    return x509.load_der_x509_certificate(b"\x30\x82" + len(body).to_bytes(2, "big") + body)


def other_s(signature: bytes) -> bytes:
    """Return the other of the two valid forms of a P-256 signature."""
    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r, P256 - s)


def low(signature: bytes) -> bytes:
    """Return the form of a P-256 signature with the lower s."""
    _, s = utils.decode_dss_signature(signature)
    return signature if s <= P256 // 2 else other_s(signature)


@dataclass(frozen=True)
class Authority:
    """A certificate authority; without a parent it is a root."""

    name: str
    parent: "Authority | None" = None
    identifier: bool = True
    path_length: int | None = None
    cert_sign: bool = True
    start: dt.datetime = START
    signed_by: str = ""
    """The name whose key signs instead of the parent's."""

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """The authority's private key."""
        return key_of(self.name)

    @property
    def certificate(self) -> x509.Certificate:
        """The authority's certificate."""
        issuer = self.parent or self
        builder = (
            _builder(subject(self.name), issuer, self.key.public_key(), number_of(self.name), self.start, 20 * YEAR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=self.path_length), critical=True)
            .add_extension(_usage(cert_sign=self.cert_sign), critical=True)
        )
        if self.identifier:
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
        return _signed(builder, key_of(self.signed_by) if self.signed_by else issuer.key)

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return pem(self.certificate)

    def issue(
        self,
        name: str,
        units: Sequence[str] = (),
        *,
        public_key: Any = None,
        start: dt.datetime = START,
        lasts: dt.timedelta = 10 * YEAR,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> x509.Certificate:
        """Return a certificate for a name."""
        public = public_key or key_of(name).public_key()
        builder = _builder(subject(name, units), self, public, number_of(name), start, lasts)
        for extension, critical in ((x509.BasicConstraints(ca=False, path_length=None), True), *extensions):
            builder = builder.add_extension(extension, critical)
        return _signed(builder, self.key)

    def list(self, serials: Sequence[int], **changes: Any) -> bytes:
        """Return a revocation list; `changes` are those of `Listed`."""
        return Listed(self, serials, **changes).pem


@dataclass(frozen=True)
class Listed:
    """A revocation list as an authority makes it, or otherwise."""

    authority: Authority
    serials: Sequence[int]
    identifier: bytes | None = b"own"
    """The authority key identifier; None leaves it out, b"own" is the authority's."""
    signed_by: str = ""
    issuer: str = ""
    names_issuer: bool = False
    start: dt.datetime = START
    lasts: dt.timedelta = 10 * YEAR

    @property
    def _identifier(self) -> x509.AuthorityKeyIdentifier | None:
        if self.identifier is None:
            return None
        own = x509.SubjectKeyIdentifier.from_public_key(self.authority.key.public_key()).digest
        digest = own if self.identifier == b"own" else self.identifier
        if not self.names_issuer:
            return x509.AuthorityKeyIdentifier(digest, None, None)
        return x509.AuthorityKeyIdentifier(digest, [x509.DirectoryName(subject(self.authority.name))], 7)

    @property
    def content(self) -> x509.CertificateRevocationList:
        """The list."""
        builder = x509.CertificateRevocationListBuilder(
            subject(self.issuer or self.authority.name), self.start, self.start + self.lasts
        )
        for serial in self.serials:
            entry = x509.RevokedCertificateBuilder(serial_number=serial, revocation_date=self.start)
            builder = builder.add_revoked_certificate(entry.build())
        if self._identifier is not None:
            builder = builder.add_extension(self._identifier, critical=False)
        key = key_of(self.signed_by or self.authority.name)
        return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)

    @property
    def pem(self) -> bytes:
        """The list as PEM."""
        return self.content.public_bytes(serialization.Encoding.PEM)


def _builder(
    name: x509.Name, issuer: Authority, public_key: Any, serial: int, start: dt.datetime, lasts: dt.timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(subject(issuer.name)).public_key(public_key)
    return builder.serial_number(serial).not_valid_before(start).not_valid_after(start + lasts)


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    certificate = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    if not isinstance(key.curve, ec.SECP256R1):
        return certificate
    return with_signature_of(certificate, low(certificate.signature))


def _usage(*, cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, False, cert_sign, True, False, False)


@dataclass(frozen=True)
class Msp:
    """An organisation's membership service, to be written as a FabricMSPConfig."""

    name: str
    roots: Sequence[bytes]
    intermediates: Sequence[bytes] = ()
    lists: Sequence[bytes] = ()
    admins: Sequence[bytes] = ()
    roles: dict[str, tuple[str, bytes]] | None = field(default_factory=lambda: {role: (role, b"") for role in ROLES})
    """The unit of each role and, if it is not empty, the authority that gives it; None turns roles off."""
    needed: Sequence[tuple[str, bytes]] = ()

    @property
    def config(self) -> bytes:
        """The FabricMSPConfig."""
        config = msp_config_pb2.FabricMSPConfig(
            name=self.name,
            root_certs=self.roots,
            intermediate_certs=self.intermediates,
            revocation_list=self.lists,
            admins=self.admins,
        )
        if self.roles is not None:
            config.fabric_node_ous.enable = True
            for role, (unit, authority) in self.roles.items():
                entry = getattr(config.fabric_node_ous, f"{role}_ou_identifier")
                entry.organizational_unit_identifier, entry.certificate = unit, authority
        for unit, authority in self.needed:
            config.organizational_unit_identifiers.add(organizational_unit_identifier=unit, certificate=authority)
        raw: bytes = config.SerializeToString(deterministic=True)
        return raw


def serialized(msp_id: str, certificate: bytes) -> bytes:
    """Return a SerializedIdentity."""
    identity = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=certificate)
    raw: bytes = identity.SerializeToString(deterministic=True)
    return raw
