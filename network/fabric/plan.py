"""The processes of a consortium on real Fabric, and the files that they read."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from network import codes
from network.devnet_plan import chaincode_processes
from network.errors import NetworkError
from network.fabric.binaries import Binaries, find_binaries
from network.fabric.channel_definition import PROFILE, channel_definition
from network.fabric.configuration import orderer_configuration, peer_configuration
from network.fabric.package import connection_path, write_package
from network.files import write_atomically
from network.folders import channel_block, folder_of, public_parts
from network.plan import Plan, Process
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
    consortium: Consortium, run: Path, program: Path, package_id: str, binaries: Binaries | None = None
) -> Plan:
    """Return orderers, a peer for each member and regulator, and a chaincode process for each member.

    Args:
        consortium: Whose processes.
        run: The run folder.
        program: The chaincode's program.
        package_id: That of package.lock, under which the program registers with its peer.
        binaries: Fabric's programs; those of this machine by default.
    """
    _require_hosts(consortium)
    binaries = binaries or find_binaries(consortium.ordering)
    return Plan(
        "fabric",
        (
            *(_orderer(orderer, organisation.name, run, binaries) for organisation, orderer in consortium.orderers),
            *(_peer(organisation, run, binaries) for organisation in consortium.peer_organisations),
            *chaincode_processes(consortium, run, program, lambda _: package_id),
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
    """Write configuration, chaincode package and, once, the channel's first block."""
    for organisation, orderer in consortium.orderers:
        folder = folder_of(run, organisation.name).rendered(orderer.name)
        _write(folder / "orderer.yaml", orderer_configuration(consortium, run, organisation, orderer))
    version = find_binaries(consortium.ordering).version
    for organisation in consortium.peer_organisations:
        folder = folder_of(run, organisation.name).rendered(f"peer-{organisation.name}")
        _write(folder / "core.yaml", peer_configuration(consortium, run, organisation, version))
    write_package(consortium, run)
    if not channel_block(run).exists():
        _make_channel_block(consortium, run)


def _orderer(orderer: Orderer, organisation: str, run: Path, binaries: Binaries) -> Process:
    return Process(
        name=orderer.name,
        command=(binaries.path("orderer"),),
        host=orderer.host,
        near=orderer.near,
        port=orderer.port,
        service="orderer",
        organisation=organisation,
        environment={**ENVIRONMENT, "FABRIC_CFG_PATH": str(folder_of(run, organisation).rendered(orderer.name))},
        health_port=orderer.operations_port,
        health_root=str(public_parts(run, organisation).tls_root),
        other_ports=(orderer.admin_port,),
    )


def _peer(organisation: Organisation, run: Path, binaries: Binaries) -> Process:
    name = f"peer-{organisation.name}"
    environment = {**ENVIRONMENT, "FABRIC_CFG_PATH": str(folder_of(run, organisation.name).rendered(name))}
    if organisation.role == "member":
        environment["FEDLEDGER_CONNECTION"] = str(connection_path(run, organisation))
    return Process(
        name=name,
        command=(binaries.path("peer"), "node", "start"),
        host=organisation.peer.host,
        near=organisation.peer.near,
        port=organisation.peer.port,
        organisation=organisation.name,
        environment=environment,
        health_port=organisation.peer.operations_port,
        health_root=str(public_parts(run, organisation.name).tls_root),
        other_ports=(organisation.peer.internal_port,),
    )


def _make_channel_block(consortium: Consortium, run: Path) -> None:
    folder = channel_block(run).parent / "channel"
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
    made.rename(channel_block(run))


def _write(path: Path, value: Any) -> None:
    write_atomically(path, yaml.safe_dump(value, sort_keys=False))
