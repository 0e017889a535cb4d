"""Which processes a consortium runs on devnet, and the chaincode processes that both networks share."""

import sys
from collections.abc import Callable
from pathlib import Path

from network.addresses import join
from network.folders import folder_of
from network.plan import Plan, Process
from network.topology import Consortium, Organisation

# Bytecode is kept even where the environment forbids it: compiling costs each process a second at every start. One
# arena for gRPC's threads: more cost a peer some megabytes.
PYTHON = {"PYTHONDONTWRITEBYTECODE": "", "MALLOC_ARENA_MAX": "1"}


def devnet_plan(consortium: Consortium, run: Path, program: Path, package_id: str) -> Plan:
    """Return one orderer, a peer for each member and regulator, and a chaincode process for each member.

    `package_id` is that of package.lock, under which the chaincode's program registers with its peer.
    """
    module = (sys.executable, "-m", "network.devnet")
    ordering, orderer = consortium.orderers[0]
    return Plan(
        "devnet",
        (
            Process(
                name=orderer.name,
                command=(*module, "orderer", "--run", str(run)),
                host=orderer.host,
                near=orderer.near,
                port=orderer.port,
                service="orderer",
                organisation=ordering.name,
                environment=PYTHON,
                ready_event=True,
            ),
            *(
                Process(
                    name=f"peer-{organisation.name}",
                    command=(*module, "peer", "--run", str(run), "--org", organisation.name),
                    host=organisation.peer.host,
                    near=organisation.peer.near,
                    port=organisation.peer.port,
                    organisation=organisation.name,
                    environment=PYTHON,
                    ready_event=True,
                )
                for organisation in consortium.peer_organisations
            ),
            *chaincode_processes(consortium, run, program, lambda _: package_id),
        ),
    )


def chaincode_processes(
    consortium: Consortium, run: Path, program: Path, package_id: Callable[[Organisation], str]
) -> tuple[Process, ...]:
    """Return the chaincode process of every member, an external service that only its own peer may dial."""
    return tuple(
        Process(
            name=f"chaincode-{member.name}",
            command=(str(program),),
            host=member.peer.host,
            near=member.peer.near,
            port=member.peer.chaincode_port,
            service="chaincode",
            organisation=member.name,
            environment=_environment(member, run, package_id(member))
            | {"CHAINCODE_TIME_WINDOW": f"{consortium.time_window_s}s"},
        )
        for member in consortium.members
    )


def _environment(member: Organisation, run: Path, package_id: str) -> dict[str, str]:
    folder = folder_of(run, member.name)
    return {
        "CHAINCODE_ID": package_id,
        "CHAINCODE_SERVER_ADDRESS": join(member.peer.bound, member.peer.chaincode_port),
        "CHAINCODE_TLS_KEY": str(folder.chaincode / "server.key"),
        "CHAINCODE_TLS_CERT": str(folder.chaincode / "server.crt"),
        "CHAINCODE_TLS_CLIENT_CA": str(folder.chaincode / "ca.crt"),
        "FEDLEDGER_MSP_ID": member.msp_id,
        "FEDLEDGER_BLOBS": str(folder.blobs),
        "FEDLEDGER_DEFINITION": str(folder.terms),
        "CORE_CHAINCODE_LOGGING_LEVEL": "info",
    }
