"""What the machine was like while a benchmark ran: figures of a busy one mean little."""

import os
import platform
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Return the processor, the cores that may be used, the memory in GB and the versions."""
    model = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "").partition(": ")[2]
    total = next((line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0 0 kB").split()[1]
    return {
        "processor": model or os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(total) / 2**20, 1),
        "system": f"{os.uname().sysname} {os.uname().release}",
        "python": platform.python_version(),
    }


def load() -> float:
    """Return how many processes wanted to run in the last minute, on average."""
    return round(os.getloadavg()[0], 1)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
