"""What the operating system says about a process: when it began, its memory and processor time, and signals to it."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path


def birth(number: int) -> str | None:
    """Return when a process began, None if it is gone or a zombie."""
    with contextlib.suppress(OSError):  # ours and ended: let it go
        os.waitpid(number, os.WNOHANG)
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else _birth_by_ps(number)
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _birth_by_ps(number: int) -> str | None:
    command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(number)]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603
    return None if not output or output[0].startswith("Z") else "-".join(output[1:])


def memory(number: int) -> int | None:
    """Return the resident memory of a process and its children in bytes, None where it cannot be told."""
    try:
        pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in (number, *_children(number)))
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def processor(number: int) -> float:
    """Return the processor seconds that a process and its children have used; FileNotFoundError if it is gone."""
    ticks = 0
    for each in (number, *_children(number)):  # a process kept running is the child of its keeper
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(number: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
    except OSError:  # this kernel does not tell
        return []


def send(number: int, which: signal.Signals) -> None:
    """Signal a process and the children of its session; one that is gone needs none."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(number, which)
