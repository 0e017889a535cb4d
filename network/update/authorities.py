"""Changes of what the channel knows of one organisation's certificates: revocations, roots and intermediates."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from network.ca.keys import pem
from network.ca.lists import authority_of, key_identifier, read_list, serials
from network.chains import UNREADABLE, is_authority, issued, subject_key_identifier, whole
from network.config_update import msp_of, with_msp
from network.files import write_new
from network.update.base import Base, in_force, unfit

UNITS = ("client", "peer", "admin", "orderer")
FIELDS = {
    ("identities", True): "root_certs",
    ("identities", False): "intermediate_certs",
    ("tls", True): "tls_root_certs",
    ("tls", False): "tls_intermediate_certs",
}
"""(what for, whether it is a root) → where an MSP keeps such an authority."""
FOLDERS = {
    "root_certs": "cacerts",
    "intermediate_certs": "intermediatecerts",
    "tls_root_certs": "tlscacerts",
    "tls_intermediate_certs": "tlsintermediatecerts",
}
"""The same in an MSP folder."""


class Revoke(Base):
    """An organisation's new revocation lists, each in the place of its authority's earlier one."""

    kind: Literal["revoke"] = "revoke"
    organisation: str
    """Its MSP id."""
    lists: list[str]
    """In PEM."""

    def apply(self, config: Any) -> Any:
        """Return a copy with these lists; one that takes a revocation back, or is of no authority there, is unfit."""
        msp = known_msp(config, self.organisation)
        msp.revocation_list[:] = replaced(msp, self.lists)
        return with_msp(config, self.organisation, msp)

    @property
    def subject(self) -> str:
        """Return its MSP id."""
        return self.organisation

    def new(self, config: Any) -> list[int]:
        """Return the serial numbers that the channel does not know as revoked yet."""
        before = known_msp(config, self.organisation).revocation_list
        return sorted(_serials(map(str.encode, self.lists)) - _serials(before))


class AddAuthority(Base):
    """One more root or intermediate of an organisation, with its first revocation list; the present ones stay."""

    kind: Literal["add-authority"] = "add-authority"
    organisation: str
    """Its MSP id."""
    purpose: Literal["identities", "tls"]
    certificate: str
    """In PEM."""
    lists: list[str]
    """In PEM; without a list of its own no certificate of a TLS authority is accepted."""

    def apply(self, config: Any) -> Any:
        """Return a copy in which the authority's certificates count like those of the present ones."""
        msp = known_msp(config, self.organisation)
        certificate = read_authority(self.certificate)
        place = getattr(msp, FIELDS[self.purpose, issued(certificate, certificate)])
        if certificate in map(read_certificate, place):
            raise in_force(f"{self.organisation} has this authority")
        place.append(pem(certificate))
        if self.purpose == "identities":
            for unit in UNITS:  # a unit that names its authority would be given by that one alone
                getattr(msp.fabric_node_ous, f"{unit}_ou_identifier").certificate = b""
        elif not any(authority_of(_list(each), [certificate]) for each in self.lists):
            raise unfit("a TLS authority comes with its revocation list: without one none of its certificates counts")
        msp.revocation_list[:] = replaced(msp, self.lists)
        return with_msp(config, self.organisation, msp)

    @property
    def subject(self) -> str:
        """Return its MSP id."""
        return self.organisation


class RemoveAuthority(Base):
    """A root or intermediate of an organisation goes; what it issued counts no more."""

    kind: Literal["remove-authority"] = "remove-authority"
    organisation: str
    """Its MSP id."""
    purpose: Literal["identities", "tls"]
    sha256: str
    """Of the certificate, in hex."""

    def apply(self, config: Any) -> Any:
        """Return a copy without the authority and its revocation lists; the last root stays."""
        msp = known_msp(config, self.organisation)
        found = [(place, each) for place, each in self._present(msp) if fingerprint(each) == self.sha256]
        if not found:
            raise in_force(f"{self.organisation} is without this authority")
        ((place, gone),) = found
        left = [raw for raw in getattr(msp, place) if read_certificate(raw) != gone]
        if not left and place.endswith("root_certs"):
            raise unfit("an organisation keeps one root at least", "Add the new root first.")
        getattr(msp, place)[:] = left
        mine = subject_key_identifier(gone)
        msp.revocation_list[:] = [raw for raw in msp.revocation_list if key_identifier(_list(raw)) != mine]
        return with_msp(config, self.organisation, msp)

    def _present(self, msp: Any) -> Iterable[tuple[str, x509.Certificate]]:
        for root in (True, False):
            place = FIELDS[self.purpose, root]
            for raw in getattr(msp, place):
                yield place, read_certificate(raw)

    @property
    def subject(self) -> str:
        """Return its MSP id."""
        return self.organisation


def known_msp(config: Any, msp_id: str) -> Any:
    """Return a copy of an organisation's FabricMSPConfig; FL1154 if the channel has no such organisation."""
    try:
        return msp_of(config, msp_id)
    except KeyError:
        raise unfit(f"the channel has no organisation {msp_id}") from None


def replaced(msp: Any, lists: Iterable[str]) -> list[bytes]:
    """Return an MSP's revocation lists with new ones, each in the place of those of the same authority."""
    authorities = [read_certificate(raw) for place in FIELDS.values() for raw in getattr(msp, place)]
    new = {raw.encode(): authority_of(_list(raw), authorities) for raw in lists}
    if None in new.values():
        raise unfit("a revocation list is signed by none of the organisation's authorities")
    kept, before, after = list[bytes](), set[tuple[Any, int]](), set[tuple[Any, int]]()
    for raw in msp.revocation_list:
        authority = authority_of(_list(raw), authorities)
        if authority in new.values():
            before |= {(authority, serial) for serial in serials(_list(raw))}
        else:
            kept.append(raw)
    for raw, authority in new.items():
        after |= {(authority, serial) for serial in serials(_list(raw))}
    if back := sorted(f"{serial:x}" for _, serial in before - after):
        raise unfit(f"it would take back the revocation of {', '.join(back)}", "A revocation is for ever.")
    return [*kept, *new]


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate in hex."""
    return certificate.fingerprint(SHA256()).hex()


def read_authority(text: str) -> x509.Certificate:
    """Return an authority's certificate; FL1154 if it is none."""
    certificate = read_certificate(text.encode())
    if not is_authority(certificate) or subject_key_identifier(certificate) is None:
        raise unfit("this is no authority's certificate, or it lacks a key identifier")
    return certificate


def read_certificate(raw: bytes) -> x509.Certificate:
    """Return a certificate; FL1154 if it cannot be read."""
    try:
        return whole(x509.load_pem_x509_certificate(raw))
    except UNREADABLE:
        raise unfit("a certificate cannot be read") from None


def _list(raw: bytes | str) -> x509.CertificateRevocationList:
    try:
        return read_list(raw.encode() if isinstance(raw, str) else raw)
    except UNREADABLE:
        raise unfit("a revocation list cannot be read") from None


def _serials(lists: Iterable[bytes]) -> set[int]:
    return {serial for raw in lists for serial in serials(_list(raw))}


def follow_authority(msp: Path, change: AddAuthority | RemoveAuthority) -> None:
    """Bring the folder of an organisation's MSP after the channel."""
    if isinstance(change, AddAuthority):
        certificate = read_authority(change.certificate)
        place = FOLDERS[FIELDS[change.purpose, issued(certificate, certificate)]]
        if certificate not in map(_in_file, (msp / place).glob("*.pem")):
            write_new(msp / place / f"{fingerprint(certificate)[:16]}.pem", pem(certificate))
        return
    for root in (True, False):
        for path in (msp / FOLDERS[FIELDS[change.purpose, root]]).glob("*.pem"):
            if fingerprint(_in_file(path)) == change.sha256:
                path.unlink()


def _in_file(path: Path) -> x509.Certificate:
    return read_certificate(path.read_bytes())
