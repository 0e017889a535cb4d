"""The processes of a network, as values: what `up` starts and `start NAME` starts again."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from network import codes
from network.errors import NetworkError
from network.files import write_atomically

Kind = Literal["devnet", "fabric"]
Service = Literal["orderer", "peer", "chaincode", "node", "blobs", "dashboard"]
HERE = "{folder}"
"""Stands in network.json for the folder that it lies in."""


def peer_process(organisation: str, number: int = 0) -> str:
    """Return the name of a peer's process: the first of an organisation bears no number."""
    return f"peer{number or ''}-{organisation}"


def chaincode_process(organisation: str, number: int = 0, sequence: int = 1, other: str = "") -> str:
    """Return the name of the chaincode process beside a peer, of a definition: the channel's first bears no number.

    `other` names the chaincode where it is not the channel's first.
    """
    beside = f"chaincode{number or ''}-{organisation}" + (f"-{sequence}" if sequence > 1 else "")
    return f"{beside}-{other}" if other else beside


@dataclass(frozen=True)
class Process:
    """A program of the network: how it is started, and the port that it answers on."""

    name: str
    command: tuple[str, ...]
    port: int
    host: str = "127.0.0.1"
    near: str = ""  # the host that reaches it from its own machine; "": the same as for others
    service: Service = "peer"
    organisation: str = ""  # whose process it is
    number: int = 0  # which of the organisation's peers it is, or stands beside
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_event: bool = False  # it also logs a JSON line {"event": "ready"}
    health_port: int | None = None  # Fabric's operations service on loopback: ready when its /healthz says so
    health_root: str = ""  # path of the TLS root that its certificate must chain to
    other_ports: tuple[int, ...] = ()

    @property
    def reached(self) -> str:
        """Return the host that reaches it from its own machine."""
        return self.near or self.host

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> "Process":
        """Read what `Plan.write` wrote."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
        return cls(name=name, **fields)


@dataclass(frozen=True)
class Plan:
    """All processes of a network, in the order they start."""

    kind: Kind
    processes: tuple[Process, ...]

    def write(self, run: Path) -> None:
        """Write RUN/network.json; what lies in the folder is named from there, so that it can be moved."""
        entries = {p.name: {k: v for k, v in asdict(p).items() if k != "name"} for p in self.processes}
        value = _each_text({"kind": self.kind, "processes": entries}, lambda text: text.replace(str(run), HERE))
        write_atomically(run / "network.json", json.dumps(value, indent=1) + "\n")

    @classmethod
    def read(cls, run: Path) -> "Plan":
        """Read RUN/network.json; FL1020 where no network was brought up."""
        path = run / "network.json"
        try:
            value = _each_text(json.loads(path.read_bytes()), lambda text: text.replace(HERE, str(run)))
            return cls(value["kind"], tuple(Process.from_json(n, p) for n, p in value["processes"].items()))
        except FileNotFoundError:
            hint = "Start one with `fedledger network up`."
            raise NetworkError(codes.NO_NETWORK, "there is no network here", where=str(run), hint=hint) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            hint = "Remove the file and bring the network up again; ledgers stay."
            raise NetworkError(codes.NETWORK_FILE_DAMAGED, f"unreadable: {error}", where=str(path), hint=hint) from None

    def process(self, name: str) -> Process:
        """Return one process; FL1022 if the network has none of that name."""
        for process in self.processes:
            if process.name == name:
                return process
        names = ", ".join(p.name for p in self.processes)
        raise NetworkError(codes.UNKNOWN_PROCESS, f"there is no process {name}", hint=f"There are {names}.")


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _each_text(item, change) for key, item in value.items()}
    return [_each_text(item, change) for item in value] if isinstance(value, list | tuple) else value
