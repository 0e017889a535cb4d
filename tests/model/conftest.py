"""The rules' program, a folder for blobs in memory where there is one, and the settings of a long run."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from network.build import build_chaincode

settings.register_profile(
    "model",
    max_examples=1_500,
    stateful_step_count=70,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def binary() -> Path:
    return build_chaincode("cmd/replay")


@pytest.fixture(scope="session")
def blobs() -> Iterator[Path]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="fedledger-model-", dir=memory if memory.is_dir() else None))
    yield folder
    shutil.rmtree(folder)
