"""What an organisation asks of a certificate authority, whichever kind it has."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from network.ca.keys import create_key, load_key, pem
from network.ca.subject import Subject
from network.chains import Pool
from network.files import write_new


class CertificateAuthority(Protocol):
    """One authority of an organisation: for its signing certificates, or for its TLS certificates.

    Whatever an authority cannot do here raises NetworkError and changes nothing: FL1016 where its key is elsewhere,
    FL1090 where its server does not answer, FL1091 where it refuses, FL1093 where it answers by files.
    """

    def pool(self) -> Pool:
        """Return the roots and intermediates to which its certificates lead."""

    def require_ready(self) -> None:
        """Check that it can be asked for a certificate now."""

    def certify(self, subject: Subject, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """Return a certificate for a subject and the public half of a key; the key proves that it is the asker's."""

    def renew(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        subject: Subject,
        new_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        """Return a certificate for a new key of a subject that has one, asked for with the key of the present one."""

    def require_revocable(self, certificates: Sequence[x509.Certificate]) -> None:
        """Check that it can revoke these now; FL1011 if another authority issued one of them."""

    def revoke(self, certificate: x509.Certificate, path: Path) -> bytes:
        """Revoke a certificate, write the revocation list (PEM) to a path and return it; earlier entries stay."""

    def begin_list(self, path: Path) -> None:
        """Write the revocation list to a path, unless there is one: who finds none cannot know whom to trust."""

    def lists_above(self) -> dict[str, bytes]:
        """Return the newest revocation lists (PEM) of the authorities above it, each by a name for its file."""


def issue(authority: CertificateAuthority, subject: Subject, key_path: Path, certificate_path: Path) -> None:
    """Create key and certificate at these paths; what is there stays.

    Raises:
        NetworkError: what the authority raises; a key that was made stays, and is certified by the next call.
    """
    if certificate_path.exists() and key_path.exists():
        load_key(key_path)
        return
    authority.require_ready()  # before there is a key without a certificate
    key = create_key(key_path)
    if not certificate_path.exists():
        write_new(certificate_path, encoded(authority, subject, authority.certify(subject, key)))


def encoded(authority: CertificateAuthority, subject: Subject, certificate: x509.Certificate) -> bytes:
    """Return a certificate's file.

    A TLS certificate is followed by its intermediates, so that who knows the root alone can follow the chain.
    """
    above = authority.pool().chain(certificate)[1:-1] if not subject.unit else ()
    return b"".join(pem(each) for each in (certificate, *above))
