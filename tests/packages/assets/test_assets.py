"""An application's own tests of its contract, on a network that a plugin brings."""

import asyncio
import json

import pytest

from gateway import errors


@pytest.fixture
async def network(fabric_network):
    async with fabric_network.gateway("org1") as gateway:
        yield gateway.network(fabric_network.channel)


@pytest.fixture
def assets(network, fabric_network):
    return network.contract(fabric_network.chaincode)


async def test_an_asset_changes_its_owner_and_everybody_hears_of_it(network, assets, fabric_network):
    await assets.submit("CreateAsset", "asset1", "Tom", "300")
    async with network.chaincode_events(fabric_network.chaincode) as events:
        assert await assets.submit("TransferAsset", "asset1", "Ann") == b"Tom"
        event = await asyncio.wait_for(anext(events), 120)
    assert (event.name, event.payload) == ("Transfer", b"asset1")
    assert json.loads(await assets.evaluate("ReadAsset", "asset1"))["owner"] == "Ann"
    assert [asset["id"] for asset in json.loads(await assets.evaluate("GetAllAssets"))] == ["asset1"]


async def test_another_organisation_sees_the_same_ledger(assets, fabric_network):
    await assets.submit("CreateAsset", "asset2", "Tom", "1")
    async with fabric_network.gateway("org2", "admin") as gateway:
        theirs = gateway.network(fabric_network.channel).contract(fabric_network.chaincode)
        await theirs.submit("DeleteAsset", "asset2")
    with pytest.raises(errors.EndorseError, match="the asset asset2 does not exist"):
        await assets.submit("DeleteAsset", "asset2")


async def test_a_contract_that_ended_its_process_is_back_for_the_next_call(assets):
    with pytest.raises(errors.EvaluateError, match="stream terminated"):
        await assets.evaluate("Break")
    await assets.submit("CreateAsset", "asset3", "Tom", "1")


def test_every_client_finds_a_connection_profile(fabric_network):
    profile = json.loads((fabric_network.folder / "org3.json").read_text())
    assert profile == fabric_network.connection_profile("org3")
    with pytest.raises(ValueError, match="no organisation org4"):
        fabric_network.connection_profile("org4")
