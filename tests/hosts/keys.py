"""Watches, while a federation lives, that no host ever holds a private key of another organisation."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from network.units.keys import foreign_keys
from tests.hosts.hosts import Host

PAUSE_S: Final = 3.0
PRIVATE: Final = b"PRIVATE KEY-----"
LARGEST: Final = 1 << 16


class KeyWatch:
    """Searches every host's disk again and again; `found` names what should not have been there."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.found: set[str] = set()
        self.searches = 0
        self._hosts = list(hosts)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keys", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def search(self) -> None:
        """Search every disk once."""
        for host in self._hosts:
            self.found |= {f"{host.organisation}: {path}" for path in foreign(host)}
        self.searches += 1

    def _watch(self) -> None:
        while not self._ended.wait(PAUSE_S):
            self.search()


def foreign(host: Host) -> set[str]:
    """Return the files of a host that hold a private key which is not its organisation's own.

    Programs write while this reads: a file that was gone a moment later, or half written, is looked at again.
    """
    found = _foreign(host)
    return found & _foreign(host) if found else found


def _foreign(host: Host, tries: int = 100) -> set[str]:
    try:
        begun = (host.run / "org.yaml").exists()
        within = {path for path, _ in foreign_keys(host.run, host.organisation)} if begun else set()
        return within | {str(path) for path in _outside(host)}
    except (FileNotFoundError, ValueError):  # a file went, or was half written, while this read it
        if not tries:
            raise
        return _foreign(host, tries - 1)


def _outside(host: Host) -> Iterable[Path]:
    """Yield the files with a private key that lie beside the organisation's own folder: none belongs there."""
    for path in host.disk.rglob("*"):
        beside = not path.is_relative_to(host.run) and path.is_file()
        if beside and path.stat().st_size <= LARGEST and PRIVATE in path.read_bytes():
            yield path
