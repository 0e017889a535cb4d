"""Orderers of several organisations, among them members and the regulator: one each, and none can stop the channel."""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2

from gateway import Transaction
from gateway.errors import SubmitError
from network import processes
from network.fabric.participation import OrdererAdmin
from network.folders import folder_of
from network.revocation import revoke
from network.roster import add
from tests.contract.harness.blocks import block_of, blocks_up_to
from tests.contract.harness.ledger import Ledger, refusals, running
from tests.waiting import PATIENCE_S

ORDERERS = ("hospital-a", "hospital-b", "hospital-c", "regulator")
MSPS = {"HospitalAMSP", "HospitalBMSP", "HospitalCMSP", "RegulatorMSP"}

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def shared_ordering(kind: str, ordering: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with running(tmp_path_factory.mktemp("ordering") / "run", kind, ordering, ORDERERS) as network:
        yield network


def config_in(block: Any) -> Any:
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    return configtx_pb2.ConfigEnvelope.FromString(payload.data).config


async def test_every_organisation_that_orders_is_in_the_channels_configuration(shared_ordering: Ledger):
    async with shared_ordering.gateway() as gateway:
        config = config_in(await block_of(gateway, shared_ordering.consortium.channel, 0))
    groups = config.channel_group.groups
    assert set(groups["Orderer"].groups) == MSPS
    for msp_id in MSPS:
        ordering, application = (groups[part].groups[msp_id] for part in ("Orderer", "Application"))
        assert ordering.values["MSP"].value == application.values["MSP"].value


async def test_members_write_and_the_regulator_does_not_though_it_orders(shared_ordering: Ledger, key: str):
    for number, member in enumerate(shared_ordering.members):
        async with shared_ordering.contract(member) as contract:
            await contract.submit("Put", f"{key}{number}", "value")
    for user in ("client", "admin"):
        async with shared_ordering.contract("regulator", user) as regulator:
            proposal = regulator.proposal("Put", key, "value", endorsing_organizations=shared_ordering.msp_ids)
            transaction = await proposal.endorse()
            with pytest.raises(SubmitError) as caught:
                await transaction.submit()
        assert all("FORBIDDEN" in said for said in refusals(caught.value))


async def until_refused(transaction: Transaction) -> None:
    """Submit for as long as the orderers take it: they know of a change a moment after the peer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await transaction.submit()
            await asyncio.sleep(0.1)


async def test_one_who_is_revoked_by_an_organisation_that_orders_writes_no_more(shared_ordering: Ledger, key: str):
    add(shared_ordering.consortium, shared_ordering.run, "hospital-b", "leaver", "client")
    async with shared_ordering.contract("hospital-b", "leaver") as contract:
        await contract.submit("Put", key, "before")
        transaction = await contract.proposal("Put", key, "after").endorse()
        await asyncio.to_thread(revoke, shared_ordering.consortium, shared_ordering.run, "hospital-b", "leaver")
        with pytest.raises(SubmitError) as caught:
            await until_refused(transaction)
    assert all("FORBIDDEN" in said for said in refusals(caught.value))
    async with shared_ordering.contract("hospital-b") as contract:
        await contract.submit("Put", key, "by another")


@pytest.mark.ordering("bft")
async def test_consenters_of_different_organisations_sign_a_block(shared_ordering: Ledger, kind: str, key: str):
    if kind == "devnet":
        pytest.skip("devnet orders in one process")
    async with shared_ordering.gateway() as gateway:
        commit = await shared_ordering.contract_of(gateway).submit_async("Put", key, "value")
        last = (await commit.status()).block_number
        genesis, *_, block = await blocks_up_to(gateway, shared_ordering.consortium.channel, last)
    listed = config_in(genesis).channel_group.groups["Orderer"].values["Orderers"].value
    owners = {c.id: c.msp_id for c in configuration_pb2.Orderers.FromString(listed).consenter_mapping}
    assert set(owners.values()) == MSPS
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.BlockMetadataIndex.SIGNATURES])
    signed = {common_pb2.IdentifierHeader.FromString(s.identifier_header).identifier for s in metadata.signatures}
    assert len({owners[number] for number in signed}) >= 3


@pytest.mark.parametrize("organisation", ["hospital-a", "regulator"])
async def test_the_channel_goes_on_without_one_organisations_orderer(
    shared_ordering: Ledger, kind: str, key: str, organisation: str
):
    if kind == "devnet":
        pytest.skip("devnet orders in one process")
    await asyncio.to_thread(shared_ordering.kill, f"orderer1.{organisation}")
    try:
        async with shared_ordering.contract("hospital-b") as contract, asyncio.timeout(PATIENCE_S):
            for number in range(5):
                await contract.submit("Put", f"{key}{number}", "while it is down")
    finally:
        await asyncio.to_thread(shared_ordering.start, f"orderer1.{organisation}")
    async with shared_ordering.contract() as contract, asyncio.timeout(PATIENCE_S):
        await contract.submit("Put", key, "with all of them")


FROZEN_S = 20.0
"""Fabric's own settings let a peer wait 30 s for an orderer that says nothing more."""


@pytest.mark.ordering("bft")
async def test_a_silent_orderer_holds_no_peer_up(shared_ordering: Ledger, kind: str, key: str):
    """A host that is cut off closes no connection; nothing comes from it any more."""
    if kind == "devnet":
        pytest.skip("devnet orders in one process")
    waited = [await _without(shared_ordering, f"orderer1.{name}", key) for name in ORDERERS]
    assert statistics.median(waited) < FROZEN_S, waited


async def _without(network: Ledger, orderer: str, key: str) -> float:
    """Return the seconds that a commit takes while an orderer is frozen, and wait until all go on together."""
    process = processes.pid(network.run, orderer)
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    try:
        began = time.monotonic()
        async with network.contract("hospital-d") as contract, asyncio.timeout(2 * PATIENCE_S):
            await contract.submit("Put", f"{key}{orderer}", "while it is silent")
        return time.monotonic() - began
    finally:
        os.kill(process, signal.SIGCONT)
        async with network.contract("hospital-d") as contract, asyncio.timeout(2 * PATIENCE_S):
            await contract.submit("Put", f"{key}{orderer}", "with all of them")
        await asyncio.to_thread(_caught_up, network)


def _caught_up(network: Ledger) -> None:
    """Wait until all orderers have the same blocks."""
    consortium = network.consortium
    admins = [
        OrdererAdmin(consortium, folder_of(network.run, organisation.name).root, organisation, orderer)
        for organisation, orderer in consortium.orderers
    ]
    deadline = time.monotonic() + PATIENCE_S
    while len(heights := {admin.height() for admin in admins}) > 1:
        assert time.monotonic() < deadline, heights
        time.sleep(0.2)
