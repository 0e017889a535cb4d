"""What peers answer about the ledger itself: qscc, lifecycle queries, and block requests in all their forms."""

import asyncio
import os
from typing import Any

import pytest
from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2, transaction_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from gateway import GrpcTransport, Identity, Signer, ValidationCode
from gateway.errors import EvaluateError
from tests.contract.harness.blocks import block_of, header_hash
from tests.contract.harness.ledger import Ledger
from tests.waiting import PATIENCE_S

READERS = ["hospital-a", "regulator"]
Seek = ab_pb2.SeekPosition


async def query(ledger: Ledger, organisation: str, chaincode: str, function: str, *arguments: bytes | str) -> bytes:
    async with ledger.gateway(organisation) as gateway:
        contract = gateway.network(ledger.consortium.channel).contract(chaincode)
        msp_id = ledger.consortium.organisation(organisation).msp_id
        return await contract.evaluate(function, *arguments, endorsing_organizations=[msp_id])


async def put(ledger: Ledger, key: str) -> tuple[str, int]:
    """Commit a transaction, wait until every reader has its block, and return its id and block."""
    async with ledger.contract() as contract:
        commit = await contract.submit_async("Put", key, "value")
        number = (await commit.status()).block_number
    for organisation in READERS:
        async with ledger.gateway(organisation) as gateway:
            await block_of(gateway, ledger.consortium.channel, number)
    return commit.transaction_id, number


@pytest.mark.parametrize("organisation", READERS)
async def test_qscc_tells_height_and_hash_of_the_ledger(ledger: Ledger, key: str, organisation: str):
    _, number = await put(ledger, key)
    raw = await query(ledger, organisation, "qscc", "GetChainInfo", ledger.consortium.channel)
    information = ledger_pb2.BlockchainInfo.FromString(raw)
    assert information.height > number
    async with ledger.gateway(organisation) as gateway:
        newest = await block_of(gateway, ledger.consortium.channel, information.height - 1)
    assert information.currentBlockHash == header_hash(newest.header)
    assert information.previousBlockHash == newest.header.previous_hash


@pytest.mark.parametrize("organisation", READERS)
async def test_qscc_gives_blocks_by_number_hash_and_transaction(ledger: Ledger, key: str, organisation: str):
    txid, number = await put(ledger, key)
    channel = ledger.consortium.channel
    by_number = common_pb2.Block.FromString(
        await query(ledger, organisation, "qscc", "GetBlockByNumber", channel, str(number))
    )
    digest = header_hash(by_number.header)
    by_hash = common_pb2.Block.FromString(await query(ledger, organisation, "qscc", "GetBlockByHash", channel, digest))
    by_txid = common_pb2.Block.FromString(await query(ledger, organisation, "qscc", "GetBlockByTxID", channel, txid))
    assert by_number == by_hash == by_txid
    assert by_number.header.number == number


async def test_qscc_gives_a_transaction_with_its_code(ledger: Ledger, key: str):
    txid, _ = await put(ledger, key)
    raw = await query(ledger, "hospital-a", "qscc", "GetTransactionByID", ledger.consortium.channel, txid)
    processed = transaction_pb2.ProcessedTransaction.FromString(raw)
    header = common_pb2.Payload.FromString(processed.transactionEnvelope.payload).header
    assert common_pb2.ChannelHeader.FromString(header.channel_header).tx_id == txid
    assert processed.validationCode == ValidationCode.VALID


async def test_qscc_refuses_what_is_not_there(ledger: Ledger):
    with pytest.raises(EvaluateError) as caught:
        await query(ledger, "hospital-a", "qscc", "GetTransactionByID", ledger.consortium.channel, "00" * 32)
    assert "00" * 32 in str(caught.value)


@pytest.mark.parametrize("organisation", READERS)
async def test_the_lifecycle_tells_the_committed_definition(ledger: Ledger, organisation: str):
    chaincode = ledger.consortium.chaincode
    arguments = lifecycle_pb2.QueryChaincodeDefinitionArgs(name=chaincode.name).SerializeToString()
    raw = await query(ledger, organisation, "_lifecycle", "QueryChaincodeDefinition", arguments)
    definition = lifecycle_pb2.QueryChaincodeDefinitionResult.FromString(raw)
    assert (definition.sequence, definition.version) == (chaincode.sequence, chaincode.version)


async def seek(
    ledger: Ledger, start: Any, stop: Any, *, ready_only: bool = False, user: tuple[Identity, Signer] | None = None
) -> tuple[list[int], int | None]:
    """Numbers of the blocks that a raw request brings, and the status at its end."""
    who = ledger.user()
    identity, signer = user or (Identity(who.msp_id, who.cert_pem), Signer.from_pem(who.key_pem))
    behaviour = ab_pb2.SeekInfo.SeekBehavior.FAIL_IF_NOT_READY if ready_only else 0
    info = ab_pb2.SeekInfo(start=start, stop=stop, behavior=behaviour)
    stamp = Timestamp()
    stamp.GetCurrentTime()
    header = common_pb2.Header(
        channel_header=common_pb2.ChannelHeader(
            type=common_pb2.HeaderType.DELIVER_SEEK_INFO, channel_id=ledger.consortium.channel, timestamp=stamp
        ).SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=identity.creator, nonce=os.urandom(24)).SerializeToString(),
    )
    payload = common_pb2.Payload(header=header, data=info.SerializeToString()).SerializeToString()
    envelope = common_pb2.Envelope(payload=payload, signature=signer.sign(signer.digest(payload)))
    transport = GrpcTransport([ledger.endpoint()])
    numbers: list[int] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for raw in transport.stream("/protos.Deliver/Deliver", envelope.SerializeToString()):
                response = events_pb2.DeliverResponse.FromString(raw)
                if response.WhichOneof("Type") == "status":
                    return numbers, response.status
                numbers.append(response.block.header.number)
    finally:
        await transport.close()
    return numbers, None


def at(number: int) -> Any:
    return Seek(specified=ab_pb2.SeekSpecified(number=number))


async def test_a_request_with_an_end_brings_its_blocks_and_then_success(ledger: Ledger):
    assert await seek(ledger, at(1), at(3)) == ([1, 2, 3], common_pb2.Status.SUCCESS)


async def test_oldest_and_newest_name_the_ends_of_the_ledger(ledger: Ledger, key: str):
    _, last = await put(ledger, key)
    oldest, newest = Seek(oldest=ab_pb2.SeekOldest()), Seek(newest=ab_pb2.SeekNewest())
    assert await seek(ledger, oldest, at(1)) == ([0, 1], common_pb2.Status.SUCCESS)
    numbers, status = await seek(ledger, newest, newest)
    assert (len(numbers), status) == (1, common_pb2.Status.SUCCESS)
    assert numbers[0] >= last


async def test_a_block_that_is_not_there_yet_is_not_found_or_waited_for(ledger: Ledger, key: str):
    _, last = await put(ledger, key)
    assert await seek(ledger, at(last + 1000), at(last + 1000), ready_only=True) == ([], common_pb2.Status.NOT_FOUND)
    waiting = asyncio.create_task(seek(ledger, at(last + 1), at(last + 1)))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await put(ledger, key)
    assert await waiting == ([last + 1], common_pb2.Status.SUCCESS)


async def test_an_end_before_the_start_is_a_bad_request(ledger: Ledger):
    assert await seek(ledger, at(3), at(1)) == ([], common_pb2.Status.BAD_REQUEST)


async def test_a_request_signed_by_another_is_forbidden(ledger: Ledger):
    client, other = ledger.user("hospital-a"), ledger.user("hospital-b")
    person = Identity(client.msp_id, client.cert_pem), Signer.from_pem(other.key_pem)
    assert await seek(ledger, at(0), at(0), user=person) == ([], common_pb2.Status.FORBIDDEN)
