"""The filter of system calls of a plan's processes: what they have no use for is refused with EPERM.

No sockets but TCP and UDP over IP (where those lead is the network namespace's matter, or landlock's), no new
namespaces, mounts, process groups, no looking into other processes, no ways around the filter (io_uring).
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Iterable
from typing import Any, Final

_COMMON: Final = {  # one number on every architecture since Linux 5.1
    "io_uring_setup": 425,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsmount": 432,
    "pidfd_getfd": 438,
}
_X86: Final = {
    "ptrace": 101,
    "setpgid": 109,
    "setsid": 112,
    "pivot_root": 155,
    "chroot": 161,
    "mount": 165,
    "umount2": 166,
    "init_module": 175,
    "delete_module": 176,
    "kexec_load": 246,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "unshare": 272,
    "perf_event_open": 298,
    "open_by_handle_at": 304,
    "setns": 308,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "finit_module": 313,
    "bpf": 321,
    "userfaultfd": 323,
}
_ARM: Final = {
    "umount2": 39,
    "mount": 40,
    "pivot_root": 41,
    "chroot": 51,
    "unshare": 97,
    "kexec_load": 104,
    "init_module": 105,
    "delete_module": 106,
    "ptrace": 117,
    "setpgid": 154,
    "setsid": 157,
    "add_key": 217,
    "request_key": 218,
    "keyctl": 219,
    "perf_event_open": 241,
    "open_by_handle_at": 265,
    "setns": 268,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "finit_module": 273,
    "bpf": 280,
    "userfaultfd": 282,
}
_CLONE3: Final = 435
_NEW_NAMESPACES: Final = 0x7E020000
_X32: Final = 0x40000000
_MACHINES: Final = {  # AUDIT_ARCH, refused calls, clone, socket
    "x86_64": (0xC000003E, _X86, 56, 41),
    "aarch64": (0xC00000B7, _ARM, 220, 198),
}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT_0 = 0, 4, 16  # offsets in struct seccomp_data; both machines are little-endian
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_PR_SET_SECCOMP: Final = 22
_FILTER: Final = 2

Instruction = tuple[int, int, int, int]


def program(machine: str) -> list[Instruction]:
    """Returns the filter as BPF instructions: code, jump if true, jump if false, constant.

    Raises:
        KeyError: No filter was written for the machine.
    """
    architecture, numbers, clone, socket_call = _MACHINES[machine]
    refuse = (_RETURN, 0, 0, _FAIL | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)
    return [
        *((_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)),
        *((_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), refuse),
        *_each((*numbers.values(), *_COMMON.values()), refuse),
        *((_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)),  # its flags are out of sight: use clone
        *((_EQUAL, 0, 4, clone), (_LOAD, 0, 0, _ARGUMENT_0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), refuse, allow),
        *((_EQUAL, 1, 0, socket_call), allow, (_LOAD, 0, 0, _ARGUMENT_0)),
        *_each((socket.AF_INET, socket.AF_INET6), allow),
        refuse,
    ]


def install(libc: Any, machine: str) -> bool:
    """Installs the filter for this process and all that it starts; tells whether the kernel permits it."""
    if machine not in _MACHINES:
        return False
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program(machine))
    held = ctypes.create_string_buffer(code, len(code))
    described = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held))
    return not libc.prctl(_PR_SET_SECCOMP, _FILTER, described, 0, 0)


def _each(values: Iterable[int], then: Instruction) -> Iterable[Instruction]:
    for value in values:
        yield from ((_EQUAL, 0, 1, value), then)
