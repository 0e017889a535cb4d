"""Creates every organisation's authorities and identities in the MSP folder layout that Fabric reads.

Idempotent: what exists stays, so adding an organisation or an identity later touches nothing else.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from network import codes
from network.ca.builtin import Authority
from network.ca.interface import issue
from network.ca.subject import Subject, Unit
from network.errors import NetworkError
from network.files import make_folder, write_new
from network.folders import folder_of
from network.topology import DEFAULT_DEFINITION, Consortium, Organisation, load_consortium

NODE_UNITS = "\n".join(
    [
        "NodeOUs:",
        "  Enable: true",
        *(
            f"  {unit.capitalize()}OUIdentifier: {{Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: {unit}}}"
            for unit in ("client", "peer", "admin", "orderer")
        ),
        "",
    ]
)
NODE_ATTRIBUTES = {"fl.role": "node"}


@dataclass(frozen=True)
class OrganisationIdentities:
    """The folder of one organisation's authorities and identities."""

    folder: Path
    organisation: Organisation

    @property
    def signing(self) -> Authority:
        """Return the authority of the organisation's signing certificates."""
        return Authority(self.folder / "ca")

    @property
    def tls(self) -> Authority:
        """Return the authority of the organisation's TLS certificates."""
        return Authority(self.folder / "tlsca")

    @property
    def kept_elsewhere(self) -> bool:
        """Return whether the folder holds only what others may know: the organisation's keys are then not ours to make.

        A folder that has public parts of an authority and no authority's key was brought here, not begun here.
        """
        public = ("msp/cacerts/ca.pem", "msp/tlscacerts/ca.pem", "ca/cert.pem", "tlsca/cert.pem")
        known = any((self.folder / part).exists() for part in public)
        return known and not self.signing.has_key and not self.tls.has_key

    def create(self) -> None:
        """Create authorities and what the organisation needs to take part: MSP, nodes and first users.

        What exists stays. Where the organisation's keys are kept elsewhere nothing is created.
        """
        if self.kept_elsewhere:
            return
        name = self.organisation.name
        Authority.create(self.folder / "ca", name, f"ca.{name}")
        tls = Authority.create(self.folder / "tlsca", name, f"tlsca.{name}")
        if tls.has_key:
            tls.begin_list(self.folder / "tlsca" / "crl.pem")  # blob services refuse whose list they do not have
        self._roots(self.folder / "msp")
        for peer in self.organisation.peers:
            self._node("peers/peer0", "peer", peer.name, peer.host, f"peer-{self.organisation.name}")
            names = (f"chaincode-{self.organisation.name}", peer.host)
            self._tls_pair(self.folder / "chaincode", f"chaincode-{self.organisation.name}", "server", names)
        for orderer in self.organisation.orderers:
            self._node(f"orderers/{orderer.name}", "orderer", orderer.name, orderer.host, orderer.name)
        self.user("admin", "admin")
        if self.organisation.role != "orderer":
            self.user("client", "client")
        if self.organisation.role == "member":
            self.user("node", "client", NODE_ATTRIBUTES)

    def user(self, name: str, unit: Unit, attributes: Mapping[str, str] | None = None) -> Path:
        """Create an identity of a person or program, unless it exists, and return its folder.

        Raises:
            NetworkError: FL1016 if it does not exist and the key of an authority is not here; nothing is created then.
        """
        folder = self.folder / "users" / name
        if not folder.exists():
            for authority in (self.signing, self.tls):
                authority.key()
        common_name = f"{name}.{self.organisation.name}"
        self._signing_pair(folder / "msp", Subject(common_name, unit=unit, attributes=attributes or {}))
        self._tls_pair(folder / "tls", common_name, "client", (common_name,))
        return folder

    def _node(self, where: str, unit: Unit, name: str, host: str, process: str) -> None:
        folder = self.folder / where
        self._signing_pair(folder / "msp", Subject(name, unit=unit))
        self._tls_pair(folder / "tls", name, "server", (name, process, host))

    def _signing_pair(self, msp: Path, subject: Subject) -> None:
        self._roots(msp)
        make_folder(msp / "keystore", 0o700)
        issue(self.signing, subject, msp / "keystore" / "key.pem", msp / "signcerts" / "cert.pem")

    def _tls_pair(self, folder: Path, common_name: str, kind: str, hosts: tuple[str, ...]) -> None:
        subject = Subject(common_name, hosts=(*hosts, "localhost", "127.0.0.1"))
        issue(self.tls, subject, folder / f"{kind}.key", folder / f"{kind}.crt")
        write_new(folder / "ca.crt", self.tls.certificate_pem)

    def _roots(self, msp: Path) -> None:
        write_new(msp / "cacerts" / "ca.pem", self.signing.certificate_pem)
        write_new(msp / "tlscacerts" / "ca.pem", self.tls.certificate_pem)
        write_new(msp / "config.yaml", NODE_UNITS)


def identities_of(consortium: Consortium, run: Path, organisation: str) -> OrganisationIdentities:
    """Return the identities of one organisation; FL1010 if the consortium has no such organisation."""
    try:
        found = consortium.organisation(organisation)
    except KeyError:
        names = ", ".join(o.name for o in consortium.organisations)
        raise NetworkError(
            codes.UNKNOWN_ORGANISATION, f"there is no organisation {organisation}", hint=f"There are {names}."
        ) from None
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
