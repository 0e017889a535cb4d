"""`identity rotate`: renews an identity where it lies, and has the processes that show it started again."""

from dataclasses import dataclass
from pathlib import Path

from network import codes, processes, runfolder
from network.blocking import finish
from network.bringup import start_one, stop_one
from network.errors import NetworkError
from network.folders import OrganisationFolder, folder_of
from network.identities import OrganisationIdentities, identities_of
from network.plan import Plan, chaincode_process, peer_process
from network.rotation import Rotation, certificates_of, is_node, is_staged, replace, stage, staged_certificate
from network.topology import Consortium, Organisation
from network.update.changes import RotateOrderer
from network.update.steps import desk


@dataclass(frozen=True)
class Renewed:
    """What was renewed, which processes were started again, and what is left to do by hand; empty where nothing is."""

    rotation: Rotation
    restarted: tuple[str, ...]
    left: str


def renew(consortium: Consortium, run: Path, organisation: str, name: str, *, new_key: bool) -> Renewed:
    """Renew an identity of an organisation whose folder is here.

    Raises:
        NetworkError: FL1010 or FL1011 if there is no such organisation or identity, FL1140 where this is not the way,
            FL1158 while the channel does not name an orderer's new certificates, FL1060 if nobody can say, and what
            `network.rotation.rotate` raises: the old certificates serve on, the same command goes on.
    """
    identities = identities_of(consortium, run, organisation)
    with runfolder.locked(run):
        _require_way(identities, name, new_key=new_key)
        every = stage(identities, name, new_key=new_key)
        if _is_orderer(identities, name):
            _require_named(run, identities, name)
        done = replace(identities, name, every)
        own = identities.organisation
        tell_peers(folder_of(run, organisation), consortium)
        shows = showing(own, name)
        here = shows if _runs(run, shows) else ""
        if here:
            stop_one(run, here)
            start_one(run, here)
    left = "" if here else what_is_left(own, name, shows)
    return Renewed(done, (here,) if here else (), left)


def showing(own: Organisation, name: str) -> str:
    """Return the process of the network that shows an identity's certificates; empty where a node or a person does."""
    for number in range(len(own.peers)):
        if name == f"peer{number}":
            return peer_process(own.name, number)
        if name == f"chaincode{number or ''}":
            return chaincode_process(own.name, number)
    return name if name in {orderer.name for orderer in own.orderers} else ""


def what_is_left(own: Organisation, name: str, process: str = "") -> str:
    """Return what a person has to do so that new certificates are shown."""
    if process:
        return f"Start {process} again: until then it shows the old certificates."
    if name == "blobs":
        return f"Start the node or blob service of {own.name} again: until then it shows the old certificate."
    return f"Start again what acts as {name}, such as `fedledger node run`; commands show the new ones at once."


def tell_peers(folder: OrganisationFolder, consortium: Consortium) -> None:
    """Write anew how peers dial their chaincode processes, on Fabric: that holds the peers' TLS keys."""
    if folder.kind == "fabric" and consortium.organisation(folder.name).role == "member":
        from network.fabric.package import write_connections  # noqa: PLC0415  only where it is asked for

        write_connections(folder, consortium)


def _require_way(identities: OrganisationIdentities, name: str, *, new_key: bool) -> None:
    every = certificates_of(identities, name)
    if new_key and is_node(identities, every):
        hint = f"Use `fedledger node rotate-key --org {identities.organisation.name} --user {name}`."
        message = "the ledger has to know a node's new key before the node uses it"
        raise NetworkError(codes.ROTATION_REFUSED, message, where=name, hint=hint)
    if _is_orderer(identities, name) and not is_staged(identities, name):
        hint = f"Begin with `fedledger network update propose rotate-orderer {name}{' --new-key' * new_key}`."
        message = "the channel's configuration names an orderer's certificates, and has to name the new ones first"
        raise NetworkError(codes.ROTATION_REFUSED, message, where=name, hint=hint)


def _is_orderer(identities: OrganisationIdentities, name: str) -> bool:
    return name in {orderer.name for orderer in identities.organisation.orderers}


def _require_named(run: Path, identities: OrganisationIdentities, name: str) -> None:
    """Check that the channel names an orderer's new certificates: with others it would take no part."""
    organisation = identities.organisation
    address = next(orderer.address for orderer in organisation.orderers if orderer.name == name)
    signing, tls = (staged_certificate(identities, name, each).decode() for each in certificates_of(identities, name))
    change = RotateOrderer(address=address, certificate=signing, tls_certificate=tls)

    async def asked() -> None:
        async with desk(run, organisation.name) as own:
            own.require_in_force(change, name)

    finish(asked())


def _runs(run: Path, process: str) -> bool:
    if not process or not (run / "network.json").exists():
        return False
    return any(each.name == process for each in Plan.read(run).processes) and processes.pid(run, process) is not None
