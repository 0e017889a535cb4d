"""An authority that answers by files: it gets requests (PKCS#10), and what it returns is imported.

Its folder holds requests/ with one file a certificate and list.json that says what each is for; and, once imported,
issued/ with the certificates, roots.pem, intermediates.pem, imported-crl.pem, and above/ with the revocation lists of
the authorities above the issuing one.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from network import codes
from network.ca.keys import request
from network.ca.subject import Subject
from network.chains import Pool
from network.errors import NetworkError
from network.files import write_atomically, write_new


class AwaitedError(NetworkError):
    """Certificates were requested and are not here yet."""

    def __init__(self, where: Path, what: str = "a certificate was requested and is not here yet") -> None:
        hint = "Have the requests signed, then run `fedledger ca import`."
        super().__init__(codes.CERTIFICATE_AWAITED, what, where=str(where), hint=hint)


@dataclass(frozen=True)
class AuthorityByFiles:
    """What is known here of such an authority."""

    folder: Path

    @property
    def requests(self) -> Path:
        """Return the folder of requests, which the authority gets."""
        return self.folder / "requests"

    def pool(self) -> Pool:
        """Return the roots and intermediates that were imported; AwaitedError if none were."""
        roots = self._certificates("roots.pem")
        if not roots:
            raise AwaitedError(self.requests, "nothing was imported from the authority yet")
        return Pool.of(roots, self._certificates("intermediates.pem"))

    def require_ready(self) -> None:
        """Do nothing: a request can always be written."""

    def certify(self, subject: Subject, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """Return the certificate that was imported for a key; AwaitedError if there is none, its request is written."""
        path = self.certificate_path(key.public_key())
        if path.exists():
            return x509.load_pem_x509_certificate(path.read_bytes())
        raise self._requested(subject, key)

    def _requested(self, subject: Subject, key: ec.EllipticCurvePrivateKey) -> AwaitedError:
        """Write the request for a certificate, and return the error that says so."""
        name = f"{subject.common_name}-{subject.unit or 'tls'}.csr"
        write_atomically(self.requests / name, request(subject.name, key, subject.wanted))
        listed = {**self.listed(), name: _described(subject, key.public_key())}
        write_atomically(self.requests / "list.json", json.dumps(listed, indent=1, sort_keys=True) + "\n")
        return AwaitedError(self.requests / name)

    def listed(self) -> dict[str, dict[str, Any]]:
        """Return what each request is for."""
        path = self.requests / "list.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    def certificate_path(self, key: ec.EllipticCurvePublicKey) -> Path:
        """Return where the certificate of a key lies once it is imported."""
        return self.issued / f"{fingerprint(key)}.pem"

    @property
    def issued(self) -> Path:
        """Return the folder of certificates that were imported."""
        return self.folder / "issued"

    @property
    def list_path(self) -> Path:
        """Return where the revocation list lies that was imported."""
        return self.folder / "imported-crl.pem"

    def renew(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        subject: Subject,
        new_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        """Return the certificate that was imported for a new key, or a newer one for the same; else as `certify`."""
        path = self.certificate_path(new_key.public_key())
        found = x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else certificate
        if found == certificate:
            raise self._requested(subject, new_key)
        del key
        return found

    def require_revocable(self, certificates: Sequence[x509.Certificate]) -> None:
        """Check that the authority revoked these: its list that was imported names them; FL1016 if not."""
        content = self.list_path.read_bytes() if self.list_path.exists() else b""
        revoked = {each.serial_number for each in x509.load_pem_x509_crl(content)} if content else set()
        if not {each.serial_number for each in certificates} <= revoked:
            hint = "Have it revoke the certificate, bring its list with `fedledger ca import`, and try again."
            message = "the authority answers by files and has not revoked this, so nothing was revoked"
            raise NetworkError(codes.AUTHORITY_ELSEWHERE, message, where=str(self.folder), hint=hint)

    def revoke(self, certificate: x509.Certificate, path: Path) -> bytes:
        """Write the list that was imported; FL1016 if it does not name the certificate."""
        self.require_revocable([certificate])
        content = self.list_path.read_bytes()
        write_atomically(path, content)
        return content

    def begin_list(self, path: Path) -> None:
        """Write the list that was imported; AwaitedError if none was."""
        if not self.list_path.exists():
            raise AwaitedError(self.list_path, "the authority's revocation list was not imported yet")
        if not path.exists():
            write_new(path, self.list_path.read_bytes())

    def lists_above(self) -> dict[str, bytes]:
        """Return the lists of the authorities above the issuing one that were imported, by their key identifiers."""
        return {path.stem: path.read_bytes() for path in sorted(self.list_above_path("*").parent.glob("*.pem"))}

    def list_above_path(self, identifier: str) -> Path:
        """Return where the list of an authority above the issuing one lies, by its key identifier in hex."""
        return self.folder / "above" / f"{identifier}.pem"

    def _certificates(self, name: str) -> list[x509.Certificate]:
        path = self.folder / name
        return x509.load_pem_x509_certificates(path.read_bytes()) if path.exists() else []


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """Return what stands for a public key in names of files: its SHA-256 in hex."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def _described(subject: Subject, key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    return {
        "common_name": subject.common_name,
        "unit": subject.unit or "",
        "for": "signatures" if subject.unit else "TLS, as server and client",
        "hosts": list(subject.hosts),
        "attributes": dict(subject.attributes),
        "key": fingerprint(key),
    }
