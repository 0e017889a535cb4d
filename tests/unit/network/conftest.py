import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway import Contract, Endpoint, Identity, Signer, connect
from network.bringup import Request, down, up
from network.connection import profile
from tests.ports import free_ports

HAS_FABRIC = shutil.which("peer", path=os.environ.get("FABRIC_BIN") or os.environ.get("PATH")) is not None
FABRIC = pytest.param(
    "fabric",
    marks=[
        pytest.mark.fabric,
        pytest.mark.slow,
        pytest.mark.skipif(not HAS_FABRIC, reason="no Fabric binaries in FABRIC_BIN or PATH"),
    ],
)


def quiet(_: str) -> None:
    pass


@asynccontextmanager
async def contract_of(run: Path, organisation: str, user: str = "client") -> AsyncIterator[Contract]:
    """The conformance chaincode through an organisation's own gateway."""
    who = profile(run, organisation, user)
    endpoints = [Endpoint(address, root_certificates=root) for address, root in who.peers]
    async with connect(endpoints, Identity(who.msp_id, who.cert_pem), Signer.from_pem(who.key_pem)) as gateway:
        yield gateway.network(who.channel).contract(who.chaincode)


@pytest.fixture(scope="module", params=["devnet", FABRIC])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A network of the default consortium with the conformance chaincode, one for all tests of a module."""
    run = tmp_path_factory.mktemp(request.param) / "run"
    request_up = Request(run, request.param, base_port=free_ports(), chaincode="./cmd/conformance")
    outcome = up(request_up, quiet)
    yield outcome, run
    down(run)
