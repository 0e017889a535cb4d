"""An organisation joins a running network: real processes, from the change of the channel to its first endorsement."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from gateway import Endpoint, Identity, Signer, connect
from gateway.errors import GatewayError
from network import processes
from network.bringup import Request, down, start_one, stop_one, up
from network.connection import consortium_of, profile
from network.errors import NetworkError
from network.folders import folder_of
from network.joining import Newcomer, add_organisation
from network.plan import Plan
from tests.contract.harness.ledger import FABRIC_PROGRAMS, fabric_program
from tests.ports import free_ports
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.slow
CONTRACT = "./cmd/conformance"
FABRIC = pytest.param(
    "fabric",
    marks=[
        pytest.mark.fabric,
        pytest.mark.skipif(not all(map(fabric_program, FABRIC_PROGRAMS)), reason="no Fabric binaries"),
    ],
)


def quiet(_: str) -> None:
    pass


def connected(run: Path, organisation: str):
    user = profile(run, organisation)
    endpoints = [Endpoint(address, root_certificates=root) for address, root in user.peers]
    return connect(endpoints, Identity(user.msp_id, user.cert_pem), Signer.from_pem(user.key_pem))


def others_keys(run: Path) -> dict[str, str]:
    """Every key and certificate of those who were there before."""
    found = [
        path for o in consortium_of(run).organisations for path in sorted(folder_of(run, o.name).secrets.rglob("*"))
    ]
    kept = [path for path in found if path.is_file() and "hospital-e" not in path.parts]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


def pids(run: Path) -> dict[str, int | None]:
    return {p.name: processes.pid(run, p.name) for p in Plan.read(run).processes}


@pytest.mark.parametrize("kind", ["devnet", FABRIC])
async def test_a_new_organisation_catches_up_submits_and_endorses_and_the_others_are_left_alone(tmp_path, kind):
    run = tmp_path / "run"
    try:
        up(Request(run, kind, base_port=free_ports(), chaincode=CONTRACT), quiet)
        keys, running = others_keys(run), pids(run)
        async with connected(run, "hospital-a") as gateway:
            await gateway.network("fedchannel").contract("fedledger").submit("Put", "before", "1")
        outcome = await asyncio.to_thread(add_organisation, run, Newcomer("hospital-e"), quiet)
        assert {"peer-hospital-e", "chaincode-hospital-e"} == set(outcome.started)
        assert (keys, running) == (others_keys(run), {k: v for k, v in pids(run).items() if "hospital-e" not in k})
        async with connected(run, "hospital-e") as gateway:
            contract = gateway.network("fedchannel").contract("fedledger")
            await first_answer(contract)
            assert b"1" == await contract.evaluate("Get", "before", endorsing_organizations=["HospitalEMSP"])
            named = ["HospitalEMSP", "HospitalAMSP", "HospitalBMSP"]
            assert b"1" == await contract.submit("Put", "k", "1", endorsing_organizations=named)
            assert b"HospitalEMSP" == await contract.evaluate("ProcessMSP")
        assert () == add_organisation(run, Newcomer("hospital-e"), quiet).started
        await asyncio.to_thread(restart, run)
        async with connected(run, "hospital-e") as gateway:
            contract = gateway.network("fedchannel").contract("fedledger")
            await first_answer(contract)
            assert b"1" == await contract.evaluate("Get", "k")
    finally:
        down(run)
    assert consortium_of(run).organisation("hospital-e").role == "member"


def restart(run: Path) -> None:
    down(run)
    up(Request(run, Plan.read(run).kind), quiet)


async def first_answer(contract):
    """Return once the newcomer's peer has caught up and its chaincode answers."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await contract.evaluate("ProcessMSP")
            except GatewayError:
                await asyncio.sleep(0.2)


def test_a_regulator_joins_and_runs_no_chaincode_and_what_is_refused_leaves_nothing_behind(tmp_path):
    run = tmp_path / "run"
    try:
        up(Request(run, base_port=free_ports(), chaincode=CONTRACT), quiet)
        known, entries = (run / "consortium.yaml").read_text(), sorted(run.iterdir())
        stop_one(run, "peer-hospital-a")
        with pytest.raises(NetworkError, match="FL1060"):
            add_organisation(run, Newcomer("auditors", "regulator"), quiet)
        assert not folder_of(run, "auditors").root.exists(), "what failed leaves nothing behind"
        assert ((run / "consortium.yaml").read_text(), sorted(run.iterdir())) == (known, entries)
        start_one(run, "peer-hospital-a")
        outcome = add_organisation(run, Newcomer("auditors", "regulator"), quiet)
        assert ("peer-auditors",) == outcome.started
        with pytest.raises(NetworkError, match="FL1035: hospital-a is there already, as member"):
            add_organisation(run, Newcomer("hospital-a", "regulator"), quiet)
        with pytest.raises(NetworkError, match="FL1002"):
            add_organisation(run, Newcomer("Not A Name"), quiet)
        assert ["regulator", "auditors"] == [o.name for o in consortium_of(run).regulators]
    finally:
        down(run)


def test_without_a_network_nothing_can_join(tmp_path):
    with pytest.raises(NetworkError, match="FL1020"):
        add_organisation(tmp_path / "run", Newcomer("hospital-e"), quiet)
