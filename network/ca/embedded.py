"""An authority that answers what a Fabric CA answers: registers, enrols, renews, revokes and lists; without HTTP.

What it refuses it refuses with the numbers of Fabric CA (lib/caerrors), so that clients of one know those of the other.
It knows one right: the registrar registers and revokes. Affiliations need not be defined before they are used.
"""

import base64
import datetime as dt
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.signatures import takes
from network.ca.builtin import Authority
from network.ca.keys import pem
from network.ca.registry import Registered, Registry, RegistryError, RightsError, TakenError
from network.ca.subject import ATTRIBUTES_OID, alternative_names
from network.ca.tokens import TokenError, verified
from network.chains import UNREADABLE

TLS_PROFILE = "tls"
SECRET_BYTES = 16
VERSION = "1.5"


class Refusal(Exception):  # noqa: N818  it is what the authority answers, not a failure of its own
    """What a request is answered with: the HTTP status, Fabric CA's number, and what was wrong."""

    def __init__(self, status: int, number: int, text: str) -> None:
        super().__init__(text)
        self.status, self.number, self.text = status, number, text


UNAUTHENTICATED = Refusal(401, 20, "Authentication failure")
UNAUTHORIZED = Refusal(403, 71, "Authorization failure")


@dataclass(frozen=True)
class EmbeddedCa:
    """One CA: its name at the server, its key and certificate, its registry and its revocation list."""

    name: str
    authority: Authority
    registry: Registry
    list_path: Path

    @classmethod
    def open(cls, folder: Path, name: str, registrar: str, secret: str) -> "EmbeddedCa":
        """Open the CA of a folder, and begin it if there is none; a registrar that is registered keeps its secret."""
        authority = Authority.create(folder / "authority", name or "fedledger", f"ca.{name or folder.name}")
        registry = Registry(folder / "registry.json")
        registry.begin(registrar, secret)
        made = cls(name, authority, registry, folder / "crl.pem")
        authority.begin_list(made.list_path)
        return made

    def info(self) -> dict[str, Any]:
        """Return the CA's name and chain."""
        chain = base64.b64encode(self.authority.certificate_pem).decode()
        keys = {"IssuerPublicKey": "", "IssuerRevocationPublicKey": ""}  # of Idemix, which is not offered
        return {"CAName": self.name, "CAChain": chain, **keys, "Version": VERSION}

    def enrol(self, name: str, secret: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return a certificate for somebody who names its secret."""
        try:
            registered = self.registry.enter(name, secret)
        except RightsError:
            raise UNAUTHENTICATED from None
        return self._issued(registered, asked, enrolment=True)

    def renew(self, asker: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return a further certificate for somebody who has one."""
        return self._issued(self.registry.find(asker), asked, enrolment=False)

    def register(self, asker: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Register somebody with the secret that was given, or one that is made."""
        self._require_registrar(asker)
        name, secret = str(asked.get("id") or ""), str(asked.get("secret") or "") or secrets.token_urlsafe(SECRET_BYTES)
        attributes = {str(each["name"]): str(each["value"]) for each in asked.get("attrs") or ()}
        unit, affiliation = str(asked.get("type") or "client"), str(asked.get("affiliation") or "").strip(".")
        try:
            most = int(asked.get("max_enrollments") or 0)
            self.registry.register(name, unit, secret, affiliation, attributes, most)
        except TakenError:
            raise Refusal(409, 74, f"Identity '{name}' is already registered") from None
        except RegistryError as error:
            raise Refusal(400, 0, f"Registration of '{name}' failed: {error}") from None
        return {"secret": secret}

    def revoke(self, asker: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Revoke one certificate, by serial number and issuer, or somebody with all certificates."""
        self._require_registrar(asker)
        serial, name = str(asked.get("serial") or "").replace(":", ""), str(asked.get("id") or "")
        if serial and asked.get("aki"):
            numbers = [self._serial(serial, str(asked["aki"]))]
        elif name:
            try:
                self.registry.revoke(name)
            except RightsError:
                raise Refusal(404, 10, f"Identity {name} was not found") from None
            numbers = [number for number in self.registry.serials(name) if number not in self._revoked()]
        else:
            raise Refusal(400, 15, "Either Name or Serial and AKI are required for a revoke request")
        self.authority.revoke_numbers(numbers, self.list_path)
        issuer = self._issuer().hex()
        return {
            "RevokedCerts": [{"Serial": f"{number:x}", "AKI": issuer} for number in numbers],
            "CRL": self.list(asker)["CRL"] if asked.get("gencrl") else "",
        }

    def list(self, asker: str) -> dict[str, Any]:
        """Return the revocation list."""
        self._require_registrar(asker)
        return {"CRL": base64.b64encode(self.list_path.read_bytes()).decode()}

    def asker(self, header: str, path: str, body: bytes) -> str:
        """Return who asks, by the token of a POST request: the owner of a certificate that is good."""
        try:
            certificate = verified(header, "POST", path, body)
            certificate.verify_directly_issued_by(self.authority.certificate)
        except (TokenError, InvalidSignature, TypeError, *UNREADABLE):
            raise UNAUTHENTICATED from None
        now, owner = dt.datetime.now(dt.UTC), self.registry.owner(certificate.serial_number)
        good = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        if owner is None or not good or certificate.serial_number in self._revoked():
            raise UNAUTHENTICATED
        return owner

    def _issued(self, registered: Registered, asked: Mapping[str, Any], *, enrolment: bool) -> dict[str, Any]:
        wanted = _request(str(asked.get("certificate_request") or ""))
        names = wanted.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if [each.value for each in names] != [registered.name]:
            raise Refusal(403, 77, "The CSR subject common name must equal the enrollment ID")
        extensions = [*_hosts(wanted, asked.get("hosts")), *_attributes(registered, asked.get("attr_reqs"))]
        key = wanted.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        tls = asked.get("profile") == TLS_PROFILE
        certificate = self.authority.sign(_name(registered), key, extensions, tls=tls)
        self.registry.record(registered.name, certificate.serial_number, enrolment=enrolment)
        return {"Cert": base64.b64encode(pem(certificate)).decode(), "ServerInfo": self.info()}

    def _require_registrar(self, asker: str) -> None:
        try:
            self.registry.require_registrar(asker)
        except RightsError:
            raise UNAUTHORIZED from None

    def _serial(self, serial: str, issuer: str) -> int:
        number = int(serial, 16)
        same = int(issuer.replace(":", ""), 16) == int.from_bytes(self._issuer(), "big")
        if not same or self.registry.owner(number) is None:
            raise Refusal(404, 8, f"Certificate with serial {serial} and AKI {issuer} was not found")
        if number in self._revoked():
            raise Refusal(404, 66, f"Certificate with serial {serial} and AKI {issuer} was already revoked")
        return number

    def _issuer(self) -> bytes:
        found = self.authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return found.value.digest

    def _revoked(self) -> set[int]:
        return {each.serial_number for each in x509.load_pem_x509_crl(self.list_path.read_bytes())}


def _request(text: str) -> x509.CertificateSigningRequest:
    try:
        found = x509.load_pem_x509_csr(text.encode())
        good = found.is_signature_valid and takes(found.public_key())
        _ = list(found.extensions)
    except UNREADABLE:
        good = False
    if not good or not isinstance(found.public_key(), ec.EllipticCurvePublicKey):
        raise Refusal(400, 31, "the request is no PKCS#10 request that the key of an elliptic curve signed")
    return found


def _name(registered: Registered) -> x509.Name:
    """Return the name as Fabric CA makes it: type and affiliation as units, whatever the request says."""
    units = [registered.unit, *filter(None, registered.affiliation.split("."))]
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, registered.name)])


def _hosts(wanted: x509.CertificateSigningRequest, hosts: Sequence[str] | None) -> list[x509.ExtensionType]:
    """Return the alternative names that were asked for: beside the request or, where there are none, within it."""
    if hosts:
        return [x509.SubjectAlternativeName(alternative_names(hosts))]
    return [each.value for each in wanted.extensions if isinstance(each.value, x509.SubjectAlternativeName)]


def _attributes(registered: Registered, asked: Sequence[Mapping[str, Any]] | None) -> list[x509.ExtensionType]:
    """Return the attributes that were asked for, all where none were named; Refusal where a needed one is missing."""
    known = {**registered.attributes, **_own_attributes(registered)}
    names = {str(each["name"]): bool(each.get("optional")) for each in asked} if asked else dict.fromkeys(known, True)
    missing = [name for name, optional in names.items() if not optional and name not in known]
    if missing:
        raise Refusal(500, 0, f"The following required attributes are missing: {missing}")
    value = {"attrs": {name: known[name] for name in names if name in known}}
    return [x509.UnrecognizedExtension(ATTRIBUTES_OID, json.dumps(value, separators=(",", ":")).encode())]


def _own_attributes(registered: Registered) -> dict[str, str]:
    return {
        "hf.EnrollmentID": registered.name,
        "hf.Type": registered.unit,
        "hf.Affiliation": registered.affiliation,
    }
