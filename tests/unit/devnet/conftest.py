"""A consortium with its identities, and channels on it."""

import shutil
from pathlib import Path

import pytest

from network import runfolder
from network.topology import Consortium, load_consortium
from tests.unit.devnet.harness import Chain


@pytest.fixture(scope="session")
def consortium() -> Consortium:
    return load_consortium()


@pytest.fixture(scope="session")
def identities_run(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with identities only; not to be written to."""
    run = tmp_path_factory.mktemp("identities")
    runfolder.prepare(run, consortium)
    runfolder.give_genesis(run, consortium, "devnet")
    return run


@pytest.fixture
def run(identities_run: Path, tmp_path: Path) -> Path:
    """A run folder of the test's own, with the session's identities."""
    shutil.copytree(identities_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def genesis_chain(consortium: Consortium, run: Path) -> Chain:
    """A channel with its first block only."""
    return Chain.start(consortium, run)


@pytest.fixture
async def chain(genesis_chain: Chain) -> Chain:
    """A channel on which the chaincode is defined."""
    await genesis_chain.define()
    return genesis_chain
