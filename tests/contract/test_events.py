"""Events: of the chaincode, of whole and of filtered blocks; from now, from a block, from a checkpoint."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2

from gateway import (
    ChaincodeEvent,
    Contract,
    EventStream,
    FileCheckpointer,
    Gateway,
    InMemoryCheckpointer,
    ValidationCode,
)
from tests.contract.harness.blocks import block_of, transactions
from tests.contract.harness.ledger import Ledger
from tests.contract.harness.proxy import relay
from tests.waiting import PATIENCE_S


def events_of(ledger: Ledger, gateway: Gateway, **options: Any) -> EventStream[ChaincodeEvent]:
    return gateway.network(ledger.consortium.channel).chaincode_events(ledger.consortium.chaincode.name, **options)


async def emit(contract: Contract, key: str, numbers: range) -> list[int]:
    """Commit one transaction after another, each with its number as the event's payload; return their blocks."""
    numbered = []
    for number in numbers:
        commit = await contract.submit_async("PutWithEvent", f"{key}{number}", "value", key, str(number))
        status = await commit.status()
        assert status.code is ValidationCode.VALID
        numbered.append(status.block_number)
    return numbered


async def collect(stream: EventStream[ChaincodeEvent], name: str, count: int) -> list[ChaincodeEvent]:
    """The next events of one name; the cases share the chaincode."""
    found: list[ChaincodeEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in stream:
            if event.name == name:
                found.append(event)
            if len(found) == count:
                return found
    raise AssertionError("the stream ended")


def payloads(events: list[ChaincodeEvent]) -> list[bytes]:
    return [event.payload for event in events]


async def test_an_event_names_block_transaction_chaincode_and_payload(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway, events_of(ledger, gateway) as stream:
        contract = ledger.contract_of(gateway)
        commit = await contract.submit_async("PutWithEvent", key, "value", key, "payload")
        block = (await commit.status()).block_number
        (event,) = await collect(stream, key, 1)
    expected = ChaincodeEvent(block, commit.transaction_id, ledger.consortium.chaincode.name, key, b"payload")
    assert event == expected


async def test_an_invalid_transaction_announces_nothing(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway, events_of(ledger, gateway) as stream:
        contract = ledger.contract_of(gateway)
        few = ledger.msp_ids[: ledger.threshold - 1]
        proposal = contract.proposal("PutWithEvent", key, "value", key, "invalid", endorsing_organizations=few)
        status = await (await (await proposal.endorse()).submit()).status()
        assert status.code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        await emit(contract, key, range(1))
        assert payloads(await collect(stream, key, 1)) == [b"0"]


async def test_an_evaluation_announces_nothing(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway, events_of(ledger, gateway) as stream:
        contract = ledger.contract_of(gateway)
        await contract.evaluate("PutWithEvent", key, "value", key, "evaluated")
        await emit(contract, key, range(1))
        assert payloads(await collect(stream, key, 1)) == [b"0"]


async def test_events_are_replayed_from_a_block(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        numbered = await emit(ledger.contract_of(gateway), key, range(4))
        replayed = await collect(events_of(ledger, gateway, start_block=numbered[1]), key, 3)
        assert payloads(replayed) == [b"1", b"2", b"3"]
        assert [event.block_number for event in replayed] == numbered[1:]


@pytest.mark.parametrize("organisation", ["hospital-d", "regulator"])
async def test_every_organisations_peer_replays_the_same_events(ledger: Ledger, key: str, organisation: str):
    async with ledger.gateway() as ours, ledger.gateway(organisation) as theirs:
        first, *_ = await emit(ledger.contract_of(ours), key, range(3))
        expected = await collect(events_of(ledger, ours, start_block=first), key, 3)
        assert await collect(events_of(ledger, theirs, start_block=first), key, 3) == expected


async def test_a_checkpoint_goes_on_behind_the_last_event_within_its_block(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        commits = await asyncio.gather(
            *(contract.submit_async("PutWithEvent", f"{key}{n}", "value", key, str(n)) for n in range(6))
        )
        first = min([(await commit.status()).block_number for commit in commits])
        everything = await collect(events_of(ledger, gateway, start_block=first), key, 6)
        checkpointer = InMemoryCheckpointer()
        for seen in range(1, 6):
            await checkpointer.record(everything[seen - 1].position)
            rest = await collect(events_of(ledger, gateway, checkpoint=checkpointer), key, 6 - seen)
            assert rest == everything[seen:]


async def test_a_cut_connection_neither_loses_nor_doubles_an_event(ledger: Ledger, tmp_path: Path, key: str):
    path = tmp_path / "checkpoint.json"
    async with ledger.gateway() as gateway, relay(ledger.endpoint()) as relayed:
        contract = ledger.contract_of(gateway)
        first, *_ = await emit(contract, key, range(3))
        async with ledger.gateway(endpoint=relayed.endpoint) as listener:
            stream = events_of(ledger, listener, start_block=first, checkpoint=FileCheckpointer(path))
            before = await collect(stream, key, 2)
            relayed.cut()
            await emit(contract, key, range(3, 6))
            after = await collect(stream, key, 2)
            assert relayed.connections > 1
            await stream.done()
        relayed.cut()
        async with ledger.gateway(endpoint=relayed.endpoint) as listener:
            resumed = events_of(ledger, listener, checkpoint=FileCheckpointer(path))
            rest = await collect(resumed, key, 2)
    assert payloads(before + after + rest) == [b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_block_events_begin_at_genesis_and_have_no_gap(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        last = (await emit(ledger.contract_of(gateway), key, range(1)))[0]
        numbers = []
        async with asyncio.timeout(PATIENCE_S):
            async for block in gateway.network(ledger.consortium.channel).block_events(start_block=0):
                numbers.append(block.header.number)
                if numbers[-1] == last:
                    break
    assert numbers == list(range(last + 1))


async def test_blocks_with_private_data_are_the_same_blocks(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway, asyncio.timeout(PATIENCE_S):
        network = gateway.network(ledger.consortium.channel)
        last = (await emit(ledger.contract_of(gateway), key, range(2)))[-1]
        async with network.block_events(start_block=last - 1) as blocks:
            expected = [await anext(blocks) for _ in range(2)]
        async with network.block_and_private_data_events(start_block=last - 1) as pairs:
            assert [pair.block for pair in [await anext(pairs) for _ in range(2)]] == expected
        request = network.block_events_request(start_block=last, private_data=True)
        async with gateway.new_block_and_private_data_events_request(request.bytes).events() as pairs:
            assert (await anext(pairs)).block == expected[-1]


async def test_filtered_blocks_tell_id_type_and_code_and_no_content(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        last = (await emit(ledger.contract_of(gateway), key, range(1)))[0]
        block = await block_of(gateway, ledger.consortium.channel, last)
        async with asyncio.timeout(PATIENCE_S):
            filtered = await anext(gateway.network(ledger.consortium.channel).filtered_block_events(start_block=last))
    seen = [(t.txid, t.type, t.tx_validation_code) for t in filtered.filtered_transactions]
    assert seen == [(t.transaction_id, t.kind, t.code) for t in transactions(block)]
    assert (filtered.channel_id, filtered.number) == (ledger.consortium.channel, last)
    events = [
        a.chaincode_event for t in filtered.filtered_transactions for a in t.transaction_actions.chaincode_actions
    ]
    assert all(event.payload == b"" for event in events)
    assert key in {event.event_name for event in events}
    assert all(t.type == common_pb2.HeaderType.ENDORSER_TRANSACTION for t in filtered.filtered_transactions)


async def test_a_stream_of_blocks_goes_on_after_a_cut(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway, relay(ledger.endpoint()) as relayed:
        contract = ledger.contract_of(gateway)
        first = (await emit(contract, key, range(1)))[0]
        async with ledger.gateway(endpoint=relayed.endpoint) as listener, asyncio.timeout(PATIENCE_S):
            stream = listener.network(ledger.consortium.channel).block_events(start_block=first - 1)
            numbers = [(await anext(stream)).header.number]
            relayed.cut()
            last = (await emit(contract, key, range(1, 4)))[-1]
            while numbers[-1] < last:
                numbers.append((await anext(stream)).header.number)
    assert numbers == list(range(first - 1, last + 1))
