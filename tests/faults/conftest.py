"""One network for all fault tests, and four nodes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from network.bringup import Request, down, up
from network.rules import NEWEST_RULES
from network.topology import DEFAULT_DEFINITION
from tests.faults.stage import Nodes, founded
from tests.ports import free_ports

TIMES = {
    "keys_ms": 8000,
    "shares_ms": 8000,
    "updates_ms": 8000,
    "unmask_ms": 8000,
    "attest_ms": 8000,
    "aggregator_lease_ms": 5000,
    "epoch_rounds": 100,
}


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A network with short phases."""
    with network(tmp_path_factory.mktemp("faults"), request) as folder:
        yield folder


@contextlib.contextmanager
def network(
    folder: Path,
    request: pytest.FixtureRequest,
    *more: str,
    out_of_reach: str = "",
    two_peers: str = "",
    channel: str = "",
    rules: int = NEWEST_RULES,
    **terms: int,
) -> Iterator[Path]:
    """Run a network with short phases, of the default definition's members and some more, by other terms or rules.

    Nobody can open a connection to the blob service of who is out of reach; one organisation may have two peers.
    """
    raw = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    raw["federation"]["parameters"] |= TIMES | terms
    raw["federation"]["rules"] = rules
    raw["organisations"] += [{"name": name, "role": "member"} for name in more]
    raw.pop("base_port")
    raw["ordering"] = request.config.getoption("--ordering")
    raw["channel"] = channel or raw["channel"]
    for organisation in raw["organisations"]:
        if organisation["name"] == out_of_reach:
            organisation["inbound"] = False
        if organisation["name"] == two_peers:
            organisation["peers"] = 2
    folder.mkdir(exist_ok=True)
    definition = folder / "definition.yaml"
    definition.write_text(yaml.safe_dump(raw))
    kind = request.config.getoption("--network")
    up(Request(folder / "run", kind, definition, free_ports()), lambda _: None)
    try:
        yield folder / "run"
    finally:
        down(folder / "run")


def at_length(config: pytest.Config) -> bool:
    """Say whether what takes long was asked for."""
    return config.getoption("--network") == "fabric" or "lengthy" in config.option.markexpr


@pytest.fixture(scope="package")
def nodes(run: Path) -> Iterator[Nodes]:
    """Four nodes that have founded the federation and know the synthetic plan."""
    with founded(run) as started:
        yield started
