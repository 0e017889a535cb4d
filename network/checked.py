"""Reads a definition that was checked before, as it lies in a run folder.

The classes that check definitions take two thirds of a small process's start and 12 MB of its memory: a process that is
started from a run folder reads the same attributes from plain values.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import yaml

from network.addresses import Addressed
from network.collections_config import collections_package
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


class _Chaincode(SimpleNamespace):
    collections: list[dict[str, Any]] = []  # noqa: RUF012 of definitions from before there were any; never changed
    place: int = 0

    def collections_package(self) -> Any:
        return collections_package(self.collections)


class _Consortium(Roles[Any], SimpleNamespace):
    chaincode: _Chaincode
    others: tuple[_Chaincode, ...] = ()

    def each(self) -> "tuple[_Consortium, ...]":
        placed = [_Chaincode(**{**vars(other), "place": n}) for n, other in enumerate(self.others, start=1)]
        return (self, *(_Consortium(**{**vars(self), "chaincode": other, "others": ()}) for other in placed))


def read_checked(path: Path) -> "Consortium":
    """Return the normalised definition in a run folder.

    Raises:
        OSError: it cannot be read.
        KeyError: it is not one that `network.topology.dump_consortium` wrote.
    """
    raw = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 both are safe
    organisations = tuple(_organisation(each) for each in raw["organisations"])
    chaincode, *others = (_Chaincode(**each) for each in (raw["chaincode"], *raw.get("others", ())))
    values = {**raw, "chaincode": chaincode, "others": tuple(others), "organisations": organisations}
    values["federation"] = SimpleNamespace(**raw["federation"])
    return cast("Consortium", _Consortium(**values))


def _organisation(raw: dict[str, Any]) -> _Organisation:
    nodes = {kind: tuple(_Node(**node) for node in raw.get(kind, ())) for kind in ("peers", "orderers")}
    return _Organisation(**{**raw, **nodes})
