"""Adds a peer to an organisation of a running network: keys, processes, and its address in the channel.

The others' processes stay as they are. The organisation's own administrator signs the change of the channel alone; the
other organisations bring their definitions after it with `network update adopt`.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import GatewayError
from network import codes, processes, runfolder
from network.blocking import finish
from network.bringup import READY_S, Report, keep, plan_of, render, timed, upgraded_program
from network.build import build_chaincode
from network.connection import Profile, consortium_of, own_folder, profile
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import definition_path, folder_of
from network.forming import form
from network.heights import height
from network.identities import organisation_in
from network.organisation import begin, here, on_this_host
from network.package import locked
from network.plan import Kind, Plan, Process
from network.topology import Consortium, dump_consortium
from network.update.definition import with_peer
from network.update.file import UpdateFile
from network.update.places import peer_addresses
from network.update.requests import move_peers
from network.update.steps import desk

CAUGHT_UP_S = 120.0
POLL_S = 0.1


@dataclass(frozen=True)
class Place:
    """Where the new peer answers: what others dial, what it listens on where that is another, and its port; 0: free."""

    host: str = ""
    listen: str = ""
    port: int = 0


@dataclass(frozen=True)
class Added:
    """What was done.

    Attributes:
        peer: The new peer's address.
        started: Its processes that were started here.
        file: The change of the channel, for the others to adopt.
        submitted: Whether the channel has it: who is no member gives the file to one.
        seconds: How long it took.
        awaited: Its processes that have to be started on another host first; all else is left until they answer.
    """

    peer: str
    started: tuple[str, ...]
    file: UpdateFile | None
    submitted: bool
    seconds: float
    awaited: tuple[str, ...] = ()


def add_peer(run: Path, organisation: str, place: Place, report: Report) -> Added:
    """Add a peer to an organisation whose folder is here; where an earlier call ended, this one goes on.

    Raises:
        NetworkError: FL1010 if there is no such organisation, FL1002 if the definition with it is no consortium, FL1023
            if a port is taken, FL1060 if no own peer answers, FL1055 if the new one does not catch up in time, and what
            authorities, processes and orderers raise.
    """
    began = time.monotonic()
    report = timed(report, began)
    with runfolder.locked(run):
        kind, consortium = Plan.read(run).kind, consortium_of(run)
        mine = organisation_in(consortium, organisation)
        known = finish(_known(run, organisation))
        if len(mine.peers) <= known:
            consortium = with_peer(consortium, organisation, place.host, place.listen, place.port)
        report("creating keys")
        plan = _prepare(run, consortium, organisation, kind, known)
        new = _new(plan, organisation, known)
        started = _start(run, on_this_host(consortium, new), report)
        peer = consortium.organisation(organisation).peers[-1]
        awaited = tuple(p.name for p in new if p.service == "peer" and not processes.answers(p.reached, p.port))
        if awaited:
            return Added(
                peer.address, started, None, submitted=False, seconds=time.monotonic() - began, awaited=awaited
            )
        form(run, consortium, kind, report)
        report("waiting until it has every block")
        finish(_catch_up(run, organisation, known))
        report("telling the channel")
        file, submitted = finish(_tell(run, organisation))
    return Added(peer.address, started, file, submitted, time.monotonic() - began)


def start_on(run: Path, host: str, report: Report) -> tuple[str, ...]:
    """Start the processes of one organisation's folder that are on a host of several; return those that were started.

    What it needs there is in `org backup --host HOST`.

    Raises:
        NetworkError: FL1033 if this is no organisation's folder, FL1022 if it has no process there, FL1043 if the
            program is another than was agreed on, FL1023 if a port is taken, and what processes raise.
    """
    report = timed(report, time.monotonic())
    with runfolder.locked(run):
        folder, consortium = own_folder(run)
        program = upgraded_program(run, consortium) or build_chaincode(consortium.chaincode.package)
        plan = plan_of(folder.kind, consortium, run, program)
        own = [process for process in plan.processes if process.host == host]
        if not own:
            hosts = ", ".join(sorted({process.host for process in plan.processes}))
            message = f"{folder.name} has no process on {host}"
            raise NetworkError(codes.UNKNOWN_PROCESS, message, hint=f"Its hosts are {hosts}.")
        keep(run, consortium, folder.kind, locked(consortium, program))
        render(consortium, run, folder.kind)
        plan.write(run)
        return _start(run, own, report)


async def _known(run: Path, organisation: str) -> int:
    """Return how many of the organisation's peers the channel tells the others."""
    async with desk(run, organisation) as mine:
        return len(peer_addresses(mine.config, mine.organisation.msp_id))


def _prepare(run: Path, wider: Consortium, organisation: str, kind: Kind, known: int) -> Plan:
    """Make the new peer's keys, and have every folder here know of it."""
    program = upgraded_program(run, wider) or build_chaincode(wider.chaincode.package)
    plan = plan_of(kind, wider, run, program)
    for process in on_this_host(wider, _new(plan, organisation, known)):
        if processes.pid(run, process.name) is None:
            processes.require_free_ports(process)
    begin(folder_of(run, organisation).root, wider, organisation, kind)
    for path in {definition_path(run), *(definition_path(folder.root) for _, folder in here(run, wider))}:
        write_atomically(path, dump_consortium(wider))
    keep(run, wider, kind, locked(wider, program))
    render(wider, run, kind)
    plan.write(run)
    return plan


def _new(plan: Plan, organisation: str, known: int) -> tuple[Process, ...]:
    """Return the processes of the peers that the channel does not know yet."""
    beside = {"peer", "chaincode"}
    own = (each for each in plan.processes if each.organisation == organisation and each.service in beside)
    return tuple(each for each in own if each.number >= known)


def _start(run: Path, own: Sequence[Process], report: Report) -> tuple[str, ...]:
    waiting = [process for process in own if processes.pid(run, process.name) is None]
    report(f"starting {len(waiting)} processes")
    for process in waiting:
        offset = processes.log_size(run, process.name)
        processes.start(run, process)
        processes.wait_ready(run, process, READY_S, offset)
    return tuple(process.name for process in waiting)


async def _catch_up(run: Path, organisation: str, known: int) -> None:
    """Wait until each new peer has the blocks that the organisation's first one has now; FL1055 if it does not."""
    own = profile(run, organisation, "client")
    deadline = time.monotonic() + CAUGHT_UP_S
    wanted = await _height(replace(own, peers=own.peers[:known]))
    for peer in own.peers[known:]:
        while (has := await _height(replace(own, peers=(peer,)))) < wanted or not has:
            if time.monotonic() > deadline:
                message = f"it has {has} of {wanted} blocks"
                hint = "See the logs of the peer and the orderers; the same command goes on."
                raise NetworkError(codes.CHAINCODE_NOT_REACHED, message, where=peer[0], hint=hint)
            await asyncio.sleep(POLL_S)


async def _height(at: Profile) -> int:
    """Return how many blocks a peer has; 0 while it does not answer."""
    gateway = at.gateway()
    try:
        return await height(gateway, at.channel)
    except GatewayError:
        return 0
    finally:
        await gateway.close()


async def _tell(run: Path, organisation: str) -> tuple[UpdateFile | None, bool]:
    """Bring the new peer's address into the channel; return the change, and whether the channel has it."""
    async with desk(run, organisation) as mine:
        try:
            file = mine.propose(move_peers(mine))
        except NetworkError as error:
            if error.code != codes.UPDATE_IN_FORCE:
                raise
            return None, True
        if mine.organisation.role != "member":
            return file, False
        await mine.submit([file])
        return file, True
