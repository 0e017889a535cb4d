"""Brings a consortium's network up and down, on devnet or on real Fabric."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network import codes, processes, runfolder
from network.allotment import external_address
from network.build import build_chaincode, built
from network.connection import consortium_of
from network.devnet_plan import chaincode_processes, devnet_plan
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import (
    OrganisationFolder,
    definition_path,
    folder_of,
    lock_path,
    other_lock_path,
    owner_of,
    require_channel_block,
)
from network.forming import Formed, form
from network.organisation import here, on_this_host, prepare
from network.package import Lock, coming_lock, dump_lock, held_lock, keep_lock, locked, read_lock, write_lock
from network.plan import Kind, Plan, Process
from network.topology import DEFAULT_DEFINITION, Consortium, parse_consortium
from network.yaml_lines import PlacedYaml

FABRIC_BATCH_INTERVAL_MS = 200
READY_S = 60.0

Report = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What `network up` was asked for; None means what the run folder or the default definition says."""

    run: Path
    kind: Kind = "devnet"
    definition: Path | None = None
    base_port: int | None = None
    chaincode: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What came up, how far the channel is, and how long it took."""

    consortium: Consortium
    plan: Plan
    started: tuple[str, ...]
    seconds: float
    formed: Formed


def up(request: Request, report: Report) -> Outcome:
    """Bring a test network up, or start again what of it does not run; its ledgers stay.

    Every organisation does, in a folder of its own, what it would do on hosts of its own.

    Raises:
        NetworkError: FL1030 if it is up already, FL1031 if it was brought up with another definition, and what
            definition, build, identities and processes raise. Processes started by a failed call are stopped again.
    """
    began = time.monotonic()
    report = timed(report, began)
    if owner_of(request.run):
        return join(request.run, report)
    consortium = resolve(request)
    with runfolder.locked(request.run):
        _require_down(request.run, request.kind)
        for warning in consortium.warnings() if request.kind == "fabric" else ():
            report(f"note: {warning}")
        plan, lock = _planned(request.run, consortium, request.kind, report)
        report("creating identities and the channel's first block")
        runfolder.prepare(request.run, consortium, request.kind)
        runfolder.give_genesis(request.run, consortium, request.kind)
        started, formed = _start_all(request.run, consortium, plan, lock, report)
    return Outcome(consortium, plan, started, time.monotonic() - began, formed)


def join(folder: Path, report: Report) -> Outcome:
    """Start an organisation's own processes and take its part in the channel; goes on where it stopped.

    Raises:
        NetworkError: FL1108 without the channel's first block, FL1023 if a port is taken, and what processes, peers and
            orderers raise. Processes started by a failed call are stopped again, but for orderers: others need them.
    """
    began = time.monotonic()
    report = timed(report, began)
    with runfolder.locked(folder):
        consortium = consortium_of(folder)
        require_channel_block(folder)
        plan, lock = _planned(folder, consortium, folder_of(folder, owner_of(folder) or "").kind, report)
        started, formed = _start_all(folder, consortium, plan, lock, report)
    return Outcome(consortium, plan, started, time.monotonic() - began, formed)


def _planned(run: Path, consortium: Consortium, kind: Kind, report: Report) -> tuple[Plan, Lock]:
    """Build the chaincode and return the processes, each with its ports free, and what names its program."""
    report("building the chaincode")
    program = upgraded_program(run, consortium) or _program(run, consortium)
    plan = plan_of(kind, consortium, run, program)
    _require_free_ports(run, consortium, plan)
    return plan, locked(consortium, program)


def _program(run: Path, consortium: Consortium) -> Path:
    """Return the chaincode's program, built if need be; of one that runs elsewhere a file that says where."""
    address = external_address(consortium.chaincode.package)
    if not address:
        return build_chaincode(consortium.chaincode.package)
    write_atomically(run / "chaincode-elsewhere", address + "\n")
    return run / "chaincode-elsewhere"


def upgraded_program(run: Path, consortium: Consortium) -> Path | None:
    """Return the program that an upgrade agreed on, if it is still there: its sources may be elsewhere."""
    roots = [folder.root for _, folder in here(run, consortium) if lock_path(folder.root).exists()]
    if consortium.chaincode.sequence == 1 or not roots:
        return None
    program = built(consortium.chaincode.package, read_lock(roots[0]).source)
    return program if program.exists() else None


def keep(run: Path, consortium: Consortium, kind: Kind, lock: Lock) -> None:
    """Write package.lock for every organisation here; FL1043 if one of them agreed on another chaincode."""
    for _, folder in here(run, consortium):
        for each in consortium.each()[1:]:
            content = dump_lock(locked(each, build_chaincode(each.chaincode.package)))
            write_atomically(other_lock_path(folder.root, each.chaincode.name), content)
        if kind == "fabric":
            keep_lock(folder.root, lock)
        else:
            write_lock(folder.root, lock)  # nobody approved the last one: devnet defines the chaincode itself


def down(run: Path, *, wipe: bool = False) -> list[str]:
    """Stop every process of a run folder; return those that ran. Wiping removes ledgers, identities and keys too."""
    if not run.exists():
        return []
    with runfolder.locked(run):
        names = sorted(p.name for p in (run / "pids").glob("[!.]*"))
        stopped = processes.stop_all(run, names)
        if wipe:
            runfolder.wipe(run)
    return stopped


def start_one(run: Path, name: str) -> int:
    """Start one process of a network and wait until it serves; return its pid."""
    plan = Plan.read(run)
    process = plan.process(name)
    render(consortium_of(run), run, plan.kind)
    offset = processes.log_size(run, name)
    pid = processes.start(run, process)
    processes.wait_ready(run, process, READY_S, offset)
    return pid


def stop_one(run: Path, name: str, *, kill: bool = False) -> bool:
    """Stop one process of a network; return whether it ran."""
    return processes.stop(run, Plan.read(run).process(name).name, kill=kill)


def timed(report: Report, began: float) -> Report:
    """Return a report that also says how long it has been since a moment."""
    return lambda text: report(f"{time.monotonic() - began:5.1f} s  {text}")


def resolve(request: Request) -> Consortium:
    """Return the consortium that was asked for; FL1031 if the folder was begun with another."""
    existing = runfolder.brought_up(request.run)
    asked = request.definition or request.base_port or request.chaincode
    if existing and not asked:
        return existing
    document = PlacedYaml.read(request.definition or DEFAULT_DEFINITION)
    consortium = parse_consortium(document, **_overrides(request, document.value))
    if existing and consortium != existing:
        hint = "Bring it up without options to go on with what it has, or wipe it with `fedledger network down --wipe`."
        message = "this network was brought up with another definition"
        raise NetworkError(codes.OTHER_DEFINITION, message, where=str(definition_path(request.run)), hint=hint)
    return consortium


def _overrides(request: Request, raw: Any) -> dict[str, Any]:
    overrides: dict[str, Any] = {}
    given = raw if isinstance(raw, dict) else {}
    if request.base_port:
        overrides["base_port"] = request.base_port
    if request.chaincode and isinstance(given.get("chaincode", {}), dict):
        overrides["chaincode"] = {**given.get("chaincode", {}), "package": request.chaincode}
    if request.kind == "fabric" and "batch_interval_ms" not in given:
        overrides["batch_interval_ms"] = FABRIC_BATCH_INTERVAL_MS
    return overrides


def _require_down(run: Path, kind: Kind) -> None:
    if not (run / "network.json").exists():
        return
    plan = Plan.read(run)
    if plan.kind != kind:
        hint = "Choose another run folder with --run, or wipe this one."
        raise NetworkError(
            codes.OTHER_KIND_OF_NETWORK, f"this run folder holds a {plan.kind} network", where=str(run), hint=hint
        )
    if all(s.state == "up" for s in processes.status(run, plan)):
        hint = "See `fedledger network status`; `fedledger network down` stops it."
        raise NetworkError(codes.NETWORK_IS_UP, "this network is up already", where=str(run), hint=hint)


def _require_free_ports(run: Path, consortium: Consortium, plan: Plan) -> None:
    for process in on_this_host(consortium, plan.processes):
        if processes.pid(run, process.name) is None:
            processes.require_free_ports(process)


def plan_of(kind: Kind, consortium: Consortium, run: Path, program: Path) -> Plan:
    """Return the processes of the organisations that are here, on a kind of network."""
    folders = [folder for _, folder in here(run, consortium)]
    package_id = _package_id(kind, folders, locked(consortium, program))
    if kind == "devnet":
        plan = devnet_plan(consortium, folders, program, package_id)
    else:
        from network.fabric.plan import fabric_plan  # noqa: PLC0415  only where it is asked for

        plan = fabric_plan(consortium, folders, program, package_id)
    others = other_processes(consortium, folders)
    return Plan(kind, (*plan.processes, *others, *coming_processes(consortium, folders)))


def other_processes(consortium: Consortium, folders: Sequence[OrganisationFolder]) -> list[Process]:
    """Return the processes of the channel's further chaincodes."""
    found: list[Process] = []
    for each in consortium.each()[1:]:
        program = build_chaincode(each.chaincode.package)
        found += chaincode_processes(each, folders, program, locked(each, program).package_id)
    return found


def _package_id(kind: Kind, folders: Sequence[OrganisationFolder], lock: Lock) -> str:
    if kind == "devnet":
        return lock.package_id
    return next((held_lock(f.root, lock) for f in folders if lock_path(f.root).exists()), lock).package_id


def coming_processes(consortium: Consortium, folders: Sequence[OrganisationFolder]) -> list[Process]:
    """Return the processes of the chaincode that is about to take the place of the one in force."""
    found: list[Process] = []
    for folder in folders:
        lock = coming_lock(folder.root, consortium.chaincode.sequence)
        if lock:
            program = built(consortium.chaincode.package, lock.source)
            found += chaincode_processes(lock.upgraded(consortium), [folder], program, lock.package_id)
    return found


def render(consortium: Consortium, run: Path, kind: Kind) -> None:
    """Write what the processes here read: a folder that was moved or restored is no other."""
    for _, folder in here(run, consortium):
        prepare(folder, consortium)
    if kind == "fabric":
        from network.fabric.plan import render as render_fabric  # noqa: PLC0415  only where it is asked for

        render_fabric(consortium, run)


def _start_all(
    run: Path, consortium: Consortium, plan: Plan, lock: Lock, report: Report
) -> tuple[tuple[str, ...], Formed]:
    keep(run, consortium, plan.kind, lock)
    render(consortium, run, plan.kind)
    plan.write(run)
    fresh = [p for p in on_this_host(consortium, plan.processes) if processes.pid(run, p.name) is None]
    offsets = {p.name: processes.log_size(run, p.name) for p in fresh}
    ready = set[str]()
    try:
        report(f"starting {len(fresh)} processes")
        for process in fresh:
            processes.start(run, process)
        for process in fresh:
            processes.wait_ready(run, process, READY_S, offsets[process.name])
            ready.add(process.name)
        formed = form(run, consortium, plan.kind, report)
    except BaseException:
        processes.stop_all(run, [p.name for p in fresh if p.name not in ready & _serving_others(run, consortium)])
        raise
    return tuple(p.name for p in fresh), formed


def _serving_others(run: Path, consortium: Consortium) -> set[str]:
    """Return an organisation's own orderers: the others' quorum stands on them, whatever else fails here."""
    return {orderer.name for organisation, orderer in consortium.orderers if organisation.name == owner_of(run)}
