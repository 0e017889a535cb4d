"""Who may hold a connection to the blob service, and how many: plain counting, without sockets and clocks.

A connection begins as a stranger's, known by its address alone. Once it has shown a certificate it counts for its
organisation. Strangers and organisations have rooms of their own, so that neither can fill the other's.
"""

import resource
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

RESERVED: Final = 192
"""Descriptors that connections never take: journal, ledger, plan processes, data files."""
MOST: Final = 2048
"""Connections at most, however many descriptors the system grants."""
DESCRIPTORS: Final = 2 * MOST + RESERVED
PER_SECOND: Final = 50.0
"""Handshakes that one address may begin in a second, after a burst."""
BURST: Final = 200.0
T = TypeVar("T")
MOST_ADDRESSES: Final = 4096
"""Addresses whose rate is remembered."""


@dataclass(frozen=True)
class Caps:
    """How many connections may be open at once.

    Attributes:
        strangers: In the TLS handshake, from all addresses.
        address: The same from one address.
        organisation: After the handshake, of one organisation.
    """

    strangers: int
    address: int
    organisation: int

    @classmethod
    def of(cls, descriptors: int, organisations: int) -> "Caps":
        """Share descriptors out: a quarter of the connections for strangers, the rest for organisations alike.

        A connection may have a blob open, so it counts as two descriptors.
        """
        connections = max(32, min(MOST, (descriptors - RESERVED) // 2))
        strangers = connections // 4
        return cls(strangers, max(2, strangers // 4), max(2, (connections - strangers) // (organisations + 1)))


@dataclass
class Organisations:
    """Counts the connections of organisations; the empty name is of those whom nobody knows."""

    caps: Caps
    inside: Counter[str] = field(default_factory=Counter)

    def enter(self, organisation: str) -> bool:
        """Count a connection; return whether there is room for it."""
        if self.inside[organisation] >= self.caps.organisation:
            return False
        self.inside[organisation] += 1
        return True

    def leave(self, organisation: str) -> None:
        """Count a connection no longer."""
        self.inside[organisation] -= 1


@dataclass
class Strangers(Generic[T]):
    """Connections in the handshake, oldest first for each address.

    Where there is no room the oldest makes some, of the same address or of the one with the most: an honest handshake
    takes milliseconds, so who has waited longest is least likely to end it.
    """

    caps: Caps
    _waiting: dict[str, dict[T, None]] = field(default_factory=dict)

    def enter(self, address: str, connection: T) -> T | None:
        """Take a connection in; return the one that has to make room, if any."""
        own = self._waiting.setdefault(address, {})
        leaves = None
        if len(own) >= self.caps.address:
            leaves = next(iter(own))
            self.leave(address, leaves)
        elif len(self) >= self.caps.strangers:
            most = max(self._waiting, key=lambda name: len(self._waiting[name]))
            leaves = next(iter(self._waiting[most]))
            self.leave(most, leaves)
        self._waiting.setdefault(address, {})[connection] = None
        return leaves

    def leave(self, address: str, connection: T) -> None:
        """Forget a connection, if it is still here."""
        own = self._waiting.get(address, {})
        own.pop(connection, None)
        if not own:
            self._waiting.pop(address, None)

    def __iter__(self) -> Iterator[T]:
        return iter([connection for waiting in self._waiting.values() for connection in waiting])

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))


class Rates:
    """How often each address may begin: a bucket of BURST that fills with PER_SECOND."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}

    def allow(self, address: str, now: float) -> bool:
        """Return whether an address may begin once more at a time in seconds."""
        left, since = self._buckets.pop(address, (BURST, now))
        left = min(BURST, left + (now - since) * PER_SECOND)
        if len(self._buckets) >= MOST_ADDRESSES:
            self._buckets.pop(next(iter(self._buckets)))  # who was silent longest is full again, or nearly
        allowed = left >= 1
        self._buckets[address] = (left - allowed, now)
        return allowed


def descriptors() -> int:
    """Raise the process's limit of descriptors to what the service can use, where the system lets it; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
