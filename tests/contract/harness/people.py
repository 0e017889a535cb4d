"""Identities that a well-run consortium would not issue."""

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway import Identity, Signer
from network.ca.builtin import Authority
from network.ca.interface import issue
from network.ca.keys import load_key
from network.ca.subject import Subject
from network.folders import folder_of
from tests.contract.harness.ledger import Ledger
from tests.contract.harness.wire import private_pem

Person = tuple[Identity, Signer]


def stranger(folder: Path, msp_id: str) -> Person:
    """A client of an authority that nobody knows, under the MSP id of a member."""
    authority = Authority.create(folder / "ca", "stranger", "ca.stranger")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    issue(authority, Subject("client", unit="client"), key, certificate)
    return Identity(msp_id, certificate.read_bytes()), Signer.from_pem(key.read_bytes())


def client_valid_until(ledger: Ledger, end: dt.datetime, organisation: str = "hospital-a") -> Person:
    """A client of a member whose certificate ends then."""
    folder = folder_of(ledger.run, organisation).secrets / "ca"
    authority = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    units = [(NameOID.ORGANIZATIONAL_UNIT_NAME, "client"), (NameOID.COMMON_NAME, "briefly")]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, text) for oid, text in units]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(authority.not_valid_before_utc)  # Fabric checks the chain as of this moment
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)  # type: ignore[arg-type]
    )
    certificate = builder.sign(load_key(folder / "key.pem"), hashes.SHA256())
    identity = Identity(ledger.consortium.organisation(organisation).msp_id, _pem(certificate))
    return identity, Signer.from_pem(private_pem(key))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
