"""Takes what an authority that answers by files returned: certificates, their chain, revocation lists.

Everything is checked before anything is written, by the rules that peers follow (network/chains.py), and as of
now. The authorities that the chains lead through become the organisation's roots and intermediates: whoever brings the
files vouches for them.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from network import codes
from network.ca.by_files import AuthorityByFiles, fingerprint
from network.ca.keys import pem
from network.ca.low_s import in_low_s
from network.ca.msp_folder import ROLES
from network.ca.subject import alternative_names, units_of
from network.chains import UNREADABLE, Chain, ChainError, Pool, is_authority, issued, subject_key_identifier
from network.errors import NetworkError
from network.files import write_atomically

PEM = b"-----BEGIN "
Lists = list[x509.CertificateRevocationList]
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Material:
    """What files hold."""

    certificates: tuple[x509.Certificate, ...]
    lists: tuple[x509.CertificateRevocationList, ...]

    @classmethod
    def read(cls, paths: Iterable[Path]) -> "Material":
        """Read certificates (PEM, DER, PKCS#7) and lists (PEM, DER) from files; FL1094 for one that holds neither."""
        certificates: list[x509.Certificate] = []
        lists: list[x509.CertificateRevocationList] = []
        for path in paths:
            found = [each for part in _parts(path.read_bytes()) for each in _parsed(part)]
            if not found:
                raise _unusable("this file holds no certificate and no revocation list", str(path))
            certificates += [each for each in found if isinstance(each, x509.Certificate)]
            lists += [each for each in found if isinstance(each, x509.CertificateRevocationList)]
        return cls(tuple(dict.fromkeys(certificates)), tuple(lists))


@dataclass(frozen=True)
class Imported:
    """What an import brought: names of requests that were answered, and of those that still wait."""

    answered: tuple[str, ...]
    awaited: tuple[str, ...]


def import_into(authority: AuthorityByFiles, material: Material, now: dt.datetime | None = None) -> Imported:
    """Check what an authority returned against what was asked of it, and keep it.

    What belongs to no request of this authority is passed over: files of the signing and of the TLS authority may come
    together. The newest revocation list of every authority in the chains is kept.

    Raises:
        NetworkError: FL1094 if a certificate or list does not fit; nothing is kept then.
    """
    try:
        return _imported(authority, material, now or dt.datetime.now(dt.UTC))
    except UNREADABLE as error:
        raise _unusable(f"a certificate or list is malformed: {error}", str(authority.folder)) from None


def _imported(authority: AuthorityByFiles, material: Material, now: dt.datetime) -> Imported:
    listed = authority.listed()
    asked = {each["key"]: name for name, each in listed.items()}
    pool = _known(authority, material)
    chains: dict[str, Chain] = {}
    for certificate in material.certificates:
        name = asked.get(_key(certificate))
        if name is not None and not is_authority(certificate):
            chains[name] = _checked(certificate, listed[name], pool, now)
    known = {**{name: pool.chain(each) for name, each in _kept(authority, listed).items()}, **chains}
    issuers = {chain[1] for chain in known.values()}
    if len(issuers) > 1:
        names = " and ".join(sorted(each.subject.rfc4514_string() for each in issuers))
        raise _unusable("one authority must issue all certificates of a kind", names)
    lists, above = _lists(material, list(known.values()), now)
    for chain in chains.values():
        write_atomically(authority.certificate_path(chain[0].public_key()), pem(chain[0]))  # type: ignore[arg-type]
    if chains:
        led = Pool.of([c[-1] for c in known.values()], [each for c in known.values() for each in c[1:-1]])
        write_atomically(authority.folder / "roots.pem", b"".join(map(pem, led.roots)))
        write_atomically(authority.folder / "intermediates.pem", b"".join(map(pem, led.intermediates)))
    for each in lists:
        _keep_newer(authority.list_path, each)
    for each in above:
        _keep_newer(authority.list_above_path((key_identifier(each) or b"").hex()), each)
    return Imported(tuple(sorted(chains)), tuple(sorted(set(listed) - set(known))))


def _checked(certificate: x509.Certificate, asked: dict[str, Any], pool: Pool, now: dt.datetime) -> Chain:
    """Return the chain of a certificate that answers a request."""
    where = asked["common_name"]
    try:
        chain = pool.chain(certificate)
    except ChainError as error:
        hint = "Import it together with its authority's whole chain, the root included."
        raise _unusable(f"the certificate's chain does not hold: {error}", where, hint) from None
    for each in chain:
        if not each.not_valid_before_utc <= now <= each.not_valid_after_utc:
            raise _unusable(f"{each.subject.rfc4514_string()} is not valid now", where)
    if asked["unit"]:
        _check_unit(certificate, asked["unit"], where)
    else:
        _check_hosts(certificate, asked["hosts"], where)
    return (*(in_low_s(each, issuer) for each, issuer in pairwise((*chain, chain[-1]))),)


def _check_unit(certificate: x509.Certificate, unit: str, where: str) -> None:
    """Check that the certificate has the one role that was asked for: channel and contract read roles from it."""
    found = [each for each in units_of(certificate) if each in ROLES]
    if found != [unit]:
        shown = ", ".join(units_of(certificate)) or "none"
        hint = "Have the authority take the subject from the request as it is."
        raise _unusable(f"the certificate must have the organisational unit {unit} and has {shown}", where, hint)


def _check_hosts(certificate: x509.Certificate, hosts: Sequence[str], where: str) -> None:
    found = (each.value for each in certificate.extensions if isinstance(each.value, x509.SubjectAlternativeName))
    names = list(next(found, ()))
    missing = [str(each.value) for each in alternative_names(hosts) if each not in names]
    if missing:
        hint = "Have the authority take the alternative names from the request."
        raise _unusable(f"the certificate does not name {', '.join(missing)}", where, hint)


def _lists(material: Material, chains: Sequence[Chain], now: dt.datetime) -> tuple[Lists, Lists]:
    """Return the lists of the issuing authority and of those above; FL1094 where one is bad, or names an authority."""
    issuers = {chain[1] for chain in chains}
    kept: Lists = []
    above: Lists = []
    for authority in {each for chain in chains for each in chain[1:]}:
        for found in (each for each in material.lists if each.issuer == authority.subject):
            _check_list(found, authority, now)
            if authority in issuers:
                kept.append(found)
                continue
            for below in {each for chain in chains for each in chain[1:] if issued(each, authority)}:
                if found.get_revoked_certificate_by_serial_number(below.serial_number) is not None:
                    raise _unusable("this authority is revoked", below.subject.rfc4514_string())
            above.append(found)
    return kept, above


def _check_list(found: x509.CertificateRevocationList, authority: x509.Certificate, now: dt.datetime) -> None:
    where = authority.subject.rfc4514_string()
    if not found.is_signature_valid(authority.public_key()):  # type: ignore[arg-type]  # a CA's key can sign
        raise _unusable("the revocation list is not signed by the authority that it names", where)
    if key_identifier(found) in {None, b""} or key_identifier(found) != subject_key_identifier(authority):
        hint = "Peers would accept nobody; have the authority add it."
        raise _unusable("the revocation list lacks its authority's key identifier", where, hint)
    if found.last_update_utc > now:
        raise _unusable("the revocation list is of a later day", where)


def key_identifier(found: x509.CertificateRevocationList) -> bytes | None:
    """Return the key identifier of the authority that signed a list, None where it has none."""
    named = (each.value for each in found.extensions if isinstance(each.value, x509.AuthorityKeyIdentifier))
    return next((each.key_identifier for each in named), None)


def _known(authority: AuthorityByFiles, material: Material) -> Pool:
    """Return every authority that chains may lead through: those of earlier files, and those of these."""
    own = authority.pool() if (authority.folder / "roots.pem").exists() else Pool((), ())
    present = {each.tbs_certificate_bytes for each in (*own.roots, *own.intermediates)}
    new = [c for c in material.certificates if is_authority(c) and c.tbs_certificate_bytes not in present]
    roots = [each for each in new if issued(each, each)]
    return Pool.of([*own.roots, *roots], [*own.intermediates, *(each for each in new if each not in roots)])


def _kept(authority: AuthorityByFiles, listed: dict[str, dict[str, Any]]) -> dict[str, x509.Certificate]:
    """Return the certificates that earlier files brought, by the names of their requests."""
    paths = {name: authority.issued / f"{each['key']}.pem" for name, each in listed.items()}
    return {name: x509.load_pem_x509_certificate(path.read_bytes()) for name, path in paths.items() if path.exists()}


def _keep_newer(path: Path, found: x509.CertificateRevocationList) -> None:
    """Keep a list unless there is a newer one: an old one would let the revoked in again."""
    kept = x509.load_pem_x509_crl(path.read_bytes()) if path.exists() else None
    if kept is None or kept.issuer != found.issuer or kept.last_update_utc <= found.last_update_utc:
        write_atomically(path, found.public_bytes(_PEM))


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    return fingerprint(key) if isinstance(key, ec.EllipticCurvePublicKey) else ""


def _parts(content: bytes) -> list[bytes]:
    """Return the PEM blocks of a file, or the file where it is not PEM."""
    if PEM not in content:
        return [content]
    return [PEM + part for part in content.split(PEM)[1:]]


def _parsed(part: bytes) -> Sequence[x509.Certificate | x509.CertificateRevocationList]:
    """Return what a part of a file is, in whichever of the usual forms."""
    if part.startswith(PEM):
        kinds: tuple[Any, ...] = (
            x509.load_pem_x509_certificate, x509.load_pem_x509_crl, pkcs7.load_pem_pkcs7_certificates
        )  # fmt: skip
    else:
        kinds = (x509.load_der_x509_certificate, x509.load_der_x509_crl, pkcs7.load_der_pkcs7_certificates)
    for load in kinds:
        try:
            found = load(part)
        except UNREADABLE:
            continue
        return found if isinstance(found, list) else [found]
    return []


def _unusable(message: str, where: str, hint: str = "") -> NetworkError:
    return NetworkError(codes.CERTIFICATE_UNUSABLE, message, where=where, hint=hint)
