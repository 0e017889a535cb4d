"""Certificate chains, found as Fabric finds them: with Go's crypto/x509 as of a second after the certificate begins.

Sources: msp/mspimpl.go (getUniqueValidationChain, getValidationChain) and Go's Certificate.Verify. Key usages are those
that Go asks for where a caller names none: usable by a server, or no usages named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

E = TypeVar("E", bound=x509.ExtensionType)
Chain = tuple[x509.Certificate, ...]
"""A certificate, its issuer, and so on; the last one is a root."""
_MOMENT = timedelta(seconds=1)
_UNDERSTOOD = {  # critical extensions that Go handles
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CERTIFICATE_POLICIES,
}
_SERVER = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


L = TypeVar("L", x509.Certificate, x509.CertificateRevocationList)
UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What reading another's certificate, request or list may raise, at the latest when its extensions are looked at."""
"""What `cryptography` raises on certificates that others wrote."""


class ChainError(ValueError):
    """A certificate has no chain to a root, or more than one."""


@dataclass(frozen=True)
class Pool:
    """An organisation's authorities; each stands in it once."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]

    @classmethod
    def of(cls, roots: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]) -> "Pool":
        """Return the pool of some certificates."""
        return cls(tuple(dict.fromkeys(roots)), tuple(dict.fromkeys(intermediates)))

    @property
    def issuing(self) -> tuple[x509.Certificate, ...]:
        """Return the authorities that issued no other one: those that give identities."""
        every = (*self.roots, *self.intermediates)
        inner = {above for each in every for above in every if above != each and issued(each, above)}
        return tuple(each for each in every if each not in inner)

    def chain(self, certificate: x509.Certificate) -> Chain:
        """Return the one chain of a certificate; ChainError where there is none or more than one."""
        begins = certificate.not_valid_before_utc + _MOMENT
        try:
            found = [chain for chain in self._chains((certificate,), begins) if all(map(_for_servers, chain))]
        except UNREADABLE as error:
            raise ChainError(f"the certificate cannot be read: {error}") from None
        if not found:
            raise ChainError("certificate signed by unknown authority")
        if len(found) > 1:
            raise ChainError(f"this MSP only supports a single validation chain, got {len(found)}")
        return found[0]

    def _chains(self, below: Chain, now: datetime) -> Iterator[Chain]:
        if not _acceptable(below, now):
            return
        if below[-1] in self.roots:
            yield below
            return
        for authority in (*self.roots, *self.intermediates):
            if authority not in below and issued(below[-1], authority):
                yield from self._chains((*below, authority), now)


def whole(loaded: L) -> L:
    """Return what was loaded, once its extensions were read: they are parsed late, and raise one of UNREADABLE."""
    _ = loaded.extensions
    return loaded


def is_authority(certificate: x509.Certificate) -> bool:
    """Say whether a certificate is an authority's (its basic constraints say so)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def subject_key_identifier(certificate: x509.Certificate) -> bytes | None:
    """Return an authority's key identifier, None where the certificate has none."""
    found = _extension(certificate, x509.SubjectKeyIdentifier)
    return None if found is None else found.digest


def issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Say whether an authority, one that may, signed a certificate (Go: CheckSignatureFrom)."""
    usage = _extension(authority, x509.KeyUsage)
    if certificate.issuer != authority.subject or not is_authority(authority):
        return False
    if usage is not None and not usage.key_cert_sign:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _acceptable(chain: Chain, now: datetime) -> bool:
    """Say whether the last certificate of an unfinished chain may stand in it."""
    last = chain[-1]
    if any(extension.critical and extension.oid not in _UNDERSTOOD for extension in last.extensions):
        return False
    if not last.not_valid_before_utc <= now <= last.not_valid_after_utc:
        return False
    constraints = _extension(last, x509.BasicConstraints)
    most = None if constraints is None else constraints.path_length
    return most is None or len(chain) - 2 <= most


def _for_servers(certificate: x509.Certificate) -> bool:
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    return usages is None or bool(_SERVER & set(usages))


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
