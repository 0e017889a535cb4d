"""Takes in another organisation's export: signed by its own administrator, under its own roots, as the definition says.

Whether the roots are the organisation's at all no file can tell: people compare the fingerprint.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from network import codes
from network.ca.lists import key_identifier
from network.chains import UNREADABLE, is_authority, whole
from network.errors import NetworkError
from network.export import Export, is_administrator, write_files
from network.files import write_atomically
from network.folders import export_path, public_parts
from network.topology import Consortium, Organisation

MOST_STEPS: Final = 8
"""Certificates from a leaf to its root; more is no organisation's authority."""


def checked(consortium: Consortium, raw: bytes, *, where: str = "", fingerprint: str = "") -> Export:
    """Return an export if it holds.

    Args:
        consortium: the definition.
        raw: the file.
        where: its name, for errors.
        fingerprint: what the other organisation read out; empty compares none.

    Raises:
        NetworkError: FL1101 if it is no export, FL1102 if signature or certificates do not hold, FL1103 if the
            definition has another such organisation or none, FL1105 if the fingerprint differs.
    """
    found = Export.parse(raw, where)
    require_fingerprint(found, fingerprint, where)
    _check_who(found, consortium, where)
    _check_certificates(found, consortium.organisation(found.organisation), where)
    return found


def checked_alone(raw: bytes, *, where: str = "") -> tuple[Export, Organisation]:
    """Return an export that holds by itself, and its organisation's entry: of a newcomer whom no definition has yet.

    Raises:
        NetworkError: FL1101 if it is no export, FL1102 if signature or certificates do not hold, FL1103 if its entry is
            none, or another organisation's.
    """
    found = Export.parse(raw, where)
    try:
        entry = Organisation.model_validate(dict(found.entry))
    except ValidationError as error:
        raise _mismatch(f"its entry in the definition is none: {error.errors()[0]['msg']}", where) from None
    if (entry.name, entry.msp_id, entry.role) != (found.organisation, found.msp_id, found.role):
        raise _mismatch(f"the export of {found.organisation} has the entry of {entry.name}", where)
    _check_certificates(found, entry, where)
    return found, entry


def require_fingerprint(found: Export, fingerprint: str, where: str = "") -> None:
    """Check that an export is the one whose fingerprint was read out; an empty one compares none. FL1105 if not."""
    if fingerprint and _digits(fingerprint) != _digits(found.fingerprint):
        hint = "Do not use this file: ask the organisation for it again, and compare anew."
        message = f"its fingerprint is {found.fingerprint}, not what was read out"
        raise NetworkError(codes.FINGERPRINT_DIFFERS, message, where=where, hint=hint)


def keep(folder: Path, found: Export, *, where: str = "", replace: bool = False) -> None:
    """Write what an export holds into an organisation's folder; the same export again changes nothing.

    Raises:
        NetworkError: FL1104 if it differs from the one kept before, unless it may replace that; nothing is written.
    """
    path = export_path(folder, found.organisation)
    if path.exists() and not replace and path.read_bytes() != found.dump():
        hint = f"Compare the fingerprint {found.fingerprint} with {found.organisation}, then import with --replace."
        message = f"another export of {found.organisation} was imported before"
        raise NetworkError(codes.EXPORT_CHANGED, message, where=where, hint=hint)
    write_files(found, public_parts(folder, found.organisation).folder)
    if not path.exists() or path.read_bytes() != found.dump():
        write_atomically(path, found.dump())


def _check_who(found: Export, consortium: Consortium, where: str) -> None:
    for organisation in consortium.organisations:
        if organisation.name == found.organisation:
            if (organisation.msp_id, organisation.role) == (found.msp_id, found.role):
                return
            text = f"the definition has {organisation.name} as {organisation.role} {organisation.msp_id}"
            raise _mismatch(f"{text}, the export as {found.role} {found.msp_id}", where)
    raise _mismatch(f"the definition has no organisation {found.organisation[:80]}", where)


def _mismatch(message: str, where: str) -> NetworkError:
    hint = "Use one definition at every organisation."
    return NetworkError(codes.EXPORT_MISMATCH, message, where=where, hint=hint)


def _check_certificates(found: Export, organisation: Organisation, where: str) -> None:
    """Check that everything in an export follows from the roots in it."""
    try:
        signing = _Authorities.of(found, "msp/cacerts/", "msp/intermediatecerts/")
        tls = _Authorities.of(found, "msp/tlscacerts/", "msp/tlsintermediatecerts/")
        _check_signature(found, signing)
        tls.require_root(_load(found.files["tlsca/cert.pem"]))
        for orderer in organisation.orderers:
            signing.require(_load(found.files[f"orderers/{orderer.name}/msp/signcerts/cert.pem"]))
            tls.require(_load(found.files[f"orderers/{orderer.name}/tls/server.crt"]))
        tls.require_list(found.files["msp/crls/tls.pem"])
        for path, text in found.files.items():
            if path.startswith("msp/crls/") and path != "msp/crls/tls.pem":
                signing.require_list(text)
        found.files["msp/config.yaml"]
    except KeyError as error:
        raise _unproven(f"it lacks {error.args[0]}", where) from None
    except ValueError as error:
        raise _unproven(str(error), where) from None


def _unproven(message: str, where: str) -> NetworkError:
    hint = "Ask the organisation to run `fedledger org export` again, and compare the fingerprint."
    return NetworkError(codes.EXPORT_UNPROVEN, f"this export does not hold: {message}", where=where, hint=hint)


def _check_signature(found: Export, signing: "_Authorities") -> None:
    certificate = _load(found.certificate)
    signing.require(certificate)
    key = certificate.public_key()
    if not is_administrator(certificate) or not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("it is not signed by an administrator of the organisation")
    revoked = [_load_list(text) for path, text in found.files.items() if path.startswith("msp/crls/")]
    if any(each.get_revoked_certificate_by_serial_number(certificate.serial_number) for each in revoked):
        raise ValueError("the administrator's certificate is revoked")
    try:
        key.verify(found.signature, found.content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise ValueError("the signature is not of this content") from None


class _Authorities:
    """The roots and intermediates of an export, for signing or for TLS."""

    def __init__(self, roots: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]) -> None:
        if not roots:
            raise ValueError("it has no root certificate")
        self._roots = roots
        self._all = [*roots, *intermediates]
        for each in self._all:
            if not is_authority(each):
                raise ValueError("a certificate among the authorities is no authority's")
        for each in intermediates:
            self.require(each)

    @classmethod
    def of(cls, found: Export, roots: str, intermediates: str) -> "_Authorities":
        def under(folder: str) -> list[x509.Certificate]:
            return [_load(text) for path, text in found.files.items() if path.startswith(folder)]

        return cls(under(roots), under(intermediates))

    def require(self, certificate: x509.Certificate) -> None:
        """Raise ValueError unless a certificate leads to a root."""
        current = certificate
        for _ in range(MOST_STEPS):
            issuer = _issuer(current, self._all)
            if issuer is None:
                break
            if issuer in self._roots:
                return
            current = issuer
        name = certificate.subject.rfc4514_string()
        raise ValueError(f"the certificate of {name} does not come from the organisation's roots")

    def require_root(self, certificate: x509.Certificate) -> None:
        """Raise ValueError unless a certificate is an authority of these."""
        if certificate not in self._all:
            raise ValueError("tlsca/cert.pem is none of the organisation's TLS authorities")

    def require_list(self, text: str) -> None:
        """Raise ValueError unless an authority of these signed a revocation list."""
        found = _load_list(text)
        if key_identifier(found) is None:
            raise ValueError("a revocation list names no key identifier, and with such a list nobody is accepted")
        if not any(found.is_signature_valid(each.public_key()) for each in self._all):  # type: ignore[arg-type]
            raise ValueError("a revocation list is not signed by the organisation's authority")


def _issuer(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> x509.Certificate | None:
    for each in authorities:
        try:
            certificate.verify_directly_issued_by(each)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return each
    return None


def _load(text: str) -> x509.Certificate:
    try:
        return whole(x509.load_pem_x509_certificate(text.encode()))
    except UNREADABLE:
        raise ValueError("a certificate in it cannot be read") from None


def _load_list(text: str) -> x509.CertificateRevocationList:
    try:
        return whole(x509.load_pem_x509_crl(text.encode()))
    except UNREADABLE:
        raise ValueError("a revocation list in it cannot be read") from None


def _digits(text: str) -> str:
    return "".join(text.split()).lower()
