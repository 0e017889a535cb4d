"""Creates every organisation's authorities and identities in the MSP folder layout that Fabric reads.

Idempotent: what exists stays, so adding an organisation or an identity later touches nothing else.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from network import codes
from network.ca.builtin import Authority
from network.ca.by_files import AwaitedError
from network.ca.choice import Choices, open_authority
from network.ca.interface import CertificateAuthority, issue
from network.ca.keys import pem
from network.ca.msp_folder import write_roots
from network.ca.subject import Subject, Unit
from network.errors import NetworkError
from network.files import make_folder, write_atomically, write_new
from network.folders import PublicParts, folder_of
from network.plan import chaincode_process, peer_process
from network.topology import DEFAULT_DEFINITION, Consortium, Organisation, load_consortium

NODE_ATTRIBUTES = {"fl.role": "node"}


@dataclass(frozen=True)
class Needed:
    """A certificate that an organisation needs, and where it and its key lie."""

    subject: Subject
    key: Path
    certificate: Path


@dataclass(frozen=True)
class OrganisationIdentities:
    """The folder of one organisation's authorities and identities."""

    folder: Path
    organisation: Organisation

    @cached_property
    def choices(self) -> Choices:
        """Return which authorities the organisation chose."""
        return Choices.read(self.folder)

    @cached_property
    def signing(self) -> CertificateAuthority:
        """Return the authority of the organisation's signing certificates."""
        return open_authority(self.choices.signing, self.folder / "ca", self.folder / "enrolment" / "ca")

    @cached_property
    def tls(self) -> CertificateAuthority:
        """Return the authority of the organisation's TLS certificates.

        Where it is the same server's, it knows each name with one secret.
        """
        private = "ca" if self.choices.tls == self.choices.signing else "tlsca"
        return open_authority(self.choices.tls, self.folder / "tlsca", self.folder / "enrolment" / private)

    @property
    def public(self) -> PublicParts:
        """Return what everybody may know of the organisation."""
        return PublicParts(self.folder)

    @property
    def kept_elsewhere(self) -> bool:
        """Return whether the folder holds only what others may know: the organisation's keys are then not ours to make.

        A folder that has public parts of an authority and no authority's key was brought here, not begun here.
        """
        public = ("msp/cacerts/ca.pem", "msp/tlscacerts/ca.pem", "ca/cert.pem", "tlsca/cert.pem")
        known = any((self.folder / part).exists() for part in public)
        own = any((self.folder / part / key).exists() for part in ("ca", "tlsca") for key in ("key.pem", "key.at"))
        return known and self.choices.builtin and not own

    def create(self) -> None:
        """Create authorities and what the organisation needs to take part: MSP, nodes and first users.

        What exists stays. Where the organisation's keys are kept elsewhere nothing is created.

        Raises:
            NetworkError: what an authority raises; FL1093 once everything was asked of one that answers by files.
        """
        if self.kept_elsewhere:
            return
        name = self.organisation.name
        for choice, part in ((self.choices.signing, "ca"), (self.choices.tls, "tlsca")):
            if choice.kind == "builtin":
                Authority.create(self.folder / part, name, f"{part}.{name}")
        self._obtain(self.needed())
        if self.choices.tls.kind != "builtin" or Authority(self.folder / "tlsca").has_key:
            self.tls.begin_list(self.public.tls_revocations)
        if self.choices.signing.kind != "builtin":  # a built-in authority's first list is that of its first revocation
            self.signing.begin_list(self.public.revocations)
        write_roots(self.public.msp, self.signing.pool(), self.tls.pool())
        for name, content in self.signing.lists_above().items():
            write_atomically(self.public.list_above(name), content)
        write_new(self.public.tls_root, pem(self.tls.pool().roots[0]))

    def needed(self) -> Iterator[Needed]:
        """Yield every certificate that the organisation needs to take part."""
        name = self.organisation.name
        for number, peer in enumerate(self.organisation.peers):
            names = (peer.name, peer_process(name, number), *peer.names)
            yield from self._server(f"peers/peer{number}", "peer", names)
            beside = chaincode_process(name, number)
            yield self._tls(f"chaincode{number or ''}", beside, "server", (beside, *peer.names))
        if self.organisation.blob_port is not None:
            yield self._tls("blobs", f"blobs-{name}", "server", (f"blobs-{name}", *self.organisation.names))
        for orderer in self.organisation.orderers:
            yield from self._server(f"orderers/{orderer.name}", "orderer", (orderer.name, *orderer.names))
        yield from self.of_user("admin", "admin")
        if self.organisation.role != "orderer":
            yield from self.of_user("client", "client")
        if self.organisation.role == "member":
            yield from self.of_user("node", "client", NODE_ATTRIBUTES)

    def user(self, name: str, unit: Unit, attributes: Mapping[str, str] | None = None) -> Path:
        """Create an identity of a person or program, unless it exists, and return its folder.

        Raises:
            NetworkError: FL1016 if it does not exist and the key of an authority is not here; nothing is created then.
        """
        folder = self.folder / "users" / name
        if not folder.exists():
            for authority in (self.signing, self.tls):
                authority.require_ready()
        self._obtain(self.of_user(name, unit, attributes or {}))
        return folder

    def of_user(self, name: str, unit: Unit, attributes: Mapping[str, str] = MappingProxyType({})) -> Iterator[Needed]:
        """Yield the certificates of a person or program."""
        common_name = f"{name}.{self.organisation.name}"
        yield self._signing(f"users/{name}", Subject(common_name, unit=unit, attributes=attributes))
        yield self._tls(f"users/{name}/tls", common_name, "client", (common_name,))

    def _server(self, where: str, unit: Unit, names: tuple[str, ...]) -> Iterator[Needed]:
        yield self._signing(where, Subject(names[0], unit=unit))
        yield self._tls(f"{where}/tls", names[0], "server", names)

    def _signing(self, where: str, subject: Subject) -> Needed:
        msp = self.folder / where / "msp"
        return Needed(subject, msp / "keystore" / "key.pem", msp / "signcerts" / "cert.pem")

    def _tls(self, where: str, common_name: str, kind: str, hosts: tuple[str, ...]) -> Needed:
        subject = Subject(common_name, hosts=(*hosts, "localhost", "127.0.0.1"))
        return Needed(subject, self.folder / where / f"{kind}.key", self.folder / where / f"{kind}.crt")

    def _obtain(self, needed: Iterable[Needed]) -> None:
        """Create keys and their certificates, with the roots beside them; AwaitedError once each was asked for."""
        every = list(needed)
        awaited = [each for each in every if not self._issued(each)]
        if awaited:
            raise AwaitedError(self.folder, f"{len(awaited)} certificates were requested and are not here yet")
        for each in every:
            if each.subject.unit:
                write_roots(each.certificate.parent.parent, self.signing.pool(), self.tls.pool())
            else:
                write_new(each.certificate.parent / "ca.crt", pem(self.tls.pool().roots[0]))

    def _issued(self, needed: Needed) -> bool:
        make_folder(needed.key.parent, 0o700)
        try:
            issue(self.signing if needed.subject.unit else self.tls, needed.subject, needed.key, needed.certificate)
        except AwaitedError:
            return False
        return True


def organisation_in(consortium: Consortium, name: str) -> Organisation:
    """Return an organisation by its name; FL1010 if the consortium has no such organisation."""
    try:
        return consortium.organisation(name)
    except KeyError:
        names = ", ".join(o.name for o in consortium.organisations)
        raise NetworkError(
            codes.UNKNOWN_ORGANISATION, f"there is no organisation {name}", hint=f"There are {names}."
        ) from None


def identities_of(consortium: Consortium, run: Path, organisation: str) -> OrganisationIdentities:
    """Return the identities of one organisation; FL1010 if the consortium has no such organisation."""
    found = organisation_in(consortium, organisation)
    return OrganisationIdentities(folder_of(run, organisation).secrets, found)


def create(consortium: Consortium, run: Path) -> None:
    """Create the identities of every organisation of a consortium under a run folder."""
    for organisation in consortium.organisations:
        identities_of(consortium, run, organisation.name).create()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--definition", type=Path, default=DEFAULT_DEFINITION)
    arguments = parser.parse_args()
    create(load_consortium(arguments.definition), arguments.run)
