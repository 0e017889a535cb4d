"""An orderer of another organisation is added to a running channel, and one that was there is removed."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from network import processes, runfolder
from network.bringup import down, plan_of, stop_one
from network.connection import consortium_of, profile
from network.fabric.participation import OrdererAdmin
from network.fabric.plan import render
from network.folders import folder_of
from network.orderer_update import orderer_addresses
from network.plan import Plan, peer_process
from network.topology import Consortium
from tests.contract.harness.channel import admin_of
from tests.contract.harness.commands import done, own, refused
from tests.contract.harness.ledger import Ledger, opened, running
from tests.ports import free_ports

ORDERERS = ("hospital-a", "hospital-b", "hospital-c", "regulator")
NEWCOMER = "hospital-d"
PATIENCE_S = 180.0

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def network(kind: str, ordering: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    if kind == "devnet":
        pytest.skip("devnet orders in one process and keeps its orderers")
    with running(tmp_path_factory.mktemp("change") / "run", kind, ordering, ORDERERS) as ledger:
        yield ledger


def widened(consortium: Consortium) -> Consortium:
    """The definition in which the newcomer has an orderer."""
    value = consortium.model_dump(mode="json", exclude_none=True)
    (organisation,) = (o for o in value["organisations"] if o["name"] == NEWCOMER)
    base = free_ports()
    organisation["orderers"] = [{"port": base, "admin_port": base + 1, "operations_port": base + 2}]
    return Consortium.model_validate(value)


async def change(ledger: Ledger, file: Path, *request: object) -> None:
    """Change the channel's orderers by a file that three organisations that order sign, each in its own folder."""
    done(own(ledger, "hospital-b"), "network", "update", "propose", *request, "--out", file)
    shown = done(own(ledger, "hospital-d"), "network", "update", "show", file)
    assert (shown["signed"], [each["count"] for each in shown["missing"]]) == (["hospital-b"], [2])
    for name in ("hospital-c", "regulator"):
        done(own(ledger, name), "network", "update", "sign", file)
    assert refused(own(ledger, "regulator"), "network", "update", "submit", file)[0] == "FL1157"
    assert done(own(ledger, "hospital-b"), "network", "update", "submit", file)["changed"]


async def addresses(ledger: Ledger) -> list[str]:
    """Where the channel says that its orderers are."""
    async with admin_of(ledger, "hospital-b") as admin:
        return orderer_addresses(await admin.config())


def start_newcomer(ledger: Ledger) -> OrdererAdmin:
    """Give the newcomer an orderer in the run folder, start it, and let it join the channel."""
    consortium, run = ledger.consortium, ledger.run
    organisation = consortium.organisation(NEWCOMER)
    (orderer,) = organisation.orderers
    render(consortium, run)
    program = Path(Plan.read(run).process("chaincode-hospital-a").command[0])
    plan = plan_of("fabric", consortium, run, program)
    plan.write(run)
    process = plan.process(orderer.name)
    processes.start(run, process)
    processes.wait_ready(run, process, PATIENCE_S)
    admin = OrdererAdmin(consortium, folder_of(run, NEWCOMER).root, organisation, orderer)
    admin.join()
    return admin


@contextlib.contextmanager
def moved_out(network: Ledger, name: str) -> Iterator[Path]:
    """An organisation's own folder, from which its processes can run meanwhile as on a host of its own."""
    theirs = re.compile(rf"[-.]{name}(-|$)")  # of several contracts each has a process
    moved = [process.name for process in Plan.read(network.run).processes if theirs.search(process.name)]
    for process in moved:
        stop_one(network.run, process)
    folder = own(network, name)
    try:
        yield folder
    finally:
        down(folder)
        for process in moved:
            network.start(process)


def running_in(folder: Path) -> list[str]:
    return [process.name for process in Plan.read(folder).processes if processes.pid(folder, process.name)]


def test_an_organisation_whose_join_fails_goes_on_ordering_for_the_others(network: Ledger):
    (orderer,) = network.consortium.organisation("hospital-c").orderers
    with moved_out(network, "hospital-c") as folder:
        certificate = folder_of(folder, "hospital-c").user("admin") / "msp" / "signcerts" / "cert.pem"
        good = certificate.read_bytes()
        certificate.write_bytes(profile(network.run, "hospital-a", "admin").cert_pem)
        try:
            assert refused(folder, "org", "join")[0] == "FL1053"
        finally:
            certificate.write_bytes(good)
        assert running_in(folder) == [orderer.name]


async def test_a_member_whose_ledger_is_lost_is_told_what_by_join(network: Ledger, tmp_path: Path, key: str):
    """Its peer serves as before and endorses nothing."""
    with moved_out(network, "hospital-c") as folder:
        ledger = folder_of(folder, "hospital-c").data(peer_process("hospital-c", 0))
        ledger.rename(tmp_path / "ledger")
        code, said = await asyncio.to_thread(refused, folder, "org", "join")
        assert (code, "`fedledger org upgrade package.lock`" in said) == ("FL1065", True)
        assert running_in(folder) == [process.name for process in Plan.read(folder).processes]
        async with network.contract("hospital-c") as contract, asyncio.timeout(PATIENCE_S):
            await contract.submit("Put", key, "endorsed by the others")
        down(folder)
        shutil.rmtree(ledger)
        (tmp_path / "ledger").rename(ledger)


async def test_an_orderer_takes_the_place_of_another_while_clients_go_on(network: Ledger, tmp_path: Path, key: str):
    async with network.contract("hospital-b") as contract:
        await contract.submit("Put", key + "before", "value")
    consortium = widened(network.consortium)
    runfolder.prepare(network.run, consortium, "fabric")
    ledger = opened(network.run)
    (orderer,) = ledger.consortium.organisation(NEWCOMER).orderers
    letter = tmp_path / "newcomer.export"
    done(own(ledger, NEWCOMER), "org", "export", "--out", letter)
    await change(ledger, tmp_path / "add.update", "add-orderer", letter, orderer.name)
    assert orderer.address in await addresses(ledger)
    admin = await asyncio.to_thread(start_newcomer, ledger)
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(admin.is_consenter):  # noqa: ASYNC110  the orderer tells nobody
            await asyncio.sleep(0.2)
    async with ledger.contract("hospital-b") as contract, asyncio.timeout(PATIENCE_S):
        await contract.submit("Put", key + "five", "with five orderers")
    _, leaving = ledger.consortium.orderers[0]
    await change(ledger, tmp_path / "remove.update", "remove-orderer", leaving.name)
    assert leaving.address not in await addresses(ledger)
    assert leaving.name not in [each.name for _, each in consortium_of(own(ledger, "hospital-b")).orderers]
    await asyncio.to_thread(ledger.kill, leaving.name)
    # Four orderers, one of them down: no block without the newcomer's part.
    await asyncio.to_thread(ledger.kill, "orderer1.hospital-b")
    async with ledger.contract("hospital-c") as contract, asyncio.timeout(PATIENCE_S):
        for number in range(3):
            await contract.submit("Put", f"{key}{number}", "ordered by the newcomer and two others")
        assert await contract.evaluate("Get", key + "before") == b"value"
