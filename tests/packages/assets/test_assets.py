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


async def test_the_ledger_begins_with_assets(assets):
    await assets.submit("InitLedger")
    found = {asset["ID"]: asset["Owner"] for asset in json.loads(await assets.evaluate("GetAllAssets"))}
    assert found.items() >= {"asset1": "Tomoko", "asset2": "Brad", "asset3": "Jin Soo"}.items()


async def test_an_asset_is_created_once_read_changed_and_deleted(assets):
    assert await assets.evaluate("AssetExists", "asset10") == b"false"
    await assets.submit("CreateAsset", "asset10", "yellow", "5", "Tom", "1300")
    written = {"ID": "asset10", "Color": "yellow", "Size": 5, "Owner": "Tom", "AppraisedValue": 1300}
    assert json.loads(await assets.evaluate("ReadAsset", "asset10")) == written
    with pytest.raises(errors.EndorseError, match="the asset asset10 already exists"):
        await assets.submit("CreateAsset", "asset10", "yellow", "5", "Tom", "1300")
    await assets.submit("UpdateAsset", "asset10", "white", "6", "Tom", "1")
    assert json.loads(await assets.evaluate("ReadAsset", "asset10"))["Color"] == "white"
    await assets.submit("DeleteAsset", "asset10")
    with pytest.raises(errors.EvaluateError, match="the asset asset10 does not exist"):
        await assets.evaluate("ReadAsset", "asset10")


async def test_an_asset_changes_its_owner_and_everybody_hears_of_it(network, assets, fabric_network):
    await assets.submit("CreateAsset", "asset11", "red", "1", "Tom", "300")
    async with network.chaincode_events(fabric_network.chaincode) as events:
        assert await assets.submit("TransferAsset", "asset11", "Ann") == b"Tom"
        event = await asyncio.wait_for(anext(events), 120)
    assert (event.name, event.payload) == ("Transfer", b"asset11")
    assert json.loads(await assets.evaluate("ReadAsset", "asset11"))["Owner"] == "Ann"


async def test_of_two_who_change_one_asset_at_once_both_count_by_trying_again(assets):
    await assets.submit("CreateAsset", "asset12", "red", "1", "Tom", "300")
    before = await asyncio.gather(*(assets.submit("TransferAsset", "asset12", who) for who in ("Ann", "Bob")))
    last = json.loads(await assets.evaluate("ReadAsset", "asset12"))["Owner"].encode()
    assert {*before, last} == {b"Tom", b"Ann", b"Bob"}


async def test_another_organisation_sees_the_same_ledger(assets, fabric_network):
    await assets.submit("CreateAsset", "asset13", "red", "1", "Tom", "1")
    async with fabric_network.gateway("org2", "admin") as gateway:
        theirs = gateway.network(fabric_network.channel).contract(fabric_network.chaincode)
        await theirs.submit("DeleteAsset", "asset13")
    with pytest.raises(errors.EndorseError, match="the asset asset13 does not exist"):
        await assets.submit("DeleteAsset", "asset13")


async def test_a_contract_that_ended_its_process_is_back_for_the_next_call(assets):
    with pytest.raises(errors.EvaluateError) as caught:
        await assets.evaluate("Break")
    assert "stream terminated" in f"{caught.value} {caught.value.__cause__}"  # the last that was said, or the first
    await assets.submit("CreateAsset", "asset14", "red", "1", "Tom", "1")


def test_every_client_finds_a_connection_profile(fabric_network):
    profile = json.loads((fabric_network.folder / "org3.json").read_text())
    assert profile == fabric_network.connection_profile("org3")
    with pytest.raises(ValueError, match="no organisation org4"):
        fabric_network.connection_profile("org4")
