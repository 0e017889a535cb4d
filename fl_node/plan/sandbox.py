"""What a plan may take and touch, and what it means when it wants more. Values and judgements only; `confine` does it.

A plan comes from a vote, its states from other organisations. The process that runs it may read the runtime and this
participant's rows, write a few temporary files, reach no network, and take no more than its limits.
"""

import errno
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.data.beside import beside
from fl_node.plan.errors import plan_error
from network.errors import FedledgerError

STOPPED: Final = frozenset({codes.PLAN_MEMORY, codes.PLAN_CPU, codes.PLAN_CROWD, codes.PLAN_REACHED_OUT})
"""The codes of a plan that was stopped because it wanted more than it may; trying it again changes nothing."""


@dataclass(frozen=True)
class Sandbox:
    """An organisation's limits for one plan's processes, all of them together unless it says otherwise.

    Attributes:
        memory: Bytes of memory that is not shared with files, > 0.
        cpu_s: Seconds of CPU time that one call may take.
        call_s: Seconds by the clock that one call may take; the first one includes the framework's start (10 to 40 s).
        threads: Threads.
        processes: Processes; the framework takes two.
        descriptors: Open files and sockets of each process.
        file_bytes: What may be written: to each file (the framework's log is one), and to all temporary files together.
        gpu: Whether a plan that asks for a GPU gets it. What it takes of the GPU's memory nobody counts.
    """

    memory: int = 4 << 30
    cpu_s: float = 3600
    call_s: float = 900
    threads: int = 1024
    processes: int = 8
    descriptors: int = 1024
    file_bytes: int = 16 << 20
    gpu: bool = False

    def as_json(self) -> dict[str, float]:
        """Return the limits for the child's command line."""
        return asdict(self)


@dataclass(frozen=True)
class Usage:
    """What a plan's processes take together: bytes held and written, seconds of CPU time since they began, counts."""

    memory: int = 0
    cpu_s: float = 0
    threads: int = 0
    processes: int = 0
    written: int = 0


@dataclass(frozen=True)
class Confinement:
    """What holds a child, as this machine's kernel permits it.

    Attributes:
        files: `landlock` or `none`: whether it reads only what it was given and writes nothing.
        network: `namespace` (its own, with nothing in it), `port` (TCP to one port, chosen at random) or `none`.
        syscalls: `seccomp` or `none`: whether calls that a plan has no use for are refused.
    """

    files: str = "none"
    network: str = "none"
    syscalls: str = "none"

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return "none" not in (self.files, self.network, self.syscalls) and self.network != "port"

    def __str__(self) -> str:
        return f"files: {self.files}, network: {self.network}, system calls: {self.syscalls}"


def excess(usage: Usage, cpu_before: float, limits: Sandbox) -> FedledgerError | None:
    """Return why a plan must be stopped, None where it keeps its limits.

    Args:
        usage: What its processes take.
        cpu_before: The seconds of CPU time that they had taken when the call began.
        limits: What they may take.
    """
    if usage.processes > limits.processes:
        return plan_error(codes.PLAN_CROWD, f"{usage.processes} processes, {limits.processes} allowed")
    if usage.threads > limits.threads:
        return plan_error(codes.PLAN_CROWD, f"{usage.threads} threads, {limits.threads} allowed")
    if usage.memory > limits.memory:
        return plan_error(codes.PLAN_MEMORY, f"{usage.memory >> 20} MB taken, {limits.memory >> 20} MB allowed")
    if usage.cpu_s - cpu_before > limits.cpu_s:
        return plan_error(codes.PLAN_CPU, f"more than {limits.cpu_s:g} s of CPU time in one call")
    if usage.written > limits.file_bytes:
        return plan_error(
            codes.PLAN_REACHED_OUT, f"{usage.written >> 20} MB written, {limits.file_bytes >> 20} MB allowed"
        )
    return None


_ERRNO: Final[Mapping[int, str]] = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EXDEV), codes.PLAN_REACHED_OUT),
    **dict.fromkeys(
        (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL), codes.PLAN_REACHED_OUT
    ),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.EAGAIN), codes.PLAN_CROWD),
    errno.ENOMEM: codes.PLAN_MEMORY,
}
_SIGNS: Final[Mapping[str, str]] = {
    "ResourceExhausted": codes.PLAN_MEMORY,
    "OOM when allocating": codes.PLAN_MEMORY,
    "std::bad_alloc": codes.PLAN_MEMORY,
    "can't start new thread": codes.PLAN_CROWD,
    "PermissionDenied": codes.PLAN_REACHED_OUT,
}
"""How a framework says it; what it says is all that is known of an error in its own process."""


def meaning(error: BaseException) -> str | None:
    """Return the code of a limit that an error inside the sandbox came from, None if it has another cause."""
    if isinstance(error, MemoryError):
        return codes.PLAN_MEMORY
    if isinstance(error, OSError) and (code := _ERRNO.get(error.errno or 0)):
        return code
    text = f"{type(error).__name__}: {error}"
    return next((code for sign, code in _SIGNS.items() if sign in text), None)


_QUIET: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def environment(settings: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Return the whole environment of a confined child: nothing of the node's own is passed on.

    UTF-8, a folder for temporary files, no home, the framework's settings, where our modules are among them. No PATH:
    the child starts nothing by its name.
    """
    return {"LANG": "C.UTF-8", "TMPDIR": str(scratch), "HOME": "/nonexistent", **settings}


def settings(protobuf: str) -> dict[str, str]:
    """Return TensorFlow's settings: our modules, it is quiet, computes on the CPU, and parses as the plan says."""
    return {"PYTHONPATH": str(_root()), **_QUIET, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": protobuf}


def settings_apart(own: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """Return the settings of a framework with an environment of its own: our modules there, and nothing beside them.

    The folder that holds them may hold the node's packages too, which the framework must not find before its own.
    """
    modules = scratch / "modules"
    modules.mkdir()
    for name in MODULES:
        (modules / name).symlink_to(_root() / name)
    return {"PYTHONPATH": str(modules), **own}


_SYSTEM: Final = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/localtime"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
)


GPU_FILES: Final = ("/proc/driver/nvidia", "/sys/bus/pci/devices", "/sys/class/drm")
GPU_DEVICES: Final = "nvidia*"
"""What a GPU's driver reads, and its devices in /dev and in /dev/nvidia-caps."""


def with_gpu(own: Mapping[str, str]) -> dict[str, str]:
    """Return a framework's settings with the GPU in sight; cuBLAS then adds in one order."""
    hidden = ("CUDA_VISIBLE_DEVICES",)
    return {name: text for name, text in own.items() if name not in hidden} | {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def gpu_files() -> list[Path]:
    """Return what a child that computes on a GPU reads and writes beside everything else."""
    devices = [*Path("/dev").glob(GPU_DEVICES), *Path("/dev/nvidia-caps").glob("*")]
    return [path for path in (*devices, *map(Path, GPU_FILES)) if path.exists()]


MODULES: Final = ("fl_node", "network")
"""What a child imports of this project."""


def readable(data: Sequence[Path], own: Path | None = None) -> list[Path]:
    """Return what a confined child may read: interpreter and libraries, our modules, the rows, their description.

    Where the rows are a folder, what its links point to counts as in it.

    Args:
        data: The rows.
        own: The folder of the framework's own environment, in the place of the node's.
    """
    links = [entry for path in data if path.is_dir() for entry in path.rglob("*") if entry.is_symlink()]
    runtime = [own or Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_exec_prefix)]
    modules = [_root() / name for name in MODULES]
    rows = [*data, *map(beside, data), *links]
    return [path.resolve() for path in (*runtime, *modules, *map(Path, _SYSTEM), *rows) if path.exists()]


def _root() -> Path:
    return Path(__file__).resolve().parents[2]
