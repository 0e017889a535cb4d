"""A small consortium's identities on disk, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yaml

from network import runfolder
from network.topology import Consortium, load_consortium
from tests.ports import free_ports


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """Leave the logs as they were, whatever a command under test configured."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a definition and identities, and no process."""
    folder = tmp_path_factory.mktemp("consortium")
    organisations = [{"name": "orderer", "role": "orderer", "orderers": 1}]
    organisations += [{"name": f"hospital-{letter}", "role": "member"} for letter in "abc"]
    organisations += [{"name": "regulator", "role": "regulator"}]
    source = folder / "definition.yaml"
    source.write_text(yaml.safe_dump({"base_port": free_ports(), "organisations": organisations}))
    consortium = load_consortium(source)
    runfolder.prepare(folder, consortium)
    return folder


@pytest.fixture(scope="session")
def consortium(run: Path) -> Consortium:
    """The consortium of the run folder."""
    return load_consortium(run / "consortium.yaml")
