"""Adds an organisation to a running network: definition, identities, channel, processes; nothing else is touched.

The channel decides: the admins of a majority of the members sign the change of its configuration, each in its own
folder. Whether the federation takes the newcomer in is another vote, of its own contract.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from network import codes, processes, runfolder
from network.blocking import finish
from network.bringup import READY_S, Outcome, Report, keep, plan_of, render, timed, upgraded_program
from network.build import build_chaincode
from network.connection import consortium_of
from network.errors import NetworkError
from network.export import export
from network.files import write_atomically
from network.folders import channel_block, definition_path, folder_of
from network.forming import form
from network.organisation import begin, here, prepare
from network.package import locked
from network.plan import Kind, Plan
from network.topology import Consortium, dump_consortium, parse_consortium
from network.update import requests
from network.update.in_turn import signed_in_turn, submitted
from network.update.steps import desk
from network.yaml_lines import PlacedYaml


@dataclass(frozen=True)
class Newcomer:
    """The organisation to add."""

    name: str
    role: Literal["member", "regulator"] = "member"
    host: str = "127.0.0.1"


def add_organisation(run: Path, newcomer: Newcomer, report: Report) -> Outcome:
    """Add an organisation to the network of a run folder; what of it was done before stays.

    Raises:
        NetworkError: FL1020 without a network, FL1002 if the definition with it is no consortium, FL1023 if a port is
            taken, FL1035 if it is there in another role, FL1060 to FL1062 if the channel cannot be changed now, and
            what its processes raise. Where the channel stays without it, so does the run folder; else the same command
            goes on where a failed one ended.
    """
    began = time.monotonic()
    report = timed(report, began)
    with runfolder.locked(run):
        present = Plan.read(run)
        consortium = _widened(run, newcomer)
        program = upgraded_program(run, consortium) or build_chaincode(consortium.chaincode.package)
        plan = plan_of(present.kind, consortium, run, program)
        own = [p for p in plan.processes if p.organisation == newcomer.name and processes.pid(run, p.name) is None]
        for process in own:
            processes.require_free_ports(process)
        _admit(run, consortium, newcomer.name, present.kind, report)
        keep(run, consortium, present.kind, locked(consortium, program))
        render(consortium, run, present.kind)
        plan.write(run)
        report(f"starting {len(own)} processes")
        for process in own:
            offset = processes.log_size(run, process.name)
            processes.start(run, process)
            processes.wait_ready(run, process, READY_S, offset)
        formed = form(run, consortium, present.kind, report)
    return Outcome(consortium, plan, tuple(p.name for p in own), time.monotonic() - began, formed)


def _admit(run: Path, wider: Consortium, name: str, kind: Kind, report: Report) -> None:
    """Begin the newcomer's folder, let the others sign its joining, and bring all folders after the channel."""
    before, folder = consortium_of(run), folder_of(run, name)
    begun = not folder.root.exists()
    try:
        report("creating identities")
        begin(folder.root, wider, name, kind)
        runfolder.exchange([folder], wider)
        report("changing the channel")
        finish(_join_channel(run, before, export(folder, wider.organisation(name)).dump()))
    except Exception as error:
        if begun and not _may_have_joined(error):
            shutil.rmtree(folder.root, ignore_errors=True)
        raise
    for _, each in here(run, wider):
        write_atomically(definition_path(each.root), dump_consortium(wider))
        prepare(each, wider)
    write_atomically(definition_path(run), dump_consortium(wider))
    runfolder.exchange([each for _, each in here(run, wider)], wider)
    _hand_over_genesis(run, wider, name)


def _may_have_joined(error: BaseException) -> bool:
    """Say whether the channel may have the newcomer, though it was not seen to."""
    return isinstance(error, NetworkError) and error.code == codes.CHANGE_NOT_ARRIVED


async def _join_channel(run: Path, before: Consortium, exported: bytes) -> None:
    """Put a newcomer into the channel, unless it is there."""
    async with desk(run, before.members[0].name) as first:
        change = requests.add_organisation(first, exported)
    try:
        await submitted(run, before, await signed_in_turn(run, before, change))
    except NetworkError as error:
        if error.code != codes.UPDATE_IN_FORCE:
            raise


def _widened(run: Path, newcomer: Newcomer) -> Consortium:
    document = PlacedYaml.read(definition_path(run))
    organisations: list[Any] = document.value["organisations"]
    role = next((o["role"] for o in organisations if o["name"] == newcomer.name), None)
    if role is None:
        organisations.append({"name": newcomer.name, "role": newcomer.role, "host": newcomer.host})
    elif role != newcomer.role:
        message = f"{newcomer.name} is there already, as {role}"
        raise NetworkError(codes.NAME_TAKEN, message, where=str(definition_path(run)), hint="Choose another name.")
    return parse_consortium(document)


def _hand_over_genesis(run: Path, consortium: Consortium, name: str) -> None:
    """Give a newcomer the block that the channel began with: it cannot be rendered any more."""
    every = [channel_block(folder.root) for _, folder in here(run, consortium)]
    known = next(path for path in every if path.exists())
    write_atomically(channel_block(folder_of(run, name).root), known.read_bytes())
