"""Brings a consortium's network up and down, on devnet or on real Fabric."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network import codes, processes, runfolder
from network.build import build_chaincode
from network.devnet_plan import devnet_plan
from network.errors import NetworkError
from network.folders import definition_path
from network.package import keep_lock, locked, write_lock
from network.plan import Kind, Plan
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
    """What came up, and how long it took."""

    consortium: Consortium
    plan: Plan
    started: tuple[str, ...]
    seconds: float


def up(request: Request, report: Report) -> Outcome:
    """Bring a network up, or start again what of it does not run; its ledgers stay.

    Raises:
        NetworkError: FL1030 if it is up already, FL1031 if it was brought up with another definition, and what
            definition, build, identities and processes raise. Processes started by a failed call are stopped again.
    """
    began = time.monotonic()
    report = timed(report, began)
    consortium = _resolve(request)
    with runfolder.locked(request.run):
        _require_down(request.run, request.kind)
        for warning in consortium.warnings() if request.kind == "fabric" else ():
            report(f"note: {warning}")
        report("building the chaincode")
        program = build_chaincode(consortium.chaincode.package)
        plan = plan_of(request.kind, consortium, request.run, program)
        _require_free_ports(request.run, plan)
        report("creating identities")
        runfolder.prepare(request.run, consortium)
        lock = locked(consortium, program)
        if plan.kind == "fabric":
            keep_lock(request.run, lock)
            _render(consortium, request.run)
        else:
            write_lock(request.run, lock)  # nobody approved the last one: devnet defines the chaincode itself
        plan.write(request.run)
        started = _start_all(request.run, consortium, plan, report)
    return Outcome(consortium, plan, started, time.monotonic() - began)


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
    process = Plan.read(run).process(name)
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


def _resolve(request: Request) -> Consortium:
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


def _require_free_ports(run: Path, plan: Plan) -> None:
    for process in plan.processes:
        if processes.pid(run, process.name) is None:
            processes.require_free_ports(process)


def plan_of(kind: Kind, consortium: Consortium, run: Path, program: Path) -> Plan:
    """Return the processes of a consortium on a kind of network."""
    package_id = locked(consortium, program).package_id
    if kind == "devnet":
        return devnet_plan(consortium, run, program, package_id)
    from network.fabric.plan import fabric_plan  # noqa: PLC0415  only where it is asked for

    return fabric_plan(consortium, run, program, package_id)


def _render(consortium: Consortium, run: Path) -> None:
    from network.fabric.plan import render  # noqa: PLC0415  only where it is asked for

    render(consortium, run)


def _start_all(run: Path, consortium: Consortium, plan: Plan, report: Report) -> tuple[str, ...]:
    fresh = [p for p in plan.processes if processes.pid(run, p.name) is None]
    offsets = {p.name: processes.log_size(run, p.name) for p in fresh}
    try:
        report(f"starting {len(fresh)} processes")
        for process in fresh:
            processes.start(run, process)
        for process in fresh:
            processes.wait_ready(run, process, READY_S, offsets[process.name])
        if plan.kind == "fabric":
            _form_channel(run, consortium, report)
    except BaseException:
        processes.stop_all(run, [p.name for p in fresh])
        raise
    return tuple(p.name for p in fresh)


def _form_channel(run: Path, consortium: Consortium, report: Report) -> None:
    from network.fabric.channel import form_channel  # noqa: PLC0415  only where it is asked for

    form_channel(run, consortium, report)
