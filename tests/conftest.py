"""What every kind of test shares: the choice of the network, and no deadline for an example on a busy machine."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("fedledger", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fedledger")


CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fedledger")
    group.addoption("--network", choices=("devnet", "fabric"), default="devnet", help="the network to run the cases on")
    group.addoption("--ordering", choices=("bft", "raft"), default="bft", help="how the orderers of that network agree")
    group.addoption("--upgrade-to", type=Path, help="the programs of a newer Fabric, to upgrade the network to")
    group.addoption("--older", type=Path, help="a checkout of an earlier commit, whose nodes take part beside today's")
    group.addoption("--network-run", type=Path, help="use the network that is up in this run folder, and leave it up")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes minutes unless somebody asked for it, and what needs a browser where there is none."""
    if not any(shutil.which(name) for name in CHROMIUM):
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason="no Chromium: apt install chromium"))
    if config.getoption("--network") == "fabric" or "lengthy" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="takes minutes: run it with --network fabric or -m 'slow or lengthy'")
    for item in items:
        if item.get_closest_marker("lengthy"):
            item.add_marker(skip)
