"""A certificate authority of one organisation: issues X.509 certificates and revocation lists that Fabric accepts."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway import signatures
from network import codes
from network.ca.keys import create_key, load_key, pem
from network.ca.subject import Subject
from network.chains import Pool
from network.errors import NetworkError
from network.files import write_atomically, write_new

AUTHORITY_VALIDITY = dt.timedelta(days=3650)
LEAF_VALIDITY = dt.timedelta(days=730)
LIST_VALIDITY = dt.timedelta(days=3650)
CLOCK_TOLERANCE = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Authority:
    """The authority whose certificate lies in a folder as cert.pem, and whose key may lie beside it as key.pem.

    A key that was moved lies where `key.at` says (network/ca/moving.py).

    Where there is a certificate without a key, the key is kept elsewhere, or the authority is another's: it issues and
    revokes nothing here, and no other key is ever made for it.
    """

    folder: Path

    @classmethod
    def create(cls, folder: Path, organisation: str, common_name: str) -> "Authority":
        """Create the authority unless it exists; its key is never replaced."""
        made = cls(folder)
        if (folder / "cert.pem").exists() and not (folder / "key.pem").exists():
            return made
        key = create_key(folder / "key.pem", synced=True)
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        if not (folder / "cert.pem").exists():
            usage = _usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
            builder = (
                _builder(name, name, key.public_key(), AUTHORITY_VALIDITY)
                .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
                .add_extension(usage, critical=True)
            )
            write_new(folder / "cert.pem", pem(_signed(builder, key)))
        return made

    @property
    def certificate_pem(self) -> bytes:
        """Return the authority's certificate."""
        return (self.folder / "cert.pem").read_bytes()

    @property
    def certificate(self) -> x509.Certificate:
        """Return the authority's certificate, parsed."""
        return x509.load_pem_x509_certificate(self.certificate_pem)

    @property
    def moved(self) -> Path:
        """Return the file that says where the key is, once it was moved to a folder of its own."""
        return self.folder / "key.at"

    @property
    def key_path(self) -> Path:
        """Return where the key is: beside the certificate, or where it was moved to, perhaps out of reach now."""
        beside = self.folder / "key.pem"
        if beside.exists() or not self.moved.exists():
            return beside
        return Path(self.moved.read_text().strip())

    @property
    def has_key(self) -> bool:
        """Return whether the authority can issue and revoke here."""
        return self.key_path.exists()

    def key(self) -> ec.EllipticCurvePrivateKey:
        """Return the authority's key; FL1016 if it is not here, or is another certificate's."""
        if not self.has_key:
            raise NetworkError(
                codes.AUTHORITY_ELSEWHERE,
                "the authority's key is not here, so nothing was issued or revoked",
                where=str(self.key_path),
                hint="Do this where the organisation keeps the key, or bring that folder back in reach.",
            )
        key = load_key(self.key_path)
        if key.public_key() != self.certificate.public_key():
            raise NetworkError(
                codes.AUTHORITY_ELSEWHERE,
                "this key is not that of the authority's certificate, so nothing was issued or revoked",
                where=str(self.key_path),
                hint="Restore the key that belongs to cert.pem beside it.",
            )
        return key

    def pool(self) -> Pool:
        """Return the authority as the one root."""
        return Pool.of([self.certificate], [])

    def require_ready(self) -> None:
        """Check that the authority's key is here; FL1016 if not."""
        self.key()

    def certify(self, subject: Subject, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """Return a certificate for a subject and the public half of a key; FL1016 if its own key is not here."""
        return self.sign(subject.name, key.public_key(), subject.wanted, tls=not subject.unit)

    def renew(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        subject: Subject,
        new_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        """Return a certificate for a new key: the authority is here, so the present one need prove nothing."""
        del certificate, key
        return self.certify(subject, new_key)

    def require_revocable(self, certificates: Sequence[x509.Certificate]) -> None:
        """Check that it can revoke these; FL1016 if its key is not here, FL1011 if another authority issued one."""
        self.key()
        for each in certificates:
            self.require_own(each)

    def revoke(self, certificate: x509.Certificate, path: Path) -> bytes:
        """Add a certificate to the revocation list at a path and return the list as PEM; earlier entries stay.

        Raises:
            NetworkError: FL1016 if the authority's key is not here, FL1011 if another authority issued the certificate;
                the list stays as it is then.
        """
        self.require_revocable([certificate])
        return self.revoke_numbers([certificate.serial_number], path)

    def revoke_numbers(self, numbers: Sequence[int], path: Path) -> bytes:
        """Add serial numbers to the revocation list at a path and return the list; FL1016 without the key."""
        now = dt.datetime.now(dt.UTC)
        earlier = x509.load_pem_x509_crl(path.read_bytes()) if path.exists() else None
        entries = list(earlier or ())
        new = sorted(set(numbers) - {entry.serial_number for entry in entries})
        if earlier is not None and not new:
            return path.read_bytes()
        added = [x509.RevokedCertificateBuilder(number, now).build() for number in new]
        result = self._list([*entries, *added], _next_number(earlier))
        write_atomically(path, result)
        return result

    def begin_list(self, path: Path) -> None:
        """Write the list that revokes nobody, unless there is a list: who finds none cannot know whom to trust."""
        if not path.exists():
            write_new(path, self._list([], _next_number(None)))

    def lists_above(self) -> dict[str, bytes]:
        """Return nothing: no authority is above it."""
        return {}

    def _list(self, entries: Sequence[x509.RevokedCertificate], number: int) -> bytes:
        key = self.key()
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.certificate.subject, last_update=now - CLOCK_TOLERANCE, next_update=now + LIST_VALIDITY
        )
        for entry in entries:
            builder = builder.add_revoked_certificate(entry)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        listed = builder.add_extension(identifier, critical=False).add_extension(x509.CRLNumber(number), critical=False)
        return listed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def require_own(self, certificate: x509.Certificate) -> None:
        """Check that the authority issued a certificate; FL1011 if not: its revocation would change nothing."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            raise NetworkError(
                codes.UNKNOWN_IDENTITY,
                "another authority issued this certificate, so this one cannot revoke it",
                where=f"{certificate.serial_number:x}",
                hint=f"The authority is {certificate.issuer.rfc4514_string()}.",
            ) from None

    def sign(
        self,
        name: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        extensions: Sequence[x509.ExtensionType],
        *,
        tls: bool,
    ) -> x509.Certificate:
        """Return a certificate of a name and a public key, for TLS or for signatures, with some more extensions."""
        key = self.key()
        builder = (
            _builder(name, self.certificate.subject, public_key, LEAF_VALIDITY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True, key_encipherment=tls), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        if tls:
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return _signed(builder, key)


def _builder(
    name: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, validity: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_TOLERANCE)
        .not_valid_after(now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    while True:  # Fabric rewrites certificates whose signature has a high S, and then compares other bytes
        certificate = builder.sign(key, hashes.SHA256())
        if signatures.has_low_s(certificate.signature, key.curve.name):
            return certificate


def _usage(
    *, digital_signature: bool, key_encipherment: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _next_number(earlier: x509.CertificateRevocationList | None) -> int:
    if earlier is None:
        return 1
    return earlier.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
