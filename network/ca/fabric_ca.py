"""A Fabric CA as an organisation's authority: through hfc, with keys that are made here and never leave.

A subject is registered under its common name, with its unit as type and its attributes, and then enrolled by the secret
that was chosen for it. The secret is kept beside the keys, so that an enrolment that broke off goes on.
"""

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hfc.fabric_ca.caservice import Enrollment

from network import codes
from network.ca.fabric_ca_client import ALREADY_REGISTERED, ALREADY_REVOKED, FabricCaClient, RefusedError
from network.ca.keys import create_key, pem, request
from network.ca.msp_folder import ROLES
from network.ca.subject import Subject, units_of
from network.chains import ChainError, Pool
from network.errors import NetworkError
from network.files import write_atomically, write_new

SECRET_BYTES = 24
TLS_PROFILE = "tls"


@dataclass(frozen=True)
class Registrar:
    """Who may register and revoke at the CA: its name, and where its secret lies (a file with nothing else)."""

    name: str
    secret_path: Path


@dataclass(frozen=True)
class FabricCa:
    """One CA of a Fabric CA server.

    Attributes:
        client: of the server.
        folder: private; holds the registrar's key and certificate and the secrets of enrolments.
        registrar: needed until it was enrolled once.
    """

    client: FabricCaClient
    folder: Path
    registrar: Registrar

    def pool(self) -> Pool:
        """Return the CA's chain: the roots are those that signed themselves."""
        chain = self._chain
        return Pool.of([c for c in chain if c.issuer == c.subject], [c for c in chain if c.issuer != c.subject])

    def require_ready(self) -> None:
        """Check that the CA answers and knows the registrar."""
        self.pool()
        _ = self._asker

    def certify(self, subject: Subject, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """Register a subject unless it is registered, and enrol it; its attributes are asked for by name."""
        secret = self._register(subject)
        attributes = [{"name": name} for name in subject.attributes]
        profile = "" if subject.unit else TLS_PROFILE
        asked = subject.common_name, secret, _request(subject, key), profile, attributes
        return self._fitting(lambda: self.client.enroll(*asked), subject, key)

    def renew(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        subject: Subject,
        new_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        """Return a certificate for a new key, asked for with the key of the present one (re-enrolment)."""
        asked: dict[str, Any] = {"certificate_request": _request(subject, new_key)}
        if subject.attributes:
            asked["attr_reqs"] = [{"name": name} for name in subject.attributes]
        if not subject.unit:
            asked["profile"] = TLS_PROFILE
        asker = Enrollment(key, pem(certificate))
        return self._fitting(lambda: self.client.reenroll(self.client.named(asked), asker), subject, new_key)

    def _fitting(
        self, answer: Callable[[], tuple[bytes, bytes]], subject: Subject, key: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        """Return the certificate of an answer; FL1091 where it is not the one that was asked for."""
        found = self.client.understood(lambda: x509.load_pem_x509_certificate(answer()[0]))
        roles = [unit for unit in units_of(found) if unit in ROLES]
        if found.public_key() != key.public_key() or (subject.unit and roles != [subject.unit]):
            message = f"the authority certified {subject.common_name} as {', '.join(roles) or 'nothing'}"
            hint = f"There the name is registered otherwise; register it as {subject.unit or 'client'}."
            raise NetworkError(codes.AUTHORITY_REFUSED, message, where=self.client.url, hint=hint)
        return found

    def require_revocable(self, certificates: Sequence[x509.Certificate]) -> None:
        """Check that the CA issued these and lets the registrar make a revocation list."""
        pool = self.pool()
        for each in certificates:
            try:
                pool.chain(each)
            except ChainError:
                raise NetworkError(
                    codes.UNKNOWN_IDENTITY, "another authority issued this certificate, so this one cannot revoke it",
                    where=f"{each.serial_number:x}", hint=f"Its issuer is {each.issuer.rfc4514_string()}.",
                ) from None  # fmt: skip
        self._list()

    def revoke(self, certificate: x509.Certificate, path: Path) -> bytes:
        """Revoke a certificate at the CA and write the CA's list; one that was revoked before stays so."""
        identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        asked = {"serial": f"{certificate.serial_number:x}", "aki": (identifier or b"").hex()}
        try:
            self.client.ask("revoke", self.client.named(asked), self._asker)
        except RefusedError as refused:
            if ALREADY_REVOKED not in refused.reasons:
                raise
        content = self._list()
        listed = self.client.understood(lambda: x509.load_pem_x509_crl(content))
        if listed.get_revoked_certificate_by_serial_number(certificate.serial_number) is None:
            message = "the authority's list does not name the certificate that it revoked"
            raise NetworkError(codes.AUTHORITY_REFUSED, message, where=self.client.url, hint="Try again.")
        write_atomically(path, content)
        return content

    def begin_list(self, path: Path) -> None:
        """Write the CA's list, unless there is a list."""
        if not path.exists():
            write_new(path, self._list())

    def lists_above(self) -> dict[str, bytes]:
        """Return nothing: the server gives its own list alone."""
        return {}

    def _list(self) -> bytes:
        answer = self.client.ask("gencrl", self.client.named({}), self._asker)
        return self.client.understood(lambda: base64.b64decode(answer["CRL"]))

    def _register(self, subject: Subject) -> str:
        """Register a subject unless it is registered, and return its secret."""
        name = subject.common_name
        path = self.folder / "enrolments" / name
        write_new(path, secrets.token_urlsafe(SECRET_BYTES), mode=0o600, synced=True)
        secret = path.read_text()
        asked = {
            "id": name,
            "type": subject.unit or "client",
            "secret": secret,
            "max_enrollments": 0,  # as many as the CA permits: the TLS certificate is an enrolment too
            "affiliation": "",
            "attrs": [{"name": key, "value": value, "ecert": True} for key, value in subject.attributes.items()],
        }
        try:
            self.client.ask("register", self.client.named(asked), self._asker)
        except RefusedError as refused:
            if ALREADY_REGISTERED not in refused.reasons:
                raise
        return secret

    @cached_property
    def _chain(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.client.info())

    @cached_property
    def _asker(self) -> Enrollment:
        """Return the registrar, enrolled now unless it was before."""
        folder = self.folder / "registrar"
        key = create_key(folder / "key.pem", synced=True)
        path = folder / "cert.pem"
        if not path.exists():
            asked = request(_common_name(self.registrar.name), key).decode()
            secret = self._secret()
            write_new(path, self.client.understood(lambda: self.client.enroll(self.registrar.name, secret, asked))[0])
        return Enrollment(key, path.read_bytes())

    def _secret(self) -> str:
        try:
            found = self.registrar.secret_path.read_text().strip()
        except OSError:
            found = ""
        if not found:
            where, hint = str(self.registrar.secret_path), "Write it to this file, readable by its owner alone."
            raise NetworkError(codes.FILE_UNUSABLE, "the registrar's secret is not here", where=where, hint=hint)
        return found


def _request(subject: Subject, key: ec.EllipticCurvePrivateKey) -> str:
    """Return the request for a subject; unit and attributes are what the CA registered."""
    names = [each for each in subject.wanted if isinstance(each, x509.SubjectAlternativeName)]
    return request(_common_name(subject.common_name), key, names).decode()


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
