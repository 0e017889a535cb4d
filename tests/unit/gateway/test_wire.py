"""Whole transactions over TLS against a peer that checks every signature."""

import asyncio

import pytest


async def test_evaluate_returns_what_the_chaincode_returned(contract):
    assert await contract.evaluate("Get", "key", b"\x00\xff") == b"Get|key|\x00\xff"


async def test_a_contract_of_several_in_a_chaincode_is_called_by_its_name(gateway, peer):
    named = gateway.network("channel").contract("basic", "assets")
    assert await named.evaluate("Get", "k") == b"assets:Get|k"
    assert await named.submit("Put", "k") == b"assets:Put|k"
    assert named.proposal("Put").transaction_id
    assert (named.chaincode, named.name) == ("basic", "assets")


async def test_submit_waits_for_the_block_and_returns_the_result(contract, peer):
    assert await contract.submit("Put", "k", "v") == b"Put|k|v"
    assert peer.requests == ["Endorse", "Submit", "CommitStatus"]


async def test_transient_data_and_organisations_reach_the_endorsers_and_not_the_ledger(contract, peer):
    await contract.submit("Put", transient={"secret": b"hidden"}, endorsing_organizations=["A", "B"])
    call = peer.calls[0]
    assert {"secret": b"hidden"} == call.transient
    assert ["A", "B"] == call.organizations
    assert b"hidden" not in peer.envelopes[0]


async def test_submit_async_returns_before_the_commit_is_known(contract):
    commit = await contract.submit_async("Put", "k")
    assert commit.result == b"Put|k"
    status = await commit.status()
    assert (commit.transaction_id, True, 1) == (status.transaction_id, status.successful, status.block_number)


async def test_the_stages_can_be_walked_by_hand(contract):
    proposal = contract.proposal("Put", "k")
    transaction = await proposal.endorse()
    commit = await transaction.submit()
    status = await commit.status()
    assert {proposal.transaction_id} == {transaction.transaction_id, commit.transaction_id, status.transaction_id}


async def test_events_of_what_is_committed_after_opening_are_seen(gateway, contract):
    await contract.submit("Before")
    async with gateway.network("channel").chaincode_events("basic") as events:
        commit = await contract.submit_async("After")
        event = await asyncio.wait_for(anext(events), 5)
    assert (2, commit.transaction_id, "basic", "Done", b"") == (
        event.block_number,
        event.transaction_id,
        event.chaincode,
        event.name,
        event.payload,
    )


async def test_events_replay_from_a_block(gateway, contract):
    for _ in range(3):
        await contract.submit("Put")
    events = gateway.network("channel").chaincode_events("basic", start_block=0)
    numbers = [(await asyncio.wait_for(anext(events), 5)).block_number for _ in range(3)]
    assert numbers == [1, 2, 3]
    await events.aclose()


@pytest.mark.parametrize("kind", ["block_events", "filtered_block_events"])
async def test_blocks_replay_from_the_first(gateway, contract, kind):
    await contract.submit("Put")
    blocks = getattr(gateway.network("channel"), kind)(start_block=0)
    first, second = [await asyncio.wait_for(anext(blocks), 5) for _ in range(2)]
    await blocks.aclose()
    number = (lambda block: block.header.number) if kind == "block_events" else (lambda block: block.number)
    assert [number(first), number(second)] == [0, 1]
