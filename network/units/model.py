"""What each process of one organisation runs, writes, acts with and shows to others: the one model of all formats."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from network import codes
from network.devnet_plan import PYTHON
from network.errors import NetworkError
from network.plan import Plan, Process, Service
from network.topology import Consortium, Organisation
from network.units.places import Places

MEMORY_MB: Final[dict[Service, int]] = {
    "orderer": 1024,
    "peer": 2048,
    "chaincode": 1024,
    "node": 6144,  # 4 GB of it for the plan that it trains (`node run --plan-memory-mb`)
    "blobs": 512,
    "dashboard": 2048,
}
"""What a process may take before its host ends it."""
DASHBOARD_PORT: Final = 8440
OBSERVE_OFFSET: Final = 2
"""A node's metrics listen so far above its blob service's port (fl_node/node/start.py)."""


@dataclass(frozen=True)
class Wishes:
    """What an organisation decides about its own processes.

    Attributes:
        data: The rows that its node trains on; None for a node that holds blobs and attests.
        participant: Its id on the ledger; the organisation's name where empty.
        blobs_only: Run the blob service alone, because the node is on another machine.
        host: Only the processes of this host; those of all hosts where empty.
    """

    data: Path | None = None
    participant: str = ""
    blobs_only: bool = False
    host: str = ""


@dataclass(frozen=True)
class Unit:
    """A process as its host runs it.

    Attributes:
        process: What is started, with which environment, and where it answers.
        identity: The folder of the keys and certificates that it acts with; no other process's.
        keys: The private keys below it.
        connection: The file that tells a peer of Fabric how to dial its chaincode process; it holds a key too.
        writes: Folders that it writes.
        needs: Folders of the organisation's folder that it reads, beside identities and definition.
        reads: What it reads outside the organisation's folder.
        after: Names of processes that are started before it.
        host: The host that it runs on.
        dialled: Ports that other organisations dial.
        metrics: Port of its figures; they and everything else not dialled stay on loopback.
        alive: The command that ends with 0 where the process does its work; empty where its port says it.
    """

    process: Process
    identity: Path
    keys: tuple[Path, ...]
    host: str
    connection: Path | None = None
    writes: tuple[Path, ...] = ()
    needs: tuple[Path, ...] = ()
    reads: tuple[Path, ...] = ()
    after: tuple[str, ...] = ()
    dialled: tuple[int, ...] = ()
    metrics: int | None = None
    alive: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the process's name."""
        return self.process.name

    @property
    def memory_mb(self) -> int:
        """Return what it may take of memory."""
        return MEMORY_MB[self.process.service]

    @property
    def confines_plans(self) -> bool:
        """Return whether it starts plans and shuts them in, for which it needs namespaces and landlock."""
        return self.process.service == "node"


def units_of(consortium: Consortium, plan: Plan, organisation: str, places: Places, wishes: Wishes) -> tuple[Unit, ...]:
    """Return the units of one organisation in the order in which they start.

    Args:
        consortium: The definition.
        plan: Every process of the consortium, with the paths that it has at the organisation's places.
        organisation: Whose units.
        places: Where folder and programs are on its hosts.
        wishes: What the organisation decides.

    Raises:
        NetworkError: FL1010, no such organisation; FL1022, none of its processes is on that host.
    """
    try:
        own = consortium.organisation(organisation)
    except KeyError:
        names = ", ".join(o.name for o in consortium.organisations)
        hint = f"There are {names}."
        raise NetworkError(codes.UNKNOWN_ORGANISATION, f"there is no organisation {organisation}", hint=hint) from None
    of_network = tuple(p for p in plan.processes if p.organisation == organisation)
    chaincodes = tuple(p for p in of_network if p.service == "chaincode")
    started = tuple(_of_network(process, places, chaincodes) for process in of_network)
    beside = tuple(_beside(own, places, wishes, tuple(p.name for p in of_network)))
    units = tuple(u for u in (*started, *beside) if not wishes.host or u.host == wishes.host)
    if not units:
        hosts = ", ".join(sorted({u.host for u in (*started, *beside)}))
        message = f"{organisation} has no process on {wishes.host}"
        raise NetworkError(codes.UNKNOWN_PROCESS, message, hint=f"Its hosts are {hosts}.")
    return units


def _of_network(process: Process, places: Places, chaincodes: tuple[Process, ...]) -> Unit:
    folder = places.organisation(process.organisation)
    relocated = replace(process, command=tuple(places.program(word) for word in process.command))
    if process.service == "chaincode":
        identity, needs = folder.chaincode(process.number), (folder.terms.parent, folder.blobs)
        return Unit(relocated, identity, (identity / "server.key",), process.host, needs=needs)
    identity = folder.orderer(process.name) if process.service == "orderer" else folder.peer(process.number)
    connection = process.environment.get("FEDLEDGER_CONNECTION")
    return Unit(
        relocated,
        identity,
        (identity / "msp" / "keystore" / "key.pem", identity / "tls" / "server.key"),
        process.host,
        connection=Path(connection) if connection else None,
        writes=(folder.data(process.name),),
        needs=(places.folder / "rendered",) if process.environment.get("FABRIC_CFG_PATH") else (),
        after=tuple(p.name for p in chaincodes if p.number == process.number) if connection else (),
        dialled=(process.port,),
        metrics=process.health_port,
    )


def _beside(own: Organisation, places: Places, wishes: Wishes, after: tuple[str, ...]) -> Iterator[Unit]:
    """Yield what an organisation runs beside Fabric: its node or its blob service, or a regulator's dashboard."""
    if own.role == "member":
        yield (_blobs if wishes.blobs_only else _node)(own, places, wishes, after)
    elif own.role == "regulator":
        yield _dashboard(own, places, after)


def _node(own: Organisation, places: Places, wishes: Wishes, after: tuple[str, ...]) -> Unit:
    assert own.blob_port, "the definition gives every member a blob service"
    folder, name = places.organisation(own.name), wishes.participant or own.name
    journal_key = places.folder / "journal-keys" / f"{name}.key"
    common = ("--org", own.name, "--run", str(places.folder))
    command = [places.fedledger, "node", "run", *common, "--journal-key", str(journal_key)]
    command += ["--participant", wishes.participant] if wishes.participant else []
    command += ["--data", str(wishes.data)] if wishes.data else []
    process = Process(
        f"node-{name}",
        tuple(command),
        own.blob_port,
        own.host,
        service="node",
        organisation=own.name,
        environment=PYTHON,
    )
    user = folder.user("node")
    return Unit(
        process,
        user,
        (*_user_keys(user), folder.blob_service / "server.key"),
        own.host,
        writes=(folder.node(name), folder.blobs, journal_key.parent),
        reads=(wishes.data,) if wishes.data else (),
        after=after,
        dialled=(own.blob_port,) if own.inbound else (),
        metrics=own.blob_port + OBSERVE_OFFSET,
        alive=(places.fedledger, "node", "status", *common),
    )


def _blobs(own: Organisation, places: Places, wishes: Wishes, after: tuple[str, ...]) -> Unit:
    del wishes
    assert own.blob_port, "the definition gives every member a blob service"
    folder = places.organisation(own.name)
    command = (places.fedledger, "blobs", "serve", "--org", own.name, "--run", str(places.folder))
    process = Process(
        f"blobs-{own.name}",
        command,
        own.blob_port,
        own.host,
        service="blobs",
        organisation=own.name,
        environment=PYTHON,
    )
    user = folder.user("node")
    keys = (*_user_keys(user), folder.blob_service / "server.key")
    return Unit(process, user, keys, own.host, writes=(folder.blobs,), after=after, dialled=(own.blob_port,))


def _dashboard(own: Organisation, places: Places, after: tuple[str, ...]) -> Unit:
    folder = places.organisation(own.name)
    kept = places.folder / "audit"
    command = (places.fedledger, "dashboard", "--org", own.name, "--run", str(places.folder))
    process = Process(
        f"dashboard-{own.name}",
        (*command, "--port", str(DASHBOARD_PORT)),
        DASHBOARD_PORT,
        service="dashboard",
        organisation=own.name,
        environment={**PYTHON, "XDG_STATE_HOME": str(kept / "state")},
    )
    user = folder.user("client")
    return Unit(process, user, _user_keys(user), own.host, writes=(kept,), after=after)


def _user_keys(user: Path) -> tuple[Path, ...]:
    return user / "msp" / "keystore" / "key.pem", user / "tls" / "client.key"
