"""Addresses of processes: what others dial, and what a process listens on."""

import ipaddress
from typing import TYPE_CHECKING

# Every address of a host → the one that reaches it from itself.
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def join(host: str, port: int) -> str:
    """Return host:port; an IPv6 address stands in brackets."""
    return f"{bracketed(host)}:{port}"


def split(address: str) -> tuple[str, int]:
    """Return host and port of an address as `join` writes it; ValueError if it is none."""
    host, colon, port = address.rpartition(":")
    if not host or not colon or not port.isdecimal():
        raise ValueError(f"{address} is no host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def bracketed(host: str) -> str:
    """Return a host as it stands in an address or a URL."""
    return f"[{host}]" if ":" in host else host


def is_literal(host: str) -> bool:
    """Return whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def require_host(host: str) -> str:
    """Return a host that is a name or an IP address; ValueError for what only looks like one."""
    if ":" in host and not is_literal(host):
        raise ValueError(f"{host} is no IPv6 address")
    return host


class Addressed:
    """A process with the host that others dial and, where it is another, the address that it listens on."""

    if TYPE_CHECKING:
        host: str
        listen: str | None
        port: int

    @property
    def address(self) -> str:
        """Return host:port of its service, as others dial it."""
        return join(self.host, self.port)

    @property
    def bound(self) -> str:
        """Return the host that it listens on."""
        return self.listen or self.host

    @property
    def near(self) -> str:
        """Return the host that reaches it from its own machine."""
        return WILDCARDS.get(self.bound, self.bound)

    @property
    def names(self) -> tuple[str, ...]:
        """Return every host that its certificate is for."""
        return tuple(dict.fromkeys((self.host, self.near)))
