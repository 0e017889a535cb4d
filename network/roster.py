"""Which identities a run folder holds, and adding one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from network import codes
from network.ca.subject import Unit
from network.errors import NetworkError
from network.folders import folder_of
from network.identities import NODE_ATTRIBUTES, identities_of
from network.organisation import here
from network.topology import Consortium

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
ROLES: dict[str, tuple[Unit, dict[str, str]]] = {
    "client": ("client", {}),
    "admin": ("admin", {}),
    "node": ("client", NODE_ATTRIBUTES),
}


@dataclass(frozen=True)
class Entry:
    """One identity's signing certificate; the serial number in hex."""

    organisation: str
    name: str
    unit: str
    serial: str
    valid_until: str
    revoked: bool


def roster(consortium: Consortium, run: Path) -> list[Entry]:
    """Return every identity of every organisation whose folder is here."""
    return [entry for organisation, _ in here(run, consortium) for entry in _entries(run, organisation.name)]


def add(consortium: Consortium, run: Path, organisation: str, name: str, role: str) -> Path:
    """Issue an identity of a role (client, admin, node) and return its folder.

    Raises:
        NetworkError: FL1010 for an unknown organisation, FL1015 for a bad name or role.
    """
    if not NAME.fullmatch(name) or role not in ROLES:
        hint = f"A name has lower-case letters, digits and dashes; a role is one of {', '.join(ROLES)}."
        raise NetworkError(codes.IDENTITY_REFUSED, f"{name} cannot be issued as {role}", where=organisation, hint=hint)
    identities = identities_of(consortium, run, organisation)
    unit, attributes = ROLES[role]
    if identities.organisation.role != "member" and role == "node":
        raise NetworkError(codes.IDENTITY_REFUSED, "only members have nodes", where=organisation)
    return identities.user(name, unit, attributes)


def certificate_of(run: Path, organisation: str, name: str) -> x509.Certificate:
    """Return the signing certificate of a user, peer or orderer; FL1011 if there is none of that name."""
    folder = folder_of(run, organisation).secrets
    found = list(folder.glob(f"*/{name}/msp/signcerts/cert.pem")) if NAME.fullmatch(name) else []
    if not found:
        hint = "See `fedledger identity list`."
        raise NetworkError(
            codes.UNKNOWN_IDENTITY, f"{organisation} has no identity {name}", where=str(folder), hint=hint
        )
    try:
        return x509.load_pem_x509_certificate(found[0].read_bytes())
    except ValueError:
        raise NetworkError(codes.KEY_DAMAGED, "this is not a readable certificate", where=str(found[0])) from None


def revocation_list(run: Path, organisation: str) -> Path:
    """Return where an organisation keeps its revocation list."""
    return folder_of(run, organisation).own.revocations


def _entries(run: Path, organisation: str) -> Iterator[Entry]:
    listed = revocation_list(run, organisation)
    revoked = {e.serial_number for e in x509.load_pem_x509_crl(listed.read_bytes())} if listed.exists() else set()
    for path in sorted(folder_of(run, organisation).secrets.glob("*/*/msp/signcerts/cert.pem")):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        yield Entry(
            organisation=organisation,
            name=path.parents[2].name,
            unit=str(units[0].value) if units else "",
            serial=f"{certificate.serial_number:x}",
            valid_until=certificate.not_valid_after_utc.date().isoformat(),
            revoked=certificate.serial_number in revoked,
        )
