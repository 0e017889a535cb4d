"""A network for somebody else's contract: organisations org1, org2, … on a channel, as a value that tests use."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from gateway import ConnectionProfile, Gateway, connect, from_msp_folder
from network import bringup
from network.allotment import PORTS_PER_NODE, msp_id_of
from network.connection import consortium_of
from network.folders import folder_of
from network.topology import Consortium

CHANNEL = "mychannel"
CHAINCODE = "basic"
ORGANIZATIONS = 3
PORTS = range(20_000, 32_000, 200)  # below those that systems give to outgoing connections


@dataclass(frozen=True)
class FabricNetwork:
    """A running network.

    Attributes:
        folder: where its identities, ledgers and logs lie.
        channel: the channel's name.
        chaincode: the contract's name on it.
        organizations: their names: org1, org2, …
    """

    folder: Path
    channel: str
    chaincode: str
    organizations: tuple[str, ...]

    def gateway(self, organization: str = "org1", user: str = "client", **options: Any) -> Gateway:
        """Return a gateway to an organisation's peer, for `async with`; options are those of `gateway.connect`.

        Raises:
            ValueError: there is no such organisation or user.
        """
        profile = ConnectionProfile.of(self.connection_profile(organization))
        identity, signer = from_msp_folder(self.msp_folder(organization, user), profile.msp_id)
        return connect(profile.endpoints, identity, signer, **options)

    def msp_folder(self, organization: str = "org1", user: str = "client") -> Path:
        """Return the MSP folder of an organisation's user, `client` or `admin`."""
        return folder_of(self.folder, organization).user(user) / "msp"

    def connection_profile(self, organization: str = "org1") -> dict[str, Any]:
        """Return the connection profile of an organisation, as any of Fabric's clients reads it."""
        if organization not in self.organizations:
            raise ValueError(f"there is no organisation {organization}, there are {', '.join(self.organizations)}")
        consortium = consortium_of(self.folder)
        peer = consortium.organisation(organization).peer
        root = folder_of(self.folder, organization).known(organization).tls_root.read_text()
        return {
            "name": f"devnet-{organization}",
            "version": "1.0.0",
            "client": {"organization": organization},
            "organizations": {organization: {"mspid": msp_id_of(organization), "peers": [peer.name]}},
            "peers": {peer.name: {"url": f"grpcs://{peer.address}", "tlsCACerts": {"pem": root}}},
        }


@contextmanager
def running(  # noqa: PLR0913 a keyword for each thing that can be chosen
    contract: str | Path,
    folder: Path,
    *,
    organizations: int = ORGANIZATIONS,
    channel: str = CHANNEL,
    chaincode: str = CHAINCODE,
    base_port: int | None = None,
    collections: Sequence[Mapping[str, Any]] = (),
    others: Mapping[str, str | Path] = MappingProxyType({}),
) -> Iterator[FabricNetwork]:
    """Bring a network up for a contract, and take it down at the end.

    Args:
        contract: a folder of Go sources, a program that serves as an external chaincode, or "grpc://host:port" of one.
        folder: where everything of the network lies; one that was used before goes on with its ledgers.
        organizations: how many, at least 3; more than half of them must endorse.
        channel: its name.
        chaincode: the contract's name.
        base_port: the first of the ports to use; free ones are looked for by default.
        collections: of the contract's private data, as in Fabric's collections files.
        others: further contracts on the channel by their names, two at most.

    Raises:
        ValueError: collections or names that are none; it says which.
        NetworkError: no Go, a contract that does not compile, a process that does not start; it says which.
    """
    names = tuple(f"org{number}" for number in range(1, organizations + 1))
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    definition = folder.with_name(f"{folder.name}.yaml")
    run = folder
    if not (run / "network.json").exists():
        first = base_port or free_ports(PORTS_PER_NODE * (organizations + 1))
        contracts = {chaincode: contract, **others}
        definition.write_text(_definition(names, channel, contracts, collections, first))
    try:
        bringup.up(bringup.Request(run, "devnet", definition if definition.exists() else None), lambda _: None)
        network = FabricNetwork(run, channel, chaincode, names)
        for name in names:
            (run / f"{name}.json").write_text(json.dumps(network.connection_profile(name), indent=1) + "\n")
        yield network
    finally:
        bringup.down(run)


def free_ports(count: int) -> int:
    """Return the first of `count` ports on which nothing listens; OSError where there are none."""
    for first in PORTS:
        if all(map(_is_free, range(first, first + count))):
            return first
    raise OSError(f"no {count} free ports in a row from {PORTS.start} to {PORTS.stop}")


def _definition(
    names: tuple[str, ...],
    channel: str,
    contracts: Mapping[str, str | Path],
    collections: Sequence[Mapping[str, Any]],
    base_port: int,
) -> str:
    first, *others = ({"name": name, "package": _place(contract)} for name, contract in contracts.items())
    organisations = [{"name": "orderer", "role": "orderer", "orderers": 1}]
    organisations += [{"name": name, "role": "member"} for name in names]
    value = {
        "name": "devnet",
        "channel": channel,
        "base_port": base_port,
        "ordering": "raft",
        "batch_interval_ms": 20,
        "chaincode": {**first, "collections": list(collections)},
        "others": others,
        "organisations": organisations,
    }
    return yaml.safe_dump(Consortium.model_validate(value).model_dump(mode="json", exclude_none=True), sort_keys=False)


def _place(contract: str | Path) -> str:
    return str(contract) if "://" in str(contract) else str(Path(contract).resolve())


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
