"""Revocation lists as Fabric takes them: by the key identifier of the authority that signed them (msp/mspimpl.go)."""

from collections.abc import Iterable

from cryptography import x509

from network.chains import UNREADABLE, subject_key_identifier, whole


def read_list(pem: bytes) -> x509.CertificateRevocationList:
    """Return a revocation list; raises one of UNREADABLE if it is none."""
    return whole(x509.load_pem_x509_crl(pem))


def key_identifier(found: x509.CertificateRevocationList) -> bytes | None:
    """Return the key identifier of a list's authority; None where it has none: with such a list nobody is accepted."""
    try:
        return found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def authority_of(
    found: x509.CertificateRevocationList, authorities: Iterable[x509.Certificate]
) -> x509.Certificate | None:
    """Return the authority that signed a list, None where it is none of these."""
    identifier = key_identifier(found)
    for each in authorities:
        try:
            same = identifier is not None and identifier == subject_key_identifier(each)
            if same and found.is_signature_valid(each.public_key()):  # type: ignore[arg-type]
                return each
        except (*UNREADABLE, TypeError):
            continue
    return None


def serials(found: x509.CertificateRevocationList) -> frozenset[int]:
    """Return the serial numbers of a list."""
    return frozenset(entry.serial_number for entry in found)
