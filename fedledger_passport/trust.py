"""Whom one trusts: the organisations of a consortium, each with its authorities and revocation lists.

    FOLDER/consortium.json               {"channel": …, "genesis": …, "members": [MSP id, …]}
    FOLDER/MSPID/cacerts/*.pem           roots; intermediatecerts/*.pem and crls/*.pem where there are any

Majority follows from `members` here, never from what a passport says of itself.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from fedledger_passport import codes
from fedledger_passport.errors import PassportError
from fedledger_passport.strict import parse

MAX_CHAIN: Final = 8
NO_PEOPLE: Final = {"peer", "orderer"}
"""Node roles (Fabric's NodeOUs) that speak for no organisation."""


@dataclass(frozen=True)
class Organisation:
    """One member: its roots, the authorities below them, and its revocation lists."""

    msp_id: str
    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]

    def chain(self, certificate: x509.Certificate) -> list[x509.Certificate] | None:
        """Return the certificates from this one to a root, None where it is not of this organisation."""
        chain = [certificate]
        while len(chain) < MAX_CHAIN:
            for authority in (*self.roots, *self.intermediates):
                if authority not in chain and _issued(chain[-1], authority):
                    chain.append(authority)
                    break
            else:
                return None
            if chain[-1] in self.roots:
                return chain
        return None

    def revoked(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Say whether a list that the issuer signed names the certificate."""
        return any(
            one.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
            for one in self.revocations
            if one.issuer == issuer.subject and one.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Trust:
    """A consortium as its verifier knows it."""

    channel: str
    genesis: str
    organisations: tuple[Organisation, ...]

    @property
    def majority(self) -> int:
        """The smallest count that is more than half of the organisations."""
        return len(self.organisations) // 2 + 1

    def signer(self, certificate: x509.Certificate, released_ms: int, now: datetime, where: str) -> str:
        """Return the organisation that vouches for a certificate.

        A passport does not tell when each signed. So a certificate counts unless it had expired before the release, is
        not valid yet, or is revoked: whoever has a stolen key could date back what it signs.

        Raises:
            PassportError: FL6005, nobody vouches for it; FL6006, it is not valid.
        """
        for organisation in self.organisations:
            chain = organisation.chain(certificate)
            if chain is not None:
                _check_chain(organisation, chain, released_ms, now, where)
                return organisation.msp_id
        raise PassportError(codes.UNKNOWN_CERTIFICATE, "no trusted organisation issued the certificate", where=where)

    @classmethod
    def load(cls, folder: Path) -> "Trust":
        """Read a folder; raises PassportError, FL6015."""
        try:
            return cls._read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PassportError(codes.BAD_TRUST, f"{type(error).__name__}: {error}", where=str(folder)) from None

    @classmethod
    def _read(cls, folder: Path) -> "Trust":
        fields = parse((folder / "consortium.json").read_bytes())
        members = fields["members"]
        if not isinstance(members, list) or len(set(members)) != len(members) or not members:
            raise ValueError("members are no list of names, each once")
        organisations = tuple(_organisation(folder, name) for name in members)
        roots = [root for one in organisations for root in one.roots]
        if len(set(roots)) != len(roots):
            raise ValueError("two organisations have the same root")
        return cls(fields["channel"], fields["genesis"], organisations)


def _organisation(folder: Path, name: str) -> Organisation:
    if Path(name).name != name or name.startswith("."):
        raise ValueError(f"{name!r} is no MSP id")
    roots = _read(folder / name / "cacerts")
    if not roots:
        raise ValueError(f"{name} has no root")
    lists = [path.read_bytes() for path in sorted((folder / name / "crls").glob("*.pem"))]
    revocations = tuple(x509.load_pem_x509_crl(raw) for raw in lists)
    return Organisation(name, roots, _read(folder / name / "intermediatecerts"), revocations)


def _read(folder: Path) -> tuple[x509.Certificate, ...]:
    found = [one for path in sorted(folder.glob("*.pem")) for one in x509.load_pem_x509_certificates(path.read_bytes())]
    return tuple(found)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        constraint = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    return constraint.ca


def _check_chain(
    organisation: Organisation, chain: list[x509.Certificate], released_ms: int, now: datetime, where: str
) -> None:
    released = datetime.fromtimestamp(released_ms / 1000, UTC)
    units = chain[0].subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    if NO_PEOPLE & {str(unit.value) for unit in units}:
        text = "the certificate is a peer's or an orderer's"
        raise PassportError(codes.CERTIFICATE_NOT_VALID, text, where=where)
    for at, certificate in enumerate(chain):
        if certificate.not_valid_after_utc < released:
            text = f"it expired {certificate.not_valid_after_utc:%Y-%m-%d}, before the release"
            raise PassportError(codes.CERTIFICATE_NOT_VALID, text, where=where)
        if certificate.not_valid_before_utc > now:
            raise PassportError(codes.CERTIFICATE_NOT_VALID, "it is not valid yet", where=where)
        issuer = chain[min(at + 1, len(chain) - 1)]
        if organisation.revoked(certificate, issuer):
            raise PassportError(codes.CERTIFICATE_NOT_VALID, f"{organisation.msp_id} revoked it", where=where)
