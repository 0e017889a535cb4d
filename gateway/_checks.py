"""What can be wrong with an identity, found here before a peer refuses it with fewer words."""

import datetime as dt

from cryptography import x509

from ._identity import AsyncSigner, Identity, Signer


def require_usable(identity: Identity, signer: Signer | AsyncSigner | None, now: dt.datetime) -> None:
    """Check that an identity can sign as itself.

    Args:
        identity: MSP id and certificate.
        signer: its signer; None, or one whose key is elsewhere, is not compared with the certificate.
        now: the time, with its zone.

    Raises:
        ValueError: no MSP id; no certificate, one of an authority, or one that is not valid now; another key's.
    """
    if not identity.msp_id:
        raise ValueError("the identity has no MSP id: give the organisation's, such as Org1MSP")
    certificate = _certificate(identity.certificate)
    subject = certificate.subject.rfc4514_string()
    if _is_authority(certificate):
        raise ValueError(f"the certificate of {subject} is an authority's: put the user's own first, or alone")
    if signer is not None and signer.public_key is not None and signer.public_key != identity.public_key:
        raise ValueError(f"the key does not belong to the certificate of {subject}")
    if now > certificate.not_valid_after_utc:
        raise ValueError(f"the certificate of {subject} ended on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if now < certificate.not_valid_before_utc:
        raise ValueError(
            f"the certificate of {subject} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, "
            f"and this machine's clock says {now:%Y-%m-%d %H:%M}"
        )


def _certificate(pem: object) -> x509.Certificate:
    if not isinstance(pem, bytes):
        raise TypeError(f"the certificate is of type {type(pem).__name__}: give the file's content as bytes")
    try:
        # The first, as a peer takes it: what follows may be its authorities'.
        certificate = x509.load_pem_x509_certificate(pem)
        _ = certificate.extensions  # read here, where what they raise is expected
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise ValueError("the certificate cannot be read: give the content of a PEM file, not its name") from None
    return certificate


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
