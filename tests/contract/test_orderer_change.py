"""An orderer of another organisation is added to a running channel, and one that was there is removed."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from network import processes, runfolder
from network.bringup import plan_of
from network.channel_admin import signature_of
from network.config_update import compute_update
from network.devnet.ordering import ordering_organisation
from network.fabric.participation import OrdererAdmin
from network.fabric.plan import render
from network.folders import folder_of, public_parts
from network.orderer_update import Consenter, orderer_addresses, with_orderer, without_orderer
from network.plan import Plan
from network.topology import Consortium
from tests.contract.harness.channel import admin_of
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


async def change(ledger: Ledger, added: Consenter | None = None, removed: str = "") -> None:
    """Change the channel's orderers, signed by the admins of three organisations that order."""
    channel = ledger.consortium.channel
    async with admin_of(ledger, "hospital-b") as admin:
        config = await admin.config()
        group = ordering_organisation(ledger.consortium.organisation(NEWCOMER), public_parts(ledger.run, NEWCOMER).msp)
        changed = with_orderer(config, added, group) if added else without_orderer(config, removed)
        update = compute_update(channel, config.channel_group, changed.channel_group).SerializeToString()
        signers = [ledger.user(name, "admin") for name in ("hospital-b", "hospital-c", "regulator")]
        await admin.submit(update, [signature_of(signer, update) for signer in signers], config.sequence)
        assert orderer_addresses(await admin.config()) == orderer_addresses(changed)


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


async def test_an_orderer_takes_the_place_of_another_while_clients_go_on(network: Ledger, key: str):
    async with network.contract("hospital-b") as contract:
        await contract.submit("Put", key + "before", "value")
    consortium = widened(network.consortium)
    runfolder.prepare(network.run, consortium, "fabric")
    ledger = opened(network.run)
    (orderer,) = ledger.consortium.organisation(NEWCOMER).orderers
    known = public_parts(ledger.run, NEWCOMER)
    certificates = (known.orderer_certificate(orderer.name), known.orderer_tls_certificate(orderer.name))
    await change(
        ledger, Consenter("HospitalDMSP", orderer.host, orderer.port, *(path.read_bytes() for path in certificates))
    )
    admin = await asyncio.to_thread(start_newcomer, ledger)
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(admin.is_consenter):  # noqa: ASYNC110  the orderer tells nobody
            await asyncio.sleep(0.2)
    async with ledger.contract("hospital-b") as contract, asyncio.timeout(PATIENCE_S):
        await contract.submit("Put", key + "five", "with five orderers")
    _, leaving = ledger.consortium.orderers[0]
    await change(ledger, removed=leaving.address)
    await asyncio.to_thread(ledger.kill, leaving.name)
    # Four orderers, one of them down: no block without the newcomer's part.
    await asyncio.to_thread(ledger.kill, "orderer1.hospital-b")
    async with ledger.contract("hospital-c") as contract, asyncio.timeout(PATIENCE_S):
        for number in range(3):
            await contract.submit("Put", f"{key}{number}", "ordered by the newcomer and two others")
        assert await contract.evaluate("Get", key + "before") == b"value"
