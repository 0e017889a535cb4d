"""What every kind of test shares: the choice of the network."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fedledger")
    group.addoption("--network", choices=("devnet", "fabric"), default="devnet", help="the network to run the cases on")
    group.addoption("--network-run", type=Path, help="use the network that is up in this run folder, and leave it up")
