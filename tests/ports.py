"""Blocks of ports for the networks that tests bring up, so that several runs on one machine keep apart."""

import fcntl
import socket
import tempfile
from pathlib import Path
from typing import IO

SIZE = 150  # more than the consortia of most tests take
# Below the ports that systems give to outgoing connections, above the default of a definition.
BASES = range(18_000, 32_768 - SIZE, SIZE)
_held: list[IO[str]] = []


def free_ports(size: int = SIZE) -> int:
    """Return the first of `size` ports that no other run of tests holds and nothing listens on; held until the end."""
    folder = Path(tempfile.gettempdir()) / "fedledger-test-ports"
    folder.mkdir(exist_ok=True)
    for first in BASES:
        locks: list[IO[str]] = []
        for base in range(first, first + size, SIZE):
            lock = (folder / str(base)).open("w")
            locks.append(lock)
            if not (_locked(lock) and all(map(_is_free, range(base, base + SIZE)))):
                break
        else:
            _held.extend(locks)
            return first
        for lock in locks:
            lock.close()
    raise AssertionError(f"no free block of ports from {BASES.start} to {BASES.stop}")


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
