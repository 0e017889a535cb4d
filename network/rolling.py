"""Restarts a network's processes one after another while it is used: for another release of Fabric, or another program.

The next one is stopped only when the one before does its work again, so that orderers keep their quorum and enough
members endorse. Ledgers stay as they are.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from network import processes, runfolder
from network.bringup import READY_S, Report, plan_of, render, timed, upgraded_program
from network.build import build_chaincode
from network.connection import consortium_of
from network.forming import form
from network.organisation import here
from network.plan import Plan, Process
from network.processes import wait_until
from network.topology import Consortium

ORDERING_S = 120.0


@dataclass(frozen=True)
class Restarted:
    """A process that was restarted, and for how many seconds it did not serve."""

    name: str
    seconds: float


def roll(run: Path, report: Report) -> tuple[Restarted, ...]:
    """Restart every process that is here: orderers first, then peers, then the chaincode's.

    On Fabric they start with the release that FABRIC_BIN names now. The old one's data are read by the new one.

    Raises:
        NetworkError: FL1020 without a network, and what processes, orderers and gateways raise; the rest then keeps
            running as it was.
    """
    began = time.monotonic()
    report = timed(report, began)
    with runfolder.locked(run):
        consortium, kind = consortium_of(run), Plan.read(run).kind
        program = upgraded_program(run, consortium) or build_chaincode(consortium.chaincode.package)
        plan = plan_of(kind, consortium, run, program)
        render(consortium, run, kind)
        plan.write(run)
        done = []
        for service in ("orderer", "peer", "chaincode"):
            for process in plan.processes:
                if process.service == service and processes.pid(run, process.name) is not None:
                    report(f"restarting {process.name}")
                    done.append(Restarted(process.name, _restart(run, process)))
                    _wait(run, consortium, plan, process)
    return tuple(done)


def _restart(run: Path, process: Process) -> float:
    began = time.monotonic()
    ports = (process.port, *process.other_ports)
    processes.stop(run, process.name)
    # A process with many threads counts as ended when its first one is; its ports close with the last.
    wait_until(lambda: not any(processes.answers(process.reached, port) for port in ports), processes.STOP_S)
    offset = processes.log_size(run, process.name)
    processes.start(run, process)
    processes.wait_ready(run, process, READY_S, offset)
    return time.monotonic() - began


def _wait(run: Path, consortium: Consortium, plan: Plan, process: Process) -> None:
    """Wait until a restarted process does its part again."""
    if plan.kind == "devnet":
        form(run, consortium, "devnet", lambda _: None)
        return
    from network.fabric.channel import wait_for_routes  # noqa: PLC0415  only where it is asked for
    from network.fabric.participation import OrdererAdmin  # noqa: PLC0415

    if process.service == "orderer":
        for organisation, folder in here(run, consortium):
            for orderer in organisation.orderers:
                if orderer.name == process.name:
                    admin = OrdererAdmin(consortium, folder.root, organisation, orderer)
                    wait_until(admin.is_consenter, ORDERING_S)
        return
    wait_for_routes(run, consortium)
