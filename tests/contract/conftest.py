"""The network that the cases run on."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway import Contract
from tests.contract.harness.ledger import FABRIC_PROGRAMS, Ledger, fabric_program, opened, running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        needed = item.get_closest_marker("ordering")
        if needed and needed.args[0] != config.getoption("--ordering", "bft"):
            item.add_marker(pytest.mark.skip(f"needs {needed.args[0]} ordering"))
    if config.getoption("--network", "devnet") != "fabric":
        return
    cases = [item for item in items if Path(__file__).parent in item.path.parents]
    for case in cases:
        case.add_marker(pytest.mark.fabric)
    if cases and not all(map(fabric_program, FABRIC_PROGRAMS)):
        cases[0].add_marker(pytest.mark.skip("no Fabric binaries in FABRIC_BIN or PATH: no case of the suite ran"))
        config.hook.pytest_deselected(items=cases[1:])
        items[:] = [item for item in items if item not in cases[1:]]


@pytest.fixture(scope="session")
def kind(pytestconfig: pytest.Config) -> str:
    return pytestconfig.getoption("--network", "devnet")  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def ordering(pytestconfig: pytest.Config) -> str:
    return pytestconfig.getoption("--ordering", "bft")  # type: ignore[no-any-return]


@pytest.fixture(scope="package")
def ledger(
    pytestconfig: pytest.Config, kind: str, ordering: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """One network for all cases that leave its processes alone; they keep apart by their keys."""
    given = pytestconfig.getoption("--network-run", None)
    if given:
        yield opened(given)
        return
    with running(tmp_path_factory.mktemp("shared") / "run", kind, ordering) as network:
        yield network


@pytest.fixture(scope="module")
def own_ledger(kind: str, ordering: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A network for the cases of one file that kill its processes; each starts them again."""
    with running(tmp_path_factory.mktemp("own") / "run", kind, ordering) as network:
        yield network


@pytest.fixture
async def contract(ledger: Ledger) -> AsyncIterator[Contract]:
    """The contract behind hospital-a's gateway, as its client."""
    async with ledger.contract() as connected:
        yield connected


@pytest.fixture
def key() -> str:
    """A key, or the beginning of keys, that no other case uses."""
    return f"k{uuid.uuid4().hex[:12]}-"
