"""The pytest fixture `fabric_network`: a running network for the contract that `fabric_contract` names."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network.devnet.fabric_network import ORGANIZATIONS, FabricNetwork, running


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what can be said in pytest's ini file."""
    parser.addini("fabric_contract", "contract of the network: a Go folder, a program, or grpc://host:port", default="")
    parser.addini("fabric_collections", "a file of its collections, as Fabric's commands take it", default="")
    parser.addini("fabric_organizations", "how many organisations the network has", default=str(ORGANIZATIONS))


@pytest.fixture(scope="session")
def fabric_contract(pytestconfig: pytest.Config) -> str:
    """The network's contract; define a fixture of this name, or the ini option of this name."""
    named = str(pytestconfig.getini("fabric_contract"))
    if not named:
        raise pytest.UsageError("name the contract: `fabric_contract = ./chaincode` in the ini file, or such a fixture")
    return named if "://" in named else str(pytestconfig.rootpath / named)


@pytest.fixture(scope="session")
def fabric_collections(pytestconfig: pytest.Config) -> list[dict[str, Any]]:
    """The contract's collections; define a fixture of this name, or name a file in the ini option of this name."""
    named = str(pytestconfig.getini("fabric_collections"))
    return json.loads((pytestconfig.rootpath / named).read_text()) if named else []


@pytest.fixture(scope="session")
def fabric_network(
    pytestconfig: pytest.Config,
    fabric_contract: str | Path,
    fabric_collections: list[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FabricNetwork]:
    """A network that runs for the whole session."""
    organizations = int(pytestconfig.getini("fabric_organizations"))
    folder = tmp_path_factory.mktemp("devnet") / "run"
    with running(fabric_contract, folder, organizations=organizations, collections=fabric_collections) as network:
        yield network
