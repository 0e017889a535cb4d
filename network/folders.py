"""Where files lie: in one organisation's own folder, and in a test network's, which holds several such folders.

```
FOLDER/                      of one organisation          RUN/                       of a test network
  org.yaml                   whose it is                    consortium.yaml          the definition
  consortium/                what everybody may know        orgs/NAME/               an organisation's folder each
    consortium.yaml          the definition                 network.json, pids/, logs/
    orgs/NAME/, exports/     public parts, as signed
    channel.block            the channel's first block
    package.lock             the chaincode that all agreed on; .next: while it is upgraded, the coming one
  secrets/                   its own keys, nobody else's
  data/ rendered/ blobs/ nodes/
  restored.json              where it was restored from a backup: when
  network.json pids/ logs/
```
No other module spells these names.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from network import codes
from network.errors import NetworkError

OWNER = "org.yaml"
RESTORED = "restored.json"
DEFINITION = "consortium.yaml"


@dataclass(frozen=True)
class PublicParts:
    """What everybody may know of one organisation: its roots, its revocation lists, its orderers' certificates."""

    folder: Path

    @property
    def msp(self) -> Path:
        """Return the MSP folder that the channel's configuration is made of."""
        return self.folder / "msp"

    @property
    def revocations(self) -> Path:
        """Return the list of revoked signing certificates; where there is none, none was revoked."""
        return self.msp / "crls" / "crl.pem"

    def list_above(self, name: str) -> Path:
        """Return the revocation list of an authority above the one that issues signing certificates."""
        return self.msp / "crls" / f"above-{name}.pem"

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
        """Return the list of revoked TLS certificates; in the MSP too, and so in the channel's configuration."""
        return self.msp / "crls" / "tls.pem"

    def orderer_certificate(self, name: str) -> Path:
        """Return the certificate that an orderer signs blocks with."""
        return self.folder / "orderers" / name / "msp" / "signcerts" / "cert.pem"

    def orderer_tls_certificate(self, name: str) -> Path:
        """Return the certificate that an orderer shows to those who dial it."""
        return self.folder / "orderers" / name / "tls" / "server.crt"


@dataclass(frozen=True)
class OrganisationFolder:
    """One organisation's own folder. No private key of another organisation lies in it, and it can be moved."""

    root: Path
    name: str

    @property
    def secrets(self) -> Path:
        """Return the folder of its authorities and identities; private keys lie nowhere else."""
        return self.root / "secrets"

    @property
    def own(self) -> PublicParts:
        """Return its own public parts where they are made; `public_parts` has those that were exported."""
        return PublicParts(self.secrets)

    def known(self, organisation: str) -> PublicParts:
        """Return what it has imported of an organisation, or exported of its own."""
        return PublicParts(self.root / "consortium" / "orgs" / organisation)

    def user(self, name: str) -> Path:
        """Return the identity of a person or a program: msp/ and tls/."""
        return self.secrets / "users" / name

    def peer(self, number: int = 0) -> Path:
        """Return the identity of a peer, counted from 0: msp/ and tls/."""
        return self.secrets / "peers" / f"peer{number}"

    def orderer(self, name: str) -> Path:
        """Return the identity of an orderer: msp/ and tls/."""
        return self.secrets / "orderers" / name

    def chaincode(self, number: int = 0) -> Path:
        """Return the TLS identity of the chaincode process beside a peer."""
        return self.secrets / f"chaincode{number or ''}"

    @property
    def blob_service(self) -> Path:
        """Return the TLS identity that its blob service shows; its certificate bears the host's name."""
        return self.secrets / "blobs"

    @property
    def terms(self) -> Path:
        """Return the terms of the federation that its chaincode process expects the founders to agree on."""
        return self.rendered("chaincode") / "definition.json"

    @property
    def blobs(self) -> Path:
        """Return the blobs that its service stores and its chaincode process reads."""
        return self.root / "blobs"

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
        """Return the configuration that a process reads; it is written anew before every start."""
        return self.root / "rendered" / process

    @property
    def restored(self) -> Path:
        """Return what says that the folder was restored from a backup, and when; it exists only then."""
        return self.root / RESTORED

    @property
    def kind(self) -> Literal["devnet", "fabric"]:
        """Return whether it takes part in a devnet or a fabric network."""
        return "fabric" if _entries(self.root).get("network") == "fabric" else "devnet"


def owner_of(run: Path) -> str | None:
    """Return whose folder this is; None where it is a test network's or new."""
    return str(_entries(run)["organisation"]) if (run / OWNER).exists() else None


def folder_of(run: Path, organisation: str) -> OrganisationFolder:
    """Return an organisation's own folder, given it or the test network's.

    Raises:
        NetworkError: FL1100, the folder is another organisation's.
    """
    owner = owner_of(run)
    if owner is None:
        return OrganisationFolder(run / "orgs" / organisation, organisation)
    if owner != organisation:
        hint = f"Do this where the folder of {organisation} is, or name {owner}."
        message = f"this folder is {owner}'s: nothing of {organisation}'s own lies here"
        raise NetworkError(codes.OTHERS_FOLDER, message, where=str(run), hint=hint)
    return OrganisationFolder(run, organisation)


def public_parts(run: Path, organisation: str) -> PublicParts:
    """Return what a folder has imported of an organisation; in a test network, what it exported itself."""
    root = run if owner_of(run) else folder_of(run, organisation).root
    return OrganisationFolder(root, organisation).known(organisation)


def export_path(run: Path, organisation: str) -> Path:
    """Return the signed file that an organisation's public parts came in."""
    root = run if owner_of(run) else folder_of(run, organisation).root
    return root / "consortium" / "exports" / f"{organisation}.json"


def definition_path(run: Path) -> Path:
    """Return where the consortium's definition lies, with every default written out."""
    return run / "consortium" / DEFINITION if owner_of(run) else run / DEFINITION


def channel_block(folder: Path) -> Path:
    """Return the channel's first block in an organisation's folder."""
    return folder / "consortium" / "channel.block"


def require_channel_block(folder: Path) -> Path:
    """Return where the channel's first block lies in an organisation's folder; FL1108 if it does not."""
    path = channel_block(folder)
    if not path.exists():
        hint = "Import the exports of all organisations, then `fedledger network genesis`."
        raise NetworkError(codes.NO_GENESIS, "the channel's first block is not here", where=str(path), hint=hint)
    return path


def package_path(folder: Path, other: str = "") -> Path:
    """Return the chaincode's lifecycle package in an organisation's folder; the same bytes at every organisation.

    `other` names one of the channel's further chaincodes.
    """
    return folder / "rendered" / (f"package-{other}.tar.gz" if other else "package.tar.gz")


def lock_path(run: Path) -> Path:
    """Return the lock that names the chaincode's program, beside the definition."""
    return run / "consortium" / "package.lock" if owner_of(run) else run / "package.lock"


def other_lock_path(run: Path, chaincode: str) -> Path:
    """Return the lock of one of the channel's further chaincodes."""
    return lock_path(run).with_name(f"package-{chaincode}.lock")


def coming_lock_path(run: Path) -> Path:
    """Return the lock of the chaincode that is about to take the place of the one in force."""
    path = lock_path(run)
    return path.with_name(f"{path.name}.next")


def held_blobs(run: Path) -> Path:
    """Return the folder that holds the blobs of every organisation whose folder is here, as the audit takes it."""
    return run / "blobs" if owner_of(run) else run / "orgs"


def _entries(root: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load((root / OWNER).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise NetworkError(codes.FILE_UNUSABLE, f"cannot read: {error}", where=str(root / OWNER)) from None
    if not isinstance(read, dict) or not isinstance(read.get("organisation"), str):
        raise NetworkError(codes.FILE_UNUSABLE, "this does not say whose folder it is", where=str(root / OWNER))
    return read
