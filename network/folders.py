"""Where files lie in a run folder: what an organisation keeps to itself, and what others may know of it.

No other module spells these names.
"""

from dataclasses import dataclass
from pathlib import Path


def definition_path(run: Path) -> Path:
    """Return where the consortium's definition lies, with every default written out."""
    return run / "consortium.yaml"


@dataclass(frozen=True)
class PublicParts:
    """What everybody may know of one organisation: its roots, its revocation lists, its servers' certificates."""

    folder: Path

    @property
    def msp(self) -> Path:
        """Return the MSP folder that the channel's configuration is made of."""
        return self.folder / "msp"

    @property
    def revocations(self) -> Path:
        """Return the list of revoked signing certificates; where there is none, none was revoked."""
        return self.msp / "crls" / "crl.pem"

    @property
    def tls_root(self) -> Path:
        """Return the root of its TLS certificates."""
        return self.folder / "tlsca" / "cert.pem"

    @property
    def tls_intermediates(self) -> Path:
        """Return the folder of the authorities between that root and its certificates; there may be none."""
        return self.msp / "tlsintermediatecerts"

    @property
    def tls_revocations(self) -> Path:
        """Return the list of revoked TLS certificates."""
        return self.folder / "tlsca" / "crl.pem"

    def orderer_certificate(self, name: str) -> Path:
        """Return the certificate that an orderer signs blocks with."""
        return self.folder / "orderers" / name / "msp" / "signcerts" / "cert.pem"

    def orderer_tls_certificate(self, name: str) -> Path:
        """Return the certificate that an orderer shows to those who dial it."""
        return self.folder / "orderers" / name / "tls" / "server.crt"


@dataclass(frozen=True)
class OrganisationFolder:
    """One organisation's own folder: nothing of another organisation's lies in it."""

    root: Path
    name: str

    @property
    def secrets(self) -> Path:
        """Return the folder of its authorities and identities; private keys lie nowhere else."""
        return self.root / "identities" / self.name

    def user(self, name: str) -> Path:
        """Return the identity of a person or a program: msp/ and tls/."""
        return self.secrets / "users" / name

    def peer(self, number: int = 0) -> Path:
        """Return the identity of a peer, counted from 0: msp/ and tls/."""
        return self.secrets / "peers" / f"peer{number}"

    def orderer(self, name: str) -> Path:
        """Return the identity of an orderer: msp/ and tls/."""
        return self.secrets / "orderers" / name

    @property
    def chaincode(self) -> Path:
        """Return the TLS identity of its chaincode process."""
        return self.secrets / "chaincode"

    @property
    def terms(self) -> Path:
        """Return the terms of the federation that its chaincode process expects the founders to agree on."""
        return self.root / "chaincode" / self.name / "definition.json"

    @property
    def blobs(self) -> Path:
        """Return the blobs that its service stores and its chaincode process reads."""
        return self.root / "blobs" / self.name

    def node(self, participant: str) -> Path:
        """Return the folder of one participant's node."""
        return self.root / "nodes" / participant

    def node_blobs(self, participant: str) -> Path:
        """Return the blobs of a participant's node that does not run the organisation's blob service."""
        return self.node(participant) / "blobs"

    def data(self, process: str) -> Path:
        """Return what a process keeps: its ledger."""
        return self.root / "data" / process

    def rendered(self, process: str) -> Path:
        """Return the configuration that a process of Fabric reads; it is written anew before every start."""
        return self.root / "fabric" / process


def folder_of(run: Path, organisation: str) -> OrganisationFolder:
    """Return an organisation's folder in a run folder."""
    return OrganisationFolder(run, organisation)


def public_parts(run: Path, organisation: str) -> PublicParts:
    """Return what a run folder holds of an organisation for everybody to know."""
    return PublicParts(run / "identities" / organisation)


def channel_block(run: Path) -> Path:
    """Return the channel's first block, from which every peer and orderer of Fabric joins."""
    return run / "fabric" / "channel.block"


def package_path(run: Path) -> Path:
    """Return the chaincode's lifecycle package, the same at every organisation."""
    return run / "fabric" / "package.tar.gz"


def lock_path(run: Path) -> Path:
    """Return the lock that names the chaincode's program, beside the definition."""
    return run / "package.lock"


def held_blobs(run: Path) -> Path:
    """Return the folder that holds the blobs of every organisation whose folder is here, as the audit takes it."""
    return run / "blobs"
