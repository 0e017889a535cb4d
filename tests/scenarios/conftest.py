"""The network that scenarios run on."""

import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from network import bringup
from network.identities import identities_of
from network.topology import load_consortium
from tests.corporate import Company, enrol
from tests.ports import free_ports
from tests.scenarios.federation import Federation

CONSORTIUM = Path(__file__).resolve().parents[2] / "network" / "consortium.yaml"
PARAMETERS = {
    "keys_ms": 6000,
    "shares_ms": 6000,
    "updates_ms": 6000,
    "unmask_ms": 6000,
    "attest_ms": 6000,
    "aggregator_lease_ms": 1000,
    "epoch_rounds": 10,
}


@pytest.fixture
async def federation(pytestconfig: pytest.Config, tmp_path: Path) -> AsyncIterator[Federation]:
    async with connected(pytestconfig, tmp_path) as federation:
        yield federation


@pytest.fixture
async def chained_federation(pytestconfig: pytest.Config, tmp_path: Path) -> AsyncIterator[Federation]:
    """A federation whose hospital-b has certificates of a company's authorities, without any attribute."""
    hospital = identities_of(load_consortium(), tmp_path / "run", "hospital-b")
    enrol(hospital, Company.named("Clinic"), Company.named("Clinic's network"), attributes=False)
    async with connected(pytestconfig, tmp_path) as federation:
        yield federation


@contextlib.asynccontextmanager
async def connected(pytestconfig: pytest.Config, tmp_path: Path) -> AsyncIterator[Federation]:
    """Run a network, and connect as everybody."""
    kind = pytestconfig.getoption("--network", "devnet")
    if kind == "fabric" and not _has_fabric():
        pytest.skip("no Fabric binaries in FABRIC_BIN or PATH")
    with _running(tmp_path / "run", kind, pytestconfig.getoption("--ordering", "bft")) as run:
        async with Federation.connect(run) as federation:
            yield federation


@contextlib.contextmanager
def _running(run: Path, kind: str, ordering: str) -> Iterator[Path]:
    definition = yaml.safe_load(CONSORTIUM.read_text())
    definition["ordering"] = ordering
    definition["federation"]["parameters"] |= PARAMETERS
    path = run.parent / "consortium.yaml"
    path.write_text(json.dumps(definition))
    try:
        bringup.up(bringup.Request(run, kind, definition=path, base_port=free_ports()), lambda _: None)  # type: ignore[arg-type]
        yield run
    finally:
        bringup.down(run)


def _has_fabric() -> bool:
    return bool(shutil.which("peer", path=os.environ.get("FABRIC_BIN")) or shutil.which("peer"))
