"""Upgrades the chaincode while it is used: a new program beside the old one, approved by digest, committed.

```
lock      one member builds the new sources and hands package.lock to the others
upgrade   each member, in its own folder: build and compare, start the new program beside the old, install, approve;
          the last of a majority commits. Then each ends its old program.
```
A peer answers with the program of the definition that its ledger holds: with the old one until the commit.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from network import codes, processes, runfolder
from network.bringup import READY_S, Report, coming_processes, plan_of, render, timed
from network.build import PLATFORM, build_chaincode, built
from network.connection import consortium_of
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import OrganisationFolder, coming_lock_path, definition_path
from network.forming import Formed, form
from network.organisation import here, on_this_host
from network.package import Lock, dump_lock, locked, write_lock
from network.plan import Kind, Plan
from network.topology import Consortium, dump_consortium


@dataclass(frozen=True)
class Upgraded:
    """How far an upgrade is.

    Attributes:
        formed: Whether the new definition is committed, and who has approved it.
        started: The new program's processes that were started.
        stopped: The old program's processes that were ended.
        seconds: How long it took.
    """

    formed: Formed
    started: tuple[str, ...]
    stopped: tuple[str, ...]
    seconds: float


def make_lock(run: Path, version: str, sources: Path | None = None, platforms: Sequence[str] = ()) -> Lock:
    """Build the chaincode to upgrade to and return its lock.

    Args:
        run: An organisation's folder, or a test network's.
        version: What the members call it.
        sources: The folder of its go.mod; that of this checkout by default.
        platforms: Whose programs the lock names beside this machine's, as Go names them.

    Raises:
        NetworkError: FL1020 without a network, and what a build raises.
    """
    consortium = consortium_of(run)
    chaincode = consortium.chaincode
    values = {"version": version, "sequence": chaincode.sequence + 1}
    coming = consortium.model_copy(update={"chaincode": chaincode.model_copy(update=values)})
    others = {name: build_chaincode(chaincode.package, sources, platform=name) for name in {*platforms} - {PLATFORM}}
    return locked(coming, build_chaincode(chaincode.package, sources), others)


def upgrade(run: Path, agreed: Lock, report: Report, sources: Path | None = None) -> Upgraded:
    """Do the part of the organisations that are here in an upgrade; goes on where it stopped.

    Args:
        run: An organisation's folder, or a test network's: there each organisation does its part in turn.
        agreed: What the members agreed on.
        report: Told of every step.
        sources: The folder of the new go.mod; that of this checkout by default.

    Raises:
        NetworkError: FL1046 if the lock is not of the next definition, FL1043 if these sources give another program,
            FL1023 if a port is taken, and what builds, processes and peers raise.
    """
    began = time.monotonic()
    report = timed(report, began)
    with runfolder.locked(run):
        consortium, kind = consortium_of(run), Plan.read(run).kind
        _require_next(consortium, agreed)
        report("building the chaincode")
        coming = agreed.upgraded(consortium)
        agreed.require_same(locked(coming, build_chaincode(coming.chaincode.package, sources)), where=run)
        own = here(run, consortium)
        for _, folder in own:
            write_atomically(coming_lock_path(folder.root), dump_lock(agreed))
        started = _start_beside(run, consortium, report)
        formed = Formed(None)
        for organisation, folder in own:
            if organisation.role == "member":
                report(f"{organisation.name} installs and approves")
                _render_package(coming, folder, kind)
                formed = form(folder.root, coming, kind, _quiet)
        if formed.committed is not False:
            report("waiting until every peer here answers with the new program")
            formed = form(run, coming, kind, _quiet)
        stopped = _take_over(run, coming, agreed, kind) if formed.committed is not False else ()
    return Upgraded(formed, started, stopped, time.monotonic() - began)


def _require_next(consortium: Consortium, lock: Lock) -> None:
    present = consortium.chaincode
    if (lock.chaincode, lock.sequence) not in {(present.name, present.sequence + n) for n in (0, 1)}:
        raise NetworkError(
            codes.NOT_THE_NEXT_CHAINCODE,
            f"the lock is of definition {lock.sequence} of {lock.chaincode}, {present.name} is at {present.sequence}",
        )


def _start_beside(run: Path, consortium: Consortium, report: Report) -> tuple[str, ...]:
    """Start the new program's processes beside the old one's; return those that did not run."""
    present = Plan.read(run)
    known = {process.name for process in present.processes}
    coming = coming_processes(consortium, [folder for _, folder in here(run, consortium)])
    Plan(present.kind, (*present.processes, *(p for p in coming if p.name not in known))).write(run)
    fresh = [p for p in on_this_host(consortium, coming) if processes.pid(run, p.name) is None]
    report(f"starting {len(fresh)} processes of the new program")
    for process in fresh:
        offset = processes.log_size(run, process.name)
        processes.start(run, process)
        processes.wait_ready(run, process, READY_S, offset)
    return tuple(process.name for process in fresh)


def _render_package(coming: Consortium, folder: OrganisationFolder, kind: Kind) -> None:
    if kind == "fabric":
        from network.fabric.package import write_package  # noqa: PLC0415  only where it is asked for

        write_package(coming, folder)


def _take_over(run: Path, coming: Consortium, agreed: Lock, kind: Kind) -> tuple[str, ...]:
    """Make the new definition the one in force for everybody here, and end the old program's processes."""
    own = here(run, coming)
    for path in {definition_path(run), *(definition_path(folder.root) for _, folder in own)}:
        write_atomically(path, dump_consortium(coming))
    for _, folder in own:
        write_lock(folder.root, agreed)
        coming_lock_path(folder.root).unlink(missing_ok=True)
    render(coming, run, kind)
    before = Plan.read(run)
    plan = plan_of(kind, coming, run, built(coming.chaincode.package, agreed.source))
    old = {process.name for process in before.processes} - {process.name for process in plan.processes}
    stopped = tuple(name for name in sorted(old) if processes.stop(run, name))
    plan.write(run)
    return stopped


def _quiet(_: str) -> None:
    """Say nothing of the steps within a step."""
