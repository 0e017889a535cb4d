"""The processes of a consortium on real Fabric, and the files that they read."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from fabric_protos.common import common_pb2

from network import codes
from network.devnet_plan import chaincode_processes
from network.errors import NetworkError
from network.fabric.binaries import Binaries, find_binaries
from network.fabric.channel_definition import PROFILE, channel_definition
from network.fabric.configuration import orderer_configuration, peer_configuration
from network.fabric.package import connection_path, write_package
from network.files import write_atomically
from network.folders import OrganisationFolder, folder_of, owner_of
from network.organisation import here
from network.plan import Plan, Process, peer_process
from network.topology import Consortium, Orderer, Organisation

ENVIRONMENT = {
    "GOGC": "50",  # a third less memory at no measurable cost in throughput
    "FABRIC_LOGGING_FORMAT": "json",
    # Not what happens for every transaction and block: the blocks themselves say it.
    "FABRIC_LOGGING_SPEC": "info:grpc=error:comm.grpc.server=warn:gateway=error:endorser=warn:kvledger=warn"
    ":gossip.privdata=warn:committer.txvalidator=warn:orderer.consensus.smartbft=warn:orderer.consensus.etcdraft=warn"
    ":orderer.common.broadcast=error",
}
CONFIGTXGEN_TIMEOUT_S = 60


def fabric_plan(
    consortium: Consortium,
    folders: Sequence[OrganisationFolder],
    program: Path,
    package_id: str,
    binaries: Binaries | None = None,
) -> Plan:
    """Return the processes of the organisations whose folders these are: orderers, peers, members' chaincode.

    Args:
        consortium: Whose processes.
        folders: The organisations' own.
        program: The chaincode's program.
        package_id: That of package.lock, under which the program registers with its peer.
        binaries: Fabric's programs; those of this machine by default.
    """
    _require_hosts(consortium)
    binaries = binaries or find_binaries(consortium.ordering)
    owned = [(consortium.organisation(f.name), f) for f in folders]
    return Plan(
        "fabric",
        (
            *(_orderer(orderer, folder, binaries) for o, folder in owned for orderer in o.orderers),
            *(_peer(o, number, folder, binaries) for o, folder in owned for number, _ in enumerate(o.peers)),
            *chaincode_processes(consortium, folders, program, package_id),
        ),
    )


def _require_hosts(consortium: Consortium) -> None:
    """Refuse IPv6 addresses where Fabric puts host and port together without brackets.

    A gateway does so when it dials an orderer (gateway/registry.go), an orderer when it listens (server/main.go).
    """
    dialled = {host for _, host, _ in consortium.ports()}
    bound = {orderer.bound for _, orderer in consortium.orderers}
    for hosts, verb in ((dialled, "dial"), (bound, "let an orderer listen on")):
        for host in sorted(hosts):
            if ":" in host:
                raise NetworkError(
                    codes.HOST_NOT_FOR_FABRIC,
                    f"Fabric cannot {verb} the IPv6 address {host}",
                    hint="Give the host a name, in `host` and for orderers in `listen` too.",
                )


def render(consortium: Consortium, run: Path) -> None:
    """Write the configuration and the chaincode package of the organisations that are here."""
    version = find_binaries(consortium.ordering).version
    for organisation, folder in here(run, consortium):
        for orderer in organisation.orderers:
            configuration = orderer_configuration(consortium, folder, orderer)
            _write(folder.rendered(orderer.name) / "orderer.yaml", configuration)
        for number, _ in enumerate(organisation.peers):
            configuration = peer_configuration(consortium, folder, organisation, version, number)
            _write(folder.rendered(peer_process(organisation.name, number)) / "core.yaml", configuration)
        if organisation.role == "member":
            write_package(consortium, folder)


def _orderer(orderer: Orderer, folder: OrganisationFolder, binaries: Binaries) -> Process:
    return Process(
        name=orderer.name,
        command=(binaries.path("orderer"),),
        host=orderer.host,
        near=orderer.near,
        port=orderer.port,
        service="orderer",
        organisation=folder.name,
        environment={**ENVIRONMENT, "FABRIC_CFG_PATH": str(folder.rendered(orderer.name))},
        health_port=orderer.operations_port,
        health_root=str(folder.known(folder.name).tls_root),
        other_ports=(orderer.admin_port,),
    )


def _peer(organisation: Organisation, number: int, folder: OrganisationFolder, binaries: Binaries) -> Process:
    peer, name = organisation.peers[number], peer_process(organisation.name, number)
    environment = {**ENVIRONMENT, "FABRIC_CFG_PATH": str(folder.rendered(name))}
    if organisation.role == "member":
        environment["FEDLEDGER_CONNECTION"] = str(connection_path(folder, number))
    return Process(
        name=name,
        command=(binaries.path("peer"), "node", "start"),
        host=peer.host,
        near=peer.near,
        port=peer.port,
        organisation=organisation.name,
        number=number,
        environment=environment,
        health_port=peer.operations_port,
        health_root=str(folder.known(folder.name).tls_root),
        other_ports=(peer.internal_port,),
    )


def make_channel_block(consortium: Consortium, run: Path) -> Any:
    """Return the channel's first block as configtxgen makes it from the public parts; FL1052 if it refuses."""
    folder = folder_of(run, owner_of(run) or consortium.organisations[0].name).rendered("channel")
    _write(folder / "configtx.yaml", channel_definition(consortium, run))
    made = folder / "made.block"
    command = [find_binaries(consortium.ordering).path("configtxgen"), "-configPath", str(folder), "-profile", PROFILE]
    command += ["-channelID", consortium.channel, "-outputBlock", str(made)]
    environment = {"FABRIC_CFG_PATH": str(folder)}
    result = subprocess.run(  # noqa: S603
        command, env=environment, capture_output=True, text=True, check=False, timeout=CONFIGTXGEN_TIMEOUT_S
    )
    if result.returncode != 0:
        raise NetworkError(
            codes.CHANNEL_DEFINITION_REFUSED, f"configtxgen refuses: {result.stderr.strip()[-1000:]}", where=str(folder)
        )
    return common_pb2.Block.FromString(made.read_bytes())


def _write(path: Path, value: Any) -> None:
    write_atomically(path, yaml.safe_dump(value, sort_keys=False))
