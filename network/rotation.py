"""New certificates for an identity that has some, of the same key or a new one; meanwhile the old ones serve.

What is new lies in `secrets/renewed/NAME/` until all of the identity's certificates are there. Then that folder becomes
`NAME.ready`, and each takes its place. Interrupted anywhere, the same command goes on.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from network import codes
from network.ca.by_files import AwaitedError
from network.ca.hsm import TokenReference
from network.ca.interface import CertificateAuthority, encoded
from network.ca.keys import create_key, load_key
from network.ca.msp_folder import ROLES
from network.ca.subject import attributes_of, units_of
from network.errors import NetworkError
from network.files import make_folder, put_in_place, sync_folder, write_new
from network.identities import NODE_ATTRIBUTES, Needed, OrganisationIdentities

RENEWED: Final = "renewed"
_BESIDE: Final = "journal-*.key"
"""What a node keeps beside its identity (fl_node/node/config.py)."""


@dataclass(frozen=True)
class Rotation:
    """What was renewed: the serial numbers of the new certificates in hex, and when the first of them ends."""

    organisation: str
    name: str
    serials: tuple[str, ...]
    valid_until: str
    new_key: bool


def rotate(identities: OrganisationIdentities, name: str, *, new_key: bool) -> Rotation:
    """Renew all certificates of an identity: a user's, a peer's, an orderer's, those of `chaincode` and `blobs`.

    Raises:
        NetworkError: FL1011 if there is no such identity, FL1013 if its key cannot be read and no new one is asked for,
            FL1140 if it must have a new key or can have none; FL1093 once every certificate was requested of an
            authority that answers by files, and what authorities raise. The old certificates serve on then.
    """
    return replace(identities, name, stage(identities, name, new_key=new_key))


def stage(identities: OrganisationIdentities, name: str, *, new_key: bool) -> tuple[Needed, ...]:
    """Have every certificate of an identity issued beside its place, and return them; errors as `rotate`."""
    every = certificates_of(identities, name)
    if _ready(identities, name).exists():
        return every
    waiting = [each for each in every if not _staged(identities, name, each, new_key=new_key)]
    if waiting:
        message = f"{len(waiting)} certificates were requested and are not here yet"
        raise AwaitedError(identities.folder / RENEWED, message)
    return every


def replace(identities: OrganisationIdentities, name: str, every: tuple[Needed, ...]) -> Rotation:
    """Put what was staged in its place."""
    ready = _ready(identities, name)
    if not ready.exists():
        _waiting(identities, name).rename(ready)
        sync_folder(ready.parent)
    new_key = any(_beside(identities, ready, each).key.exists() for each in every)
    for each in every:
        staged = _beside(identities, ready, each)
        for source, target in ((staged.key, each.key), (staged.certificate, each.certificate)):
            if source.exists():
                put_in_place(source, target)
    shutil.rmtree(ready)
    made = [x509.load_pem_x509_certificate(each.certificate.read_bytes()) for each in every]
    until = min(certificate.not_valid_after_utc for certificate in made).date().isoformat()
    serials = tuple(f"{certificate.serial_number:x}" for certificate in made)
    return Rotation(identities.organisation.name, name, serials, until, new_key)


def staged_certificate(identities: OrganisationIdentities, name: str, each: Needed) -> bytes:
    """Return a certificate that is staged, PEM."""
    folder = next(each for each in (_ready(identities, name), _waiting(identities, name)) if each.exists())
    staged = _beside(identities, folder, each).certificate
    return (staged if staged.exists() else each.certificate).read_bytes()


def is_staged(identities: OrganisationIdentities, name: str) -> bool:
    """Say whether something new of an identity waits to take its place, whole or in part."""
    return any(each.exists() for each in (_waiting(identities, name), _ready(identities, name)))


def certificates_of(identities: OrganisationIdentities, name: str) -> tuple[Needed, ...]:
    """Return the certificates of an identity; FL1011 if there is none of that name."""
    found = [each for each in identities.needed() if _place(identities, each)[-1] == name]
    if not found:
        found = list(_of_user(identities, name))
    return tuple(found)


def is_node(identities: OrganisationIdentities, every: tuple[Needed, ...]) -> bool:
    """Say whether an identity is a node's: the ledger knows the key that it signs with."""
    user = identities.folder.joinpath(*_place(identities, every[0]))
    attributes = any(each.subject.attributes.items() >= NODE_ATTRIBUTES.items() for each in every)
    return attributes or any(user.glob(_BESIDE))


def _of_user(identities: OrganisationIdentities, name: str) -> Iterator[Needed]:
    """Yield the certificates of a user that was added, as the one that it has says who it is."""
    path = identities.folder / "users" / name / "msp" / "signcerts" / "cert.pem"
    if "/" in name or not path.exists():
        message = f"{identities.organisation.name} has no identity {name}"
        hint = "See `fedledger identity list`; its services are chaincode and blobs."
        raise NetworkError(codes.UNKNOWN_IDENTITY, message, where=str(identities.folder), hint=hint)
    present = x509.load_pem_x509_certificate(path.read_bytes())
    (unit,) = (each for each in units_of(present) if each in ROLES)
    yield from identities.of_user(name, unit, attributes_of(present))  # type: ignore[arg-type]  # one of ROLES


def _staged(identities: OrganisationIdentities, name: str, each: Needed, *, new_key: bool) -> bool:
    """Have one certificate issued beside its place; return whether it is here."""
    staged = _beside(identities, _waiting(identities, name), each)
    if staged.certificate.exists() and (staged.key.exists() or not new_key):
        return True
    staged.certificate.unlink(missing_ok=True)  # of the same key, and a new one is wanted now
    authority = _authority(identities, each)
    new_key = new_key or staged.key.exists()
    present = _key(each.key)
    _require_fit(identities, each, present, new_key=new_key)
    authority.require_ready()
    make_folder(staged.key.parent, 0o700)
    key = create_key(staged.key, synced=True) if new_key else present
    assert key, "a key that is missing was refused"
    try:
        certificate = _issued(identities, each, present, key)
    except AwaitedError:
        return False
    write_new(staged.certificate, encoded(authority, each.subject, certificate), synced=True)
    return True


def _issued(
    identities: OrganisationIdentities,
    each: Needed,
    present: ec.EllipticCurvePrivateKey | None,
    key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Return the new certificate, asked for with the present one unless that proves nothing any more."""
    authority = _authority(identities, each)
    if present is None or not each.certificate.exists() or _is_revoked(identities, each):
        return authority.certify(each.subject, key)
    certificate = x509.load_pem_x509_certificate(each.certificate.read_bytes())
    try:
        return authority.renew(certificate, present, each.subject, key)
    except NetworkError as error:
        if error.code != codes.AUTHORITY_REFUSED or certificate.not_valid_after_utc > datetime.now(UTC):
            raise
    return authority.certify(each.subject, key)  # a server renews nothing by a certificate that has ended


def _require_fit(
    identities: OrganisationIdentities, each: Needed, present: ec.EllipticCurvePrivateKey | None, *, new_key: bool
) -> None:
    """Check that the certificate may have the key that was asked for."""
    if new_key and each.key.exists() and TokenReference.read(each.key.read_bytes()):
        hint = "Renew it with the same key, or issue another identity with a key of its own in the token."
        raise NetworkError(codes.ROTATION_REFUSED, "its key is in a token", where=str(each.key), hint=hint)
    if new_key:
        return
    if present is None:
        hint = "Restore it from a backup, or give the identity a new one with --new-key."
        raise NetworkError(codes.KEY_DAMAGED, "its private key is not here or damaged", where=str(each.key), hint=hint)
    if _is_revoked(identities, each):
        hint = "Give it a new one with --new-key."
        message = "its certificate is revoked, so its key gets no other"
        raise NetworkError(codes.ROTATION_REFUSED, message, where=str(each.certificate), hint=hint)


def _is_revoked(identities: OrganisationIdentities, each: Needed) -> bool:
    listed = identities.public.revocations if each.subject.unit else identities.public.tls_revocations
    if not (each.certificate.exists() and listed.exists()):
        return False
    number = x509.load_pem_x509_certificate(each.certificate.read_bytes()).serial_number
    return x509.load_pem_x509_crl(listed.read_bytes()).get_revoked_certificate_by_serial_number(number) is not None


def _authority(identities: OrganisationIdentities, each: Needed) -> CertificateAuthority:
    return identities.signing if each.subject.unit else identities.tls


def _key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        return load_key(path)
    except NetworkError as error:
        if error.code != codes.KEY_DAMAGED:
            raise
        return None


def _waiting(identities: OrganisationIdentities, name: str) -> Path:
    return identities.folder / RENEWED / name


def _ready(identities: OrganisationIdentities, name: str) -> Path:
    return identities.folder / RENEWED / f"{name}.ready"


def _beside(identities: OrganisationIdentities, folder: Path, each: Needed) -> Needed:
    """Return where what is new of a certificate lies in a folder until it takes its place."""
    key, certificate = (folder / path.relative_to(identities.folder) for path in (each.key, each.certificate))
    return Needed(each.subject, key, certificate)


def place_of(secrets: Path, key: Path) -> tuple[str, ...]:
    """Return the folder of an identity from its organisation's secrets, its name last, given a key of it."""
    parts = key.relative_to(secrets).parts
    return parts[:2] if parts[0] in {"peers", "orderers", "users"} else parts[:1]


def _place(identities: OrganisationIdentities, each: Needed) -> tuple[str, ...]:
    return place_of(identities.folder, each.key)
