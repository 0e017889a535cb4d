"""The guard: a small process beside the child that counts what the child's processes take, and ends them all.

It speaks with the node over a socket: the node says when a call begins and ends, the guard says why it ended the group.
When the node dies, however it dies, the socket closes and the guard ends the group; TFF's own helper process, which
would outlive both, is in it. The child can neither leave its group nor signal the guard where the kernel helps.
"""

import json
import os
import resource
import select
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from fl_node.plan.sandbox import Sandbox, Usage, excess

BEGIN: Final = b"+"
END: Final = b"-"
BUSY_S: Final = 0.1
"""How often the guard looks during a call, in seconds: as long may a plan take more than it may."""
IDLE_S: Final = 1.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_KB: Final = 1024


def start_guard(control: socket.socket, others: tuple[int, ...], limits: Sandbox | None, scratch: Path) -> None:
    """Starts the guard of the calling process, the leader of its group; returns in the caller only.

    Args:
        control: The guard's end of the socket to the node; the caller has no more use of it.
        others: Descriptors that the guard must not hold open.
        limits: What the group may take; without them only deaths are watched.
        scratch: Where it may write; removed when it ends.
    """
    leader = os.getpid()
    if os.fork():
        control.close()
        return
    for descriptor in others:
        os.close(descriptor)
    _watch(control, leader, limits, scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def _watch(control: socket.socket, leader: int, limits: Sandbox | None, scratch: Path) -> None:
    """Returns when the group must end."""
    pause, before = IDLE_S, 0.0
    while os.getppid() == leader:
        if select.select([control], [], [], pause)[0]:
            said = control.recv(64)
            if not said:
                return
            pause = BUSY_S if said.endswith(BEGIN) else IDLE_S
            if BEGIN in said:
                before = measure(leader, scratch).cpu_s
                _allow_cpu(leader, limits)
        if limits and (reason := excess(measure(leader, scratch), before, limits)):
            with suppress(OSError):
                control.sendall(json.dumps(reason.as_json()).encode())
            return


def _allow_cpu(leader: int, limits: Sandbox | None) -> None:
    """Lets the kernel end the leader where the guard is no more; its limit counts from the process's start."""
    if limits and (usage := _usage(leader)):
        most = int(usage.cpu_s + limits.cpu_s) + 2
        resource.prlimit(leader, resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def measure(leader: int, scratch: Path) -> Usage:
    """Counts what a process and its descendants take, without the calling process, and what lies in their folder."""
    usages = [usage for process in _family(leader) if (usage := _usage(process))]
    return Usage(
        sum(usage.memory for usage in usages),
        sum(usage.cpu_s for usage in usages),
        sum(usage.threads for usage in usages),
        len(usages),
        _size(scratch),
    )


def _size(folder: Path) -> int:
    size = 0
    for file in folder.glob("*"):
        with suppress(OSError):  # it is gone meanwhile
            size += file.lstat().st_size
    return size


def _family(leader: int) -> Iterator[int]:
    waiting = [leader]
    while waiting:
        process = waiting.pop()
        if process != os.getpid():
            yield process
            waiting += _children(process)


def _children(process: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):  # it ended meanwhile
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text("ascii").split())
    return found


def _usage(process: int) -> Usage | None:
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8", "replace")
        times = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    held = sum(int(lines.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem", "VmSwap"))
    return Usage(held * _KB, sum(map(int, times[11:15])) / _TICKS, int(lines.get("Threads", "1")), 1)
