"""Which processes a consortium runs on devnet, and the chaincode processes that both networks share."""

import sys
from collections.abc import Sequence
from pathlib import Path

from network.addresses import join
from network.allotment import chaincode_port, external_address
from network.folders import OrganisationFolder
from network.plan import Plan, Process, chaincode_process, peer_process
from network.topology import Consortium, Organisation, Peer

# Bytecode is kept even where the environment forbids it: compiling costs each process a second at every start. One
# arena for gRPC's threads: more cost a peer some megabytes. What is large is mapped by itself and so given back when a
# large block is done with; left alone, glibc raises that limit with each and keeps them.
MODULE = (sys.executable, "-m", "network.devnet")
PYTHON = {
    "PYTHONDONTWRITEBYTECODE": "",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(128 << 10),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 20),
}


def devnet_plan(consortium: Consortium, folders: Sequence[OrganisationFolder], program: Path, package_id: str) -> Plan:
    """Return the processes of the organisations whose folders these are.

    The channel's first orderer orders alone. A member or regulator has its peers, a member's has its chaincode process
    too; `package_id` is that of package.lock, under which the chaincode's program registers with its peer.
    """
    ordering = consortium.orderers[0][0].name
    owned = [(consortium.organisation(folder.name), folder) for folder in folders]
    return Plan(
        "devnet",
        (
            *(_orderer(o, folder) for o, folder in owned if o.name == ordering),
            *(_peer(peer, number, folder) for o, folder in owned for number, peer in enumerate(o.peers)),
            *chaincode_processes(consortium, folders, program, package_id),
        ),
    )


def _orderer(organisation: Organisation, folder: OrganisationFolder) -> Process:
    orderer = organisation.orderers[0]
    return Process(
        name=orderer.name,
        command=(*MODULE, "orderer", "--run", str(folder.root)),
        host=orderer.host,
        near=orderer.near,
        port=orderer.port,
        service="orderer",
        organisation=organisation.name,
        environment=PYTHON,
        ready_event=True,
    )


def _peer(peer: Peer, number: int, folder: OrganisationFolder) -> Process:
    return Process(
        name=peer_process(folder.name, number),
        command=(*MODULE, "peer", "--run", str(folder.root), *(("--number", str(number)) if number else ())),
        host=peer.host,
        near=peer.near,
        port=peer.port,
        organisation=folder.name,
        number=number,
        environment=PYTHON,
        ready_event=True,
    )


def chaincode_processes(
    consortium: Consortium,
    folders: Sequence[OrganisationFolder],
    program: Path,
    package_id: str,
) -> tuple[Process, ...]:
    """Return the chaincode process of each member's peers, an external service that only its own peer may dial."""
    chaincode = consortium.chaincode
    if external_address(chaincode.package):
        return ()
    owned = [(consortium.organisation(folder.name), folder) for folder in folders]
    return tuple(
        Process(
            name=chaincode_process(member.name, number, chaincode.sequence, chaincode.name if chaincode.place else ""),
            command=(str(program),),
            host=peer.host,
            near=peer.near,
            port=chaincode_port(peer, chaincode.sequence, chaincode.place),
            service="chaincode",
            organisation=member.name,
            number=number,
            environment=_environment(member, number, folder)
            | (_as_in_samples(folder.chaincode(number)) if Path(chaincode.package).is_absolute() else {})
            | {
                "CHAINCODE_ID": package_id,
                "CHAINCODE_SERVER_ADDRESS": join(peer.bound, chaincode_port(peer, chaincode.sequence, chaincode.place)),
                "CHAINCODE_TIME_WINDOW": f"{consortium.time_window_s}s",
            },
        )
        for member, folder in owned
        if member.role == "member"
        for number, peer in enumerate(member.peers)
    )


def _as_in_samples(tls: Path) -> dict[str, str]:
    """Return what a contract from elsewhere may ask for under the names of Fabric's samples."""
    return {"CHAINCODE_TLS_DISABLED": "false", "CHAINCODE_CLIENT_CA_CERT": str(tls / "ca.crt")}


def _environment(member: Organisation, number: int, folder: OrganisationFolder) -> dict[str, str]:
    tls = folder.chaincode(number)
    return {
        "CHAINCODE_TLS_KEY": str(tls / "server.key"),
        "CHAINCODE_TLS_CERT": str(tls / "server.crt"),
        "CHAINCODE_TLS_CLIENT_CA": str(tls / "ca.crt"),
        "FEDLEDGER_MSP_ID": member.msp_id,
        "FEDLEDGER_BLOBS": str(folder.blobs),
        "FEDLEDGER_DEFINITION": str(folder.terms),
        "CORE_CHAINCODE_LOGGING_LEVEL": "info",
    }
