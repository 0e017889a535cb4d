"""The official client (@hyperledger/fabric-gateway for Node, unmodified) works on the network as ours does."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import Contract, FileCheckpointer, ValidationCode
from tests.contract.harness.blocks import blocks_up_to, transactions
from tests.contract.harness.ledger import Ledger
from tests.contract.harness.official import OfficialClient, install

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def official(ledger: Ledger) -> Iterator[Run]:
    try:
        install()
    except SystemError as reason:
        pytest.skip(str(reason))
    with OfficialClient(ledger) as client:
        yield client.run


def test_the_official_client_submits_and_evaluates(official: Run, key: str):
    assert official("submit", "Put", key, "from Node") == "from Node"
    assert official("evaluate", "Get", key) == "from Node"


async def test_both_clients_see_one_state(official: Run, contract: Contract, key: str):
    await contract.submit("Put", key, "from Python")
    assert official("submit", "ReadYourWrite", key, "from Node") == "from Python"
    assert await contract.evaluate("Get", key) == b"from Node"


def test_the_official_client_learns_code_and_block_of_a_commit(official: Run, key: str):
    status = official("status", "Put", key, "value")
    assert (status["code"], status["successful"], status["result"]) == (ValidationCode.VALID, True, "value")
    assert status["block"] > 0


def test_the_official_client_learns_an_invalid_commit(ledger: Ledger, official: Run, key: str):
    error = official("submitTo", ",".join(ledger.msp_ids[:1]), "Put", key, "value")
    assert (error["error"], error["code"]) == ("CommitError", ValidationCode.ENDORSEMENT_POLICY_FAILURE)


def test_the_official_client_reads_a_refusals_details_from_a_submit(ledger: Ledger, official: Run):
    error = official("submit", "Fail", "FL0203", "round 7 is closed")
    address, _ = ledger.user().peers[0]
    assert error["error"] == "EndorseError"
    assert error["details"] == [
        {
            "address": address,
            "mspId": "HospitalAMSP",
            "message": "chaincode response 500, FL0203: round 7 is closed",
        }
    ]


def test_the_official_client_reads_a_refusals_details_from_an_evaluation(official: Run):
    error = official("evaluate", "Fail", "FL0203", "round 7 is closed")
    assert error["error"] == "GatewayError"
    assert [d["message"] for d in error["details"]] == ["chaincode response 500, FL0203: round 7 is closed"]


def test_the_official_client_signs_its_stages_elsewhere(official: Run, key: str):
    assert official("offline", "Put", key, "value") == ValidationCode.VALID
    assert official("evaluate", "Get", key) == "value"


def test_the_official_client_sends_transient_data(official: Run, key: str):
    expected = hashlib.sha256(b"secret").hexdigest()
    assert official("submitTransient", "PutDigestOf", key, "secret") == expected


def test_the_official_client_hears_chaincode_events_from_a_block_and_after_a_checkpoint(official: Run, key: str):
    sent = [official("status", "PutWithEvent", key, "value", key, str(number)) for number in range(3)]
    heard = official("events", str(sent[0]["block"]), key, "3")
    assert heard == [
        {"block": status["block"], "transaction": status["transaction"], "name": key, "payload": str(number)}
        for number, status in enumerate(sent)
    ]
    assert official("eventsAfter", str(sent[0]["block"]), sent[0]["transaction"], key, "2") == heard[1:]


async def test_the_official_client_receives_blocks_and_filtered_blocks(ledger: Ledger, official: Run, key: str):
    last = official("status", "Put", key, "value")["block"]
    async with ledger.gateway() as gateway:
        blocks = await blocks_up_to(gateway, ledger.consortium.channel, last, last - 1)
    assert official("blocks", str(last - 1), "2") == [
        {"number": block.header.number, "data": block.header.data_hash.hex()} for block in blocks
    ]
    assert official("filteredBlocks", str(last - 1), "2") == [
        {"number": block.header.number, "transactions": [[t.transaction_id, t.code] for t in transactions(block)]}
        for block in blocks
    ]


async def test_both_clients_go_on_from_one_checkpoint_file(
    ledger: Ledger, official: Run, contract: Contract, key: str, tmp_path: Path
):
    path = tmp_path / "checkpoint"
    for number in range(4):
        await contract.submit("PutWithEvent", key, "value", key, str(number))

    async def ours(count: int) -> list[str]:
        async with ledger.gateway() as gateway:
            network = gateway.network(ledger.consortium.channel)
            stream = network.chaincode_events(
                ledger.consortium.chaincode.name, start_block=0, checkpoint=FileCheckpointer(path)
            )
            heard = []
            async with stream:
                while len(heard) < count:
                    event = await anext(stream)
                    heard += [event.payload.decode()] if event.name == key else []
                await stream.done()
        return heard

    def theirs(count: int) -> list[str]:
        return [event["payload"] for event in official("eventsOfFile", str(path), key, str(count))]

    assert (await ours(1), theirs(1), await ours(1), theirs(1)) == (["0"], ["1"], ["2"], ["3"])


def test_the_official_client_receives_blocks_with_private_data(official: Run, key: str):
    last = official("status", "Put", key, "value")["block"]
    assert official("blocksAndPrivateData", str(last - 1), "2") == [last - 1, last]


def test_the_regulators_official_client_reads_and_cannot_write(ledger: Ledger, official: Run, key: str):
    official("submit", "Put", key, "value")
    with OfficialClient(ledger, "regulator") as regulator:
        while regulator.run("evaluate", "Get", key) != "value":  # a member that is a block behind may answer
            pass
        error = regulator.run("submitTo", ",".join(ledger.msp_ids), "Put", key, "changed")
    assert error["error"] == "SubmitError"
    assert all("FORBIDDEN" in said for said in [d["message"] for d in error["details"]] or [error["message"]])
    assert official("evaluate", "Get", key) == "value"
