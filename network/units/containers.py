"""What compose files and Helm charts share: which processes live together, as whom, and how one tells they work."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from network import codes
from network.codes import CATALOGUE
from network.errors import NetworkError
from network.units.model import Unit
from network.units.places import Places

USER_ID: Final = 10001
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104  # within the container's own network namespace
"""What the own host's name means inside: listening there is listening on every address, dialling it is loopback."""
CONNECTS: Final = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


@dataclass(frozen=True)
class Pod:
    """The processes of one host of the definition: they share its name, its loopback and its folder.

    Attributes:
        name: A name for it, of lower-case letters, digits and hyphens.
        host: The host's name.
        units: In the order in which they start.
    """

    name: str
    host: str
    units: tuple[Unit, ...]

    @property
    def dialled(self) -> tuple[int, ...]:
        """Return the ports that other organisations dial."""
        return tuple(port for unit in self.units for port in unit.dialled)


def pods_of(organisation: str, units: Sequence[Unit]) -> tuple[Pod, ...]:
    """Return an organisation's processes by host.

    Raises:
        NetworkError: FL1082, a host is an address: inside a container it would be another's, or nobody's.
    """
    hosts = list(dict.fromkeys(unit.host for unit in units))
    for host in hosts:
        if _is_address(host):
            hint = CATALOGUE[codes.HOST_IS_ADDRESS].hint
            text = f"{organisation} has processes on {host}, and containers need the host's name"
            raise NetworkError(codes.HOST_IS_ADDRESS, text, where="organisations", hint=hint)
    names = [organisation if len(hosts) == 1 else f"{organisation}-{number}" for number in range(1, len(hosts) + 1)]
    grouped = ([unit for unit in units if unit.host == host] for host in hosts)
    return tuple(Pod(n, h, _in_order(group)) for n, h, group in zip(names, hosts, grouped, strict=True))


def works(unit: Unit, places: Places) -> list[str]:
    """Return the command that ends with 0 where a process does its work."""
    if unit.alive:
        return list(unit.alive)
    return [str(places.programs / "venv" / "bin" / "python"), "-c", CONNECTS, unit.process.host, str(unit.process.port)]


def environment(unit: Unit) -> dict[str, str]:
    """Return a process's environment; Python writes no bytecode where nothing can be written."""
    return (
        {**unit.process.environment, "PYTHONDONTWRITEBYTECODE": "1"}
        if _is_python(unit)
        else dict(unit.process.environment)
    )


def yaml_ready(value: Any) -> Any:
    """Return a value whose tuples are lists, as YAML writes them."""
    if isinstance(value, dict):
        return {key: yaml_ready(item) for key, item in value.items()}
    return [yaml_ready(item) for item in value] if isinstance(value, list | tuple) else value


def _is_python(unit: Unit) -> bool:
    return "PYTHONDONTWRITEBYTECODE" in unit.process.environment


def _in_order(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Return units so that each comes after those that it waits for."""
    ordered: list[Unit] = []
    waiting = list(units)
    names = {unit.name for unit in units}
    while waiting:
        done = {unit.name for unit in ordered}
        ready = next(unit for unit in waiting if set(unit.after) & names <= done)
        waiting.remove(ready)
        ordered.append(ready)
    return tuple(ordered)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
