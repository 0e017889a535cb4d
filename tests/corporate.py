"""A company's certificate authority, as such are: an RSA root that is kept offline, and two authorities below it.

It answers requests (PKCS#10) as it likes: what it takes from them, and which organisational unit it writes, can be set.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.signatures import has_low_s
from network.ca.by_files import AuthorityByFiles, AwaitedError
from network.ca.choice import Choice, Choices
from network.ca.importing import Material, import_into
from network.identities import OrganisationIdentities

YEAR = dt.timedelta(days=365)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Names = Callable[[x509.Name], x509.Name]


@dataclass
class Authority:
    """One authority with its key."""

    certificate: x509.Certificate
    key: Key
    revoked: list[int] = field(default_factory=list)

    def list(self, *, identifier: bool = True, when: dt.datetime | None = None) -> bytes:
        """Return its revocation list in PEM."""
        when = when or dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, when, when + YEAR)
        for number in self.revoked:
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder(number, when).build())
        if identifier:
            known = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(known, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass
class Company:
    """A root, an authority of its policies, and one that issues certificates to people and machines."""

    root: Authority
    middle: Authority
    issuing: Authority

    @classmethod
    def named(cls, name: str, root: Authority | None = None) -> "Company":
        """Return a new company's, or a department's below a root that there is."""
        root = root or authority(f"{name} root", None, rsa.generate_private_key(65537, 2048))
        middle = authority(f"{name} policy", root, ec.generate_private_key(ec.SECP384R1()))
        return cls(root, middle, authority(f"{name} issuing", middle, ec.generate_private_key(ec.SECP256R1())))

    @property
    def chain(self) -> bytes:
        """Return the authorities in PEM, the root last."""
        return b"".join(pem(each.certificate) for each in (self.issuing, self.middle, self.root))

    def sign(
        self,
        request: bytes,
        *,
        names: Names = lambda name: name,
        extensions: bool = True,
        low_s: bool | None = None,
        validity: tuple[dt.timedelta, dt.timedelta] = (-dt.timedelta(days=1), YEAR),
    ) -> bytes:
        """Return a certificate in PEM for a request; `low_s` chooses the form of its signature."""
        asked = x509.load_pem_x509_csr(request)
        assert asked.is_signature_valid
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder(self.issuing.certificate.subject, names(asked.subject), asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + validity[0])
            .not_valid_after(now + validity[1])
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        wanted = list(asked.extensions) if extensions else []
        for extension in wanted:
            builder = builder.add_extension(extension.value, critical=False)
        if any(isinstance(each.value, x509.SubjectAlternativeName) for each in wanted):
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        while True:
            found = builder.sign(self.issuing.key, hashes.SHA256())
            if low_s in {None, has_low_s(found.signature, "secp256r1")}:
                return pem(found)

    def answer(self, requests: Sequence[bytes], **how: object) -> bytes:
        """Return one file with certificates for all requests, the chain, and every authority's list."""
        lists = b"".join(each.list() for each in (self.root, self.middle, self.issuing))
        return b"".join(self.sign(each, **how) for each in requests) + self.chain + lists  # type: ignore[arg-type]


def authority(name: str, above: Authority | None, key: Key) -> Authority:
    """Return a new authority below another, or a root."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = (
        x509.CertificateBuilder(above.certificate.subject if above else subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - YEAR)
        .not_valid_after(now + 10 * YEAR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Authority(builder.sign(above.key if above else key, hashes.SHA256()), key)


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def enrol(hospital: OrganisationIdentities, signing: Company, tls: Company, *, attributes: bool = True) -> None:
    """Give an organisation everything it needs, from a company's authority for signatures and one for TLS.

    Without attributes the signing certificates carry no extension that was requested.
    """
    Choices(Choice(kind="csr"), Choice(kind="csr")).write(hospital.folder)
    with contextlib.suppress(AwaitedError):
        hospital.create()
    for part, company in ((hospital.signing, signing), (hospital.tls, tls)):
        assert isinstance(part, AuthorityByFiles)
        answer = hospital.folder / "answer.pem"
        requests = [path.read_bytes() for path in sorted(part.requests.glob("*.csr"))]
        answer.write_bytes(company.answer(requests, extensions=attributes or company is tls))
        import_into(part, Material.read([answer]))
        answer.unlink()
    hospital.create()
