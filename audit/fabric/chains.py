"""From a certificate up to a root, by the rules of Go's crypto/x509, which Fabric's peers run.

Fabric sets the clock to one second after the certificate's own beginning, so that a chain holds or not for ever. It
names no purpose, for which Go takes "server": a certificate or authority that is limited to other purposes is refused.
"""

import datetime as dt
from collections.abc import Sequence
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

E = TypeVar("E", bound=x509.ExtensionType)
UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)
"""Critical extensions that Go's crypto/x509 handles; any other makes it refuse the certificate."""
PURPOSES = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


class ChainError(ValueError):
    """A certificate does not lead to a root, or leads there by more than one way."""


def only_chain(
    certificate: x509.Certificate, roots: Sequence[x509.Certificate], others: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Return the authorities above a certificate, its issuer first and a root last; none above a root.

    Raises:
        ChainError: there is no way to a root that holds, or more than one.
    """
    when = certificate.not_valid_before_utc + dt.timedelta(seconds=1)
    complete: list[list[x509.Certificate]] = []
    unfinished = [[certificate]]
    while unfinished:
        path = unfinished.pop()
        if not _holds(path, when):
            continue
        if path[-1] in roots:
            complete.append(path)
            continue
        above = {authority for authority in (*roots, *others) if authority not in path and signed(authority, path[-1])}
        unfinished += [[*path, authority] for authority in above]
    if not complete:
        raise ChainError("none of the organisation's authorities issued the certificate")
    if len(complete) > 1:
        raise ChainError(f"{len(complete)} chains of authorities lead to the certificate, and peers take none then")
    return complete[0][1:]


def signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether an authority, which may issue certificates, issued this one."""
    usage = extension(authority, x509.KeyUsage)
    may = is_authority(authority) and (usage is None or usage.key_cert_sign)
    if not may or authority.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate's basic constraints make it an authority's."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def extension(certificate: x509.Certificate | x509.CertificateRevocationList, kind: type[E]) -> E | None:
    """Return the extension of a kind, None where there is none."""
    return next((found.value for found in certificate.extensions if isinstance(found.value, kind)), None)


def _holds(path: list[x509.Certificate], when: dt.datetime) -> bool:
    """Whether the topmost certificate of a path may stand there; those below were looked at before."""
    top = path[-1]
    constraints, purposes = extension(top, x509.BasicConstraints), extension(top, x509.ExtendedKeyUsage)
    between = len(path) - 2
    longest = constraints.path_length if constraints else None
    return (
        all(not found.critical or found.oid in UNDERSTOOD for found in top.extensions)
        and top.not_valid_before_utc <= when <= top.not_valid_after_utc
        and (longest is None or between <= longest)
        and (purposes is None or not PURPOSES.isdisjoint(purposes))
    )
