"""Adds an organisation to a running network: definition, identities, channel, processes; nothing else is touched.

The channel decides: the admins of a majority of the members sign the change of its configuration. Whether the
federation takes the newcomer in is another vote, of its own contract.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fabric_protos.common import configtx_pb2

from network import codes, processes, runfolder
from network.blocking import finish
from network.bringup import READY_S, Outcome, Report, keep, plan_of, render, timed
from network.build import build_chaincode
from network.channel_admin import ChannelAdmin
from network.config_update import compute_update
from network.connection import profile
from network.devnet.genesis import application_policies, organisation_group
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import channel_block, definition_path, folder_of
from network.forming import form
from network.organisation import begin, here
from network.package import locked
from network.plan import Plan, chaincode_process, peer_process
from network.topology import Consortium, parse_consortium
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
            what its processes raise. The same command goes on where a failed one ended.
    """
    began = time.monotonic()
    report = timed(report, began)
    with runfolder.locked(run):
        present = Plan.read(run)
        before = runfolder.brought_up(run)
        consortium = _widened(run, newcomer)
        program = build_chaincode(consortium.chaincode.package)
        plan = plan_of(present.kind, consortium, run, program)
        own = [p for p in plan.processes if p.name in _process_names(newcomer) and processes.pid(run, p.name) is None]
        for process in own:
            processes.require_free_ports(process)
        report("creating identities")
        begin(folder_of(run, newcomer.name).root, consortium, newcomer.name, present.kind)
        runfolder.exchange([folder_of(run, o.name) for o in consortium.organisations], consortium)
        report("changing the channel")
        finish(_admit(before or consortium, consortium, run, newcomer.name))
        runfolder.prepare(run, consortium, present.kind)
        _hand_over_genesis(run, consortium, newcomer.name)
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


def _process_names(newcomer: Newcomer) -> tuple[str, str]:
    return chaincode_process(newcomer.name), peer_process(newcomer.name)


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


async def _admit(before: Consortium, consortium: Consortium, run: Path, name: str) -> None:
    """Put an organisation into the channel, and a new member into the policies of the members."""
    newcomer = consortium.organisation(name)
    governing = [member for member in before.members if member.name != name]
    admin = ChannelAdmin.of(profile(run, governing[0].name, "admin"))
    try:
        config = await admin.config()
        if newcomer.msp_id in config.channel_group.groups["Application"].groups:
            return
        changed = configtx_pb2.Config()
        changed.CopyFrom(config)
        application = changed.channel_group.groups["Application"]
        application.groups[newcomer.msp_id].CopyFrom(organisation_group(newcomer, run))
        members = [member.msp_id for member in consortium.members]
        for policy, value in application_policies(members, consortium.threshold).items():
            application.policies[policy].policy.CopyFrom(value)
        update = compute_update(consortium.channel, config.channel_group, changed.channel_group)
        signers = [profile(run, member.name, "admin") for member in governing[: len(governing) // 2 + 1]]
        await admin.submit(update, signers, config.sequence)
    finally:
        await admin.transport.close()


def _hand_over_genesis(run: Path, consortium: Consortium, name: str) -> None:
    """Give a newcomer the block that the channel began with: it cannot be rendered any more."""
    every = [channel_block(folder.root) for _, folder in here(run, consortium)]
    known = next(path for path in every if path.exists())
    write_atomically(channel_block(folder_of(run, name).root), known.read_bytes())
