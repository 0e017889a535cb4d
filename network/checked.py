"""Reads a definition that was checked before, as it lies in a run folder.

The classes that check definitions take two thirds of a small process's start and 12 MB of its memory: a process that is
started from a run folder reads the same attributes from plain values.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import yaml

from network.addresses import Addressed
from network.roles import Roles

if TYPE_CHECKING:
    from network.topology import Consortium


class _Node(SimpleNamespace, Addressed):
    host: str
    port: int
    listen: str | None = None


class _Organisation(SimpleNamespace):
    peers: tuple[_Node, ...] = ()
    orderers: tuple[_Node, ...] = ()
    blob_port: int | None = None

    @property
    def peer(self) -> _Node:
        return self.peers[0]


class _Consortium(Roles[Any], SimpleNamespace):
    pass


def read_checked(path: Path) -> "Consortium":
    """Return the normalised definition in a run folder.

    Raises:
        OSError: it cannot be read.
        KeyError: it is not one that `network.topology.dump_consortium` wrote.
    """
    raw = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 both are safe
    organisations = tuple(_organisation(each) for each in raw["organisations"])
    chaincode, federation = SimpleNamespace(**raw["chaincode"]), SimpleNamespace(**raw["federation"])
    values = {**raw, "chaincode": chaincode, "federation": federation, "organisations": organisations}
    return cast("Consortium", _Consortium(**values))


def _organisation(raw: dict[str, Any]) -> _Organisation:
    nodes = {kind: tuple(_Node(**node) for node in raw.get(kind, ())) for kind in ("peers", "orderers")}
    return _Organisation(**{**raw, **nodes})
