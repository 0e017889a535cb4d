"""Shuts the calling process in: limits, no new privileges, no network, no files but those given. Linux, no dependency.

Every step holds for whatever the process starts later, and none can be undone. A step that the kernel does not permit
is left out and told (`Confinement`); the limits and the guard's watch (`guard`) hold everywhere.

Sources: landlock(7), seccomp(2), unshare(2), capabilities(7), linux/filter.h, linux/landlock.h.
"""

import ctypes
import fcntl
import os
import platform
import resource
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from fl_node.plan import seccomp
from fl_node.plan.sandbox import Confinement, Sandbox

_libc: Final = ctypes.CDLL(None, use_errno=True)

PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
CAP_DAC_READ_SEARCH: Final = 2
"""The one capability that a node run as root leaves its child: to read rows that belong to somebody else."""
CAPABILITY_VERSION: Final = 0x20080522

CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_FILE, TRUNCATE = 1, 2, 4, 8, 32, 256, 1 << 14
FILE_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
"""What landlock can refuse about files, by its version; from version 5 also ioctl on devices."""
ALL_FILE_RIGHTS: Final = (1 << 16) - 1
BIND_AND_CONNECT: Final = 3
SIGNALS_AND_ABSTRACT_SOCKETS: Final = 3
NET_VERSION: Final = 4
SCOPE_VERSION: Final = 6

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def confine(limits: Sandbox, paths: Sequence[Path], scratch: Path) -> tuple[Confinement, int]:
    """Confines the calling process, which has one thread, for good.

    Args:
        limits: What it may take; the guard watches what the kernel cannot count.
        paths: Files and folders that it may read; everything else is closed to it.
        scratch: The one folder where it may make and remove files.

    Returns:
        What was permitted, and the TCP port that is left open where only one is; 0 otherwise.
    """
    _limit(limits)
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    alone = _leave_network()
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version = max(0, _landlock_version())
    port = 0 if alone else _free_port()
    files = _landlock(version, paths, scratch, port) if version else False
    _drop_capabilities()
    filtered = seccomp.install(_libc, platform.machine())
    one_port = files and filtered and version >= NET_VERSION
    network = "namespace" if alone else "port" if one_port else "none"
    return (
        Confinement("landlock" if files else "none", network, "seccomp" if filtered else "none"),
        port if network == "port" else 0,
    )


def _limit(limits: Sandbox) -> None:
    """Set what the kernel counts for each process: twice the memory, since what is reserved is not all taken."""
    for kind, most in {
        resource.RLIMIT_DATA: 2 * limits.memory,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.descriptors,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }.items():
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))
    resource.setrlimit(resource.RLIMIT_CPU, (int(limits.cpu_s) + 1, resource.RLIM_INFINITY))  # raised at every call
    with suppress(OSError):  # the kernel then picks by size alone
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _leave_network() -> bool:
    """Move to a network namespace with nothing but a loopback interface of its own; tell whether it is permitted."""
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(CLONE_NEWNET):
        if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
            return False
        with suppress(OSError):  # names only: whose files are whose does not change
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack("16xh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _landlock_version() -> int:
    return int(_libc.syscall(LANDLOCK_CREATE, None, 0, 1))


def _landlock(version: int, paths: Sequence[Path], scratch: Path, port: int) -> bool:
    """Close all files but `paths`, all TCP ports but `port` where it is not 0, and processes outside to signals."""
    rights = FILE_RIGHTS.get(version, ALL_FILE_RIGHTS)
    ports = BIND_AND_CONNECT if port and version >= NET_VERSION else 0
    scope = SIGNALS_AND_ABSTRACT_SOCKETS if version >= SCOPE_VERSION else 0
    size = 24 if version >= SCOPE_VERSION else 16 if version >= NET_VERSION else 8
    rules = int(_libc.syscall(LANDLOCK_CREATE, struct.pack("QQQ", rights, ports, scope), size, 0))
    if rules < 0:
        return False
    try:
        for path in paths:
            _allow(rules, path, READ_FILE | (READ_DIR | EXECUTE if path.is_dir() else 0))
        _allow(rules, Path(f"/proc/{os.getpid()}"), READ_FILE | READ_DIR)  # its own; its parent's stays closed
        for device in filter(Path.is_char_device, paths):
            _allow(rules, device, READ_FILE | WRITE_FILE)
        _allow(rules, scratch, rights & (READ_FILE | READ_DIR | WRITE_FILE | REMOVE_FILE | MAKE_FILE | TRUNCATE))
        if ports:
            _libc.syscall(LANDLOCK_ADD, rules, 2, struct.pack("QQ", BIND_AND_CONNECT, port), 0)
        return not _libc.syscall(LANDLOCK_RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if _libc.syscall(LANDLOCK_ADD, rules, 1, struct.pack("=Qi", rights, handle), 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(handle)


def _drop_capabilities() -> None:
    """Give up what a node run as root, or the owner of a user namespace, could do; programs started gain nothing."""
    for capability in range(64):
        if capability != CAP_DAC_READ_SEARCH:
            _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused for those that this kernel does not know
    header = struct.pack("II", CAPABILITY_VERSION, 0)
    old = ctypes.create_string_buffer(24)
    _libc.capget(header, old)
    kept = struct.unpack("IIIIII", old.raw)[1] & (1 << CAP_DAC_READ_SEARCH)
    _libc.capset(header, struct.pack("IIIIII", kept, kept, 0, 0, 0, 0))
