"""What a client of one organisation needs to reach the network of a run folder."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from gateway import Endpoint, Gateway, Identity, RetryPolicy, Signer, connect
from network import codes
from network.ca.keys import signer_of
from network.errors import NetworkError
from network.folders import OrganisationFolder, definition_path, folder_of, owner_of
from network.topology import Consortium, Organisation, load_consortium


@dataclass(frozen=True)
class Profile:
    """One user's identity, its organisation's endpoints, and everyone's roots of trust; *_pem is PEM."""

    run: Path
    organisation: str
    msp_id: str
    cert_pem: bytes
    key_pem: bytes = field(repr=False)
    """The key, or which key of a token it is (network/ca/hsm.py)."""
    tls_client_cert_pem: bytes
    tls_client_key_pem: bytes = field(repr=False)
    peers: tuple[tuple[str, bytes], ...]
    """(host:port, TLS root) of the organisation's own peers."""
    orderers: tuple[tuple[str, bytes], ...]
    channel: str
    chaincode: str
    blobs: dict[str, str]
    """The URL of every blob service that others can reach, by organisation."""
    tls_roots: dict[str, bytes]
    """The TLS root of every organisation."""

    @property
    def signer(self) -> Signer:
        """Return who signs as the user; ValueError if the key is none that Fabric takes, FL1095 if a token fails."""
        return signer_of(self.key_pem)

    def gateway(self, retry: RetryPolicy | None = None) -> Gateway:
        """Return a gateway to the peers that connects with its first call or `async with`.

        Raises:
            NetworkError: FL1013, no peer would take this certificate with this key.
        """
        endpoints = [Endpoint(address, root_certificates=root) for address, root in self.peers]
        try:
            return connect(endpoints, Identity(self.msp_id, self.cert_pem), self.signer, retry=retry)
        except ValueError as error:
            hint = codes.CATALOGUE[codes.KEY_DAMAGED].hint
            raise NetworkError(codes.KEY_DAMAGED, str(error), where=self.organisation, hint=hint) from None

    @property
    def own_tls_root(self) -> bytes:
        """Return the TLS root of the own organisation."""
        return self.tls_roots[self.organisation]

    @property
    def tls_bundle_pem(self) -> bytes:
        """Return the TLS roots of all organisations in one."""
        return b"".join(self.tls_roots.values())


def profile(run: Path, org: str, user: str = "client") -> Profile:
    """Read a user's profile.

    Raises:
        NetworkError: FL1020 if there is no consortium, FL1010 or FL1011 if it has no such organisation or user.
    """
    consortium = consortium_of(run)
    organisation = _organisation(consortium, org)
    own = folder_of(run, org)
    folder = own.user(user)
    if not (folder / "msp" / "signcerts" / "cert.pem").exists():
        hint = f"Create it with `fedledger identity add {org} {user}`."
        raise NetworkError(codes.UNKNOWN_IDENTITY, f"{org} has no identity {user}", where=str(folder), hint=hint)
    roots = {o.name: own.known(o.name).tls_root.read_bytes() for o in consortium.organisations}
    return Profile(
        run=run,
        organisation=org,
        msp_id=organisation.msp_id,
        cert_pem=(folder / "msp" / "signcerts" / "cert.pem").read_bytes(),
        key_pem=(folder / "msp" / "keystore" / "key.pem").read_bytes(),
        tls_client_cert_pem=(folder / "tls" / "client.crt").read_bytes(),
        tls_client_key_pem=(folder / "tls" / "client.key").read_bytes(),
        peers=tuple((peer.address, roots[org]) for peer in organisation.peers),
        orderers=tuple((orderer.address, roots[o.name]) for o, orderer in consortium.orderers),
        channel=consortium.channel,
        chaincode=consortium.chaincode.name,
        blobs=consortium.blob_services,
        tls_roots=roots,
    )


def consortium_of(run: Path) -> Consortium:
    """Return the consortium as it was brought up in a run folder; FL1020 if none was."""
    path = definition_path(run)
    if not path.exists():
        hint = "Start one with `fedledger network up`."
        raise NetworkError(codes.NO_NETWORK, "there is no network here", where=str(run), hint=hint)
    return load_consortium(path)


def own_folder(run: Path) -> tuple[OrganisationFolder, Consortium]:
    """Return an organisation's own folder and the definition in it; FL1033 if this is no organisation's folder."""
    owner = owner_of(run)
    if owner is None:
        hint = "Begin it with `fedledger org init`, or name it with --run."
        raise NetworkError(codes.NOT_A_RUN_FOLDER, "this is no organisation's folder", where=str(run), hint=hint)
    return folder_of(run, owner), consortium_of(run)


def organisation_of(run: Path, org: str) -> Organisation:
    """Return an organisation of a run folder's consortium; FL1020 or FL1010 if there is none."""
    return _organisation(consortium_of(run), org)


def _organisation(consortium: Consortium, org: str) -> Organisation:
    try:
        return consortium.organisation(org)
    except KeyError:
        names = ", ".join(o.name for o in consortium.peer_organisations)
        raise NetworkError(
            codes.UNKNOWN_ORGANISATION, f"there is no organisation {org}", hint=f"There are {names}."
        ) from None


def network_kind(run: Path) -> str:
    """Return devnet or fabric."""
    return str(json.loads((run / "network.json").read_bytes())["kind"])
