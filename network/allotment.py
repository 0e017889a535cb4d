"""Completes a raw definition: MSP ids, nodes and ports that it leaves out."""

from collections.abc import Iterable
from typing import Any

DEFAULT_BASE_PORT = 17000
PORTS_PER_NODE = 10
MOST_OTHERS = 2  # chaincodes besides the first: so many ports of a node's block are free


def allot(raw: dict[str, Any]) -> list[Any]:
    """Return the organisations of a raw definition with every node and port written out; what is malformed stays."""
    ports = _Ports(raw.get("base_port", DEFAULT_BASE_PORT))
    return [_fill_organisation(entry, ports) for entry in raw["organisations"]]


class _Ports:
    """Allots a block of ports to each node, so that adding a node at the end moves no other."""

    def __init__(self, base: Any) -> None:
        self._next = base if isinstance(base, int) else 0

    def block(self) -> int:
        start, self._next = self._next, self._next + PORTS_PER_NODE
        return start


def _fill_organisation(raw: Any, ports: _Ports) -> Any:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        return raw
    filled = {"msp_id": msp_id_of(raw["name"]), **raw}
    host = {key: raw[key] for key in ("host", "listen") if key in raw}
    if raw.get("role") == "orderer":
        filled["orderers"] = _fill_orderers(raw.get("orderers", 1), raw["name"], host, ports)
        return filled
    start = ports.block()
    filled["peers"] = _fill_peers(raw.get("peers", 1), raw["name"], host, start, ports)
    if raw.get("role") == "member":
        filled.setdefault("blob_port", start + 4)
    if "orderers" in raw:
        filled["orderers"] = _fill_orderers(raw["orderers"], raw["name"], host, ports)
    return filled


def _fill_peers(raw: Any, organisation: str, host: dict[str, Any], first: int, ports: _Ports) -> Any:
    """Return the peers with names and ports; the organisation's own block, that of its blob service, is the first's."""
    entries = [{}] * raw if isinstance(raw, int) else raw
    if not isinstance(entries, list | tuple):
        return raw
    filled = []
    for number, entry in enumerate(entries):
        start = ports.block() if number else first
        default = peer_entry(organisation, number, start + 1) | host
        filled.append({**default, **entry} if isinstance(entry, dict) else entry)
    return filled


def peer_entry(organisation: str, number: int, port: int) -> dict[str, Any]:
    """Return what a definition says of an organisation's peer whose block of ports has this as its second."""
    return {
        "name": f"peer{number}.{organisation}",
        "port": port,
        "chaincode_port": port + 1,
        "operations_port": port + 2,
        "internal_port": port + 4,
        "upgrade_port": port + 6,  # 5 further is the metrics' of the node, counted from its blob service's
    }


def free_block(base: int, taken: Iterable[int]) -> int:
    """Return the first port of a block above all that are taken, counted in blocks from a base."""
    return base + ((max(taken) - base) // PORTS_PER_NODE + 1) * PORTS_PER_NODE


def _fill_orderers(raw: Any, organisation: str, host: dict[str, Any], ports: _Ports) -> Any:
    entries = [{}] * raw if isinstance(raw, int) else raw
    suffix = "" if organisation == "orderer" else f".{organisation}"  # an orderer's name is its process's: no two alike
    if not isinstance(entries, list | tuple):
        return raw
    filled = []
    for number, entry in enumerate(entries, start=1):
        start = ports.block()
        default = {
            "name": f"orderer{number}{suffix}",
            **host,
            "port": start + 1,
            "admin_port": start + 2,
            "operations_port": start + 3,
        }
        filled.append({**default, **entry} if isinstance(entry, dict) else entry)
    return filled


def msp_id_of(name: str) -> str:
    """Return the MSP id an organisation has by default: hospital-a becomes HospitalAMSP."""
    return "".join(part.capitalize() for part in name.split("-")) + "MSP"


def chaincode_port(peer: Any, sequence: int, place: int = 0) -> int:
    """Return the port of a peer's chaincode process of a definition: two run side by side during an upgrade.

    `place` says which of the channel's chaincodes it is.
    """
    if place:
        return int(peer.chaincode_port) + 2 + 2 * place  # the 7th and 9th of the block
    return int(peer.chaincode_port if sequence % 2 else peer.upgrade_port)


def external_address(package: str) -> str:
    """Return host:port of a chaincode that somebody else runs for all peers; "" where each has a process of its own."""
    scheme, separator, address = package.partition("://")
    return address if separator and scheme == "grpc" else ""
