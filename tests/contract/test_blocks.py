"""Blocks, recomputed from their raw bytes: hashes, signatures, endorsements and validation codes."""

import asyncio
import hashlib
import itertools
import uuid
from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2

from gateway import Gateway, ValidationCode
from tests.contract.harness.blocks import (
    Recorded,
    blocks_up_to,
    commit_hash,
    data_hash,
    header_bytes,
    header_hash,
    transactions,
    units_of,
    verify_signed,
)
from tests.contract.harness.ledger import Ledger, endorse
from tests.contract.harness.replay import Replay
from tests.contract.harness.wire import Endorsed


@pytest.fixture(scope="module")
def blocks(ledger: Ledger) -> list[Any]:
    """Every block so far; the last ones hold valid transactions and three kinds of invalid ones."""
    return asyncio.run(_collected(ledger, f"k{uuid.uuid4().hex[:12]}-"))


async def _collected(ledger: Ledger, key: str) -> list[Any]:
    async with ledger.gateway() as gateway:
        last = await _mixed_traffic(ledger, gateway, key)
        return await blocks_up_to(gateway, ledger.consortium.channel, last)


async def _mixed_traffic(ledger: Ledger, gateway: Gateway, key: str) -> int:
    contract = ledger.contract_of(gateway)
    await contract.submit("PutMany", key, "60")
    first = await endorse(contract, "Increment", key + "n")
    second = await endorse(contract, "Increment", key + "n")
    counted = await endorse(contract, "CountInto", key, key + "~", key + "~count")
    few = await contract.proposal("Put", key, "few", endorsing_organizations=ledger.msp_ids[:1]).endorse()
    codes = [(await (await t.submit()).status()).code for t in (first, second, counted, few)]
    assert codes == [
        ValidationCode.VALID,
        ValidationCode.MVCC_READ_CONFLICT,
        ValidationCode.PHANTOM_READ_CONFLICT,
        ValidationCode.ENDORSEMENT_POLICY_FAILURE,
    ]
    return (await (await contract.submit_async("Put", key + "last", "value")).status()).block_number


def endorsed_transactions(blocks: list[Any]) -> list[Recorded]:
    found = [t for block in blocks for t in transactions(block)]
    return [t for t in found if t.kind == common_pb2.HeaderType.ENDORSER_TRANSACTION]


def config_of(block: Any) -> Any:
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    return configtx_pb2.ConfigEnvelope.FromString(payload.data).config


def test_every_block_carries_the_hash_of_the_one_before_and_of_its_own_data(blocks: list[Any]):
    assert blocks[0].header.previous_hash == b""
    for number, block in enumerate(blocks):
        assert block.header.number == number
        assert block.header.data_hash == data_hash(block)
    for before, after in itertools.pairwise(blocks):
        assert after.header.previous_hash == header_hash(before.header)


@pytest.mark.ordering("bft")
def test_a_quorum_of_the_consenters_in_the_channel_configuration_signed_every_block(blocks: list[Any]):
    ordering = config_of(blocks[0]).channel_group.groups["Orderer"]
    mapping = configuration_pb2.Orderers.FromString(ordering.values["Orderers"].value).consenter_mapping
    consenters = {consenter.id: consenter for consenter in mapping}
    faulty = (len(consenters) - 1) // 3
    quorum = -(-(len(consenters) + faulty + 1) // 2)
    for block in blocks[1:]:
        metadata = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.BlockMetadataIndex.SIGNATURES])
        signed_by = set()
        for entry in metadata.signatures:
            who = common_pb2.IdentifierHeader.FromString(entry.identifier_header).identifier
            signed = metadata.value + entry.identifier_header + header_bytes(block.header)
            creator = _serialized(consenters[who])
            assert verify_signed(creator, signed, entry.signature) == "OrdererMSP"
            signed_by.add(who)
        assert len(signed_by) >= quorum


@pytest.mark.ordering("raft")
def test_one_orderer_of_the_channel_signed_every_block(blocks: list[Any]):
    ordering = config_of(blocks[0]).channel_group.groups["Orderer"]
    assert orderer_configuration_pb2.ConsensusType.FromString(ordering.values["ConsensusType"].value).type == "etcdraft"
    for block in blocks[1:]:
        metadata = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.BlockMetadataIndex.SIGNATURES])
        (entry,) = metadata.signatures
        creator = common_pb2.SignatureHeader.FromString(entry.signature_header).creator
        signed = metadata.value + entry.signature_header + header_bytes(block.header)
        assert verify_signed(creator, signed, entry.signature) in ordering.groups
        assert units_of(creator) == ["orderer"]


def _serialized(consenter: Any) -> bytes:
    raw: bytes = identities_pb2.SerializedIdentity(
        mspid=consenter.msp_id, id_bytes=consenter.identity
    ).SerializeToString()
    return raw


def test_every_transaction_is_signed_by_its_creator_under_the_id_that_follows_from_nonce_and_creator(
    blocks: list[Any],
):
    for recorded in endorsed_transactions(blocks):
        header = recorded.endorsed.signature_header
        assert recorded.transaction_id == hashlib.sha256(header.nonce + header.creator).hexdigest()
        verify_signed(header.creator, recorded.envelope.payload, recorded.envelope.signature)


def test_every_endorsement_is_a_signature_of_result_and_proposal(blocks: list[Any], ledger: Ledger):
    for recorded in endorsed_transactions(blocks):
        endorsed = recorded.endorsed
        if recorded.code is not ValidationCode.VALID or ledger.consortium.chaincode.name not in endorsed.namespaces:
            continue
        headers = endorsed.header.channel_header + endorsed.header.signature_header
        proposal = headers + endorsed.action.chaincode_proposal_payload
        assert endorsed.proposal_hash == hashlib.sha256(proposal).digest()
        signers = set()
        for endorsement in endorsed.endorsements:
            signed = endorsed.response_payload + endorsement.endorser
            signers.add(verify_signed(endorsement.endorser, signed, endorsement.signature))
            assert units_of(endorsement.endorser) == ["peer"]
        assert len(signers & set(ledger.msp_ids)) >= ledger.threshold


def test_the_validation_codes_follow_from_the_blocks_alone(blocks: list[Any], ledger: Ledger):
    replay = Replay(ledger.consortium.chaincode.name, set(ledger.msp_ids), ledger.threshold)
    recomputed, recorded = [], []
    for block in blocks:
        recomputed.append(replay.codes(block))
        recorded.append([transaction.code for transaction in transactions(block)])
    assert recomputed == recorded


def test_the_first_block_configures_the_channel_with_every_organisation(blocks: list[Any], ledger: Ledger):
    (recorded,) = transactions(blocks[0])
    assert recorded.kind == common_pb2.HeaderType.CONFIG
    groups = config_of(blocks[0]).channel_group.groups
    regulators = [regulator.msp_id for regulator in ledger.consortium.regulators]
    assert sorted(groups["Application"].groups) == sorted([*ledger.msp_ids, *regulators])
    assert list(groups["Orderer"].groups) == ["OrdererMSP"]


def test_the_chaincode_definition_is_on_the_ledger_and_every_transaction_read_its_sequence(
    blocks: list[Any], ledger: Ledger
):
    chaincode = ledger.consortium.chaincode
    written: dict[str, bytes] = {}
    for recorded in endorsed_transactions(blocks):
        namespaces = recorded.endorsed.namespaces
        if recorded.code is ValidationCode.VALID and "_lifecycle" in namespaces:
            written |= {w.key: w.value for w in namespaces["_lifecycle"].writes}
        if chaincode.name in namespaces:
            reads = [read.key for read in namespaces["_lifecycle"].reads]
            assert reads == [f"namespaces/fields/{chaincode.name}/Sequence"]
    metadata = db_pb2.StateMetadata.FromString(written[f"namespaces/metadata/{chaincode.name}"])
    assert metadata.datatype == "ChaincodeDefinition"
    sequence = db_pb2.StateData.FromString(written[f"namespaces/fields/{chaincode.name}/Sequence"])
    assert sequence.Int64 == chaincode.sequence
    information = db_pb2.StateData.FromString(written[f"namespaces/fields/{chaincode.name}/EndorsementInfo"])
    assert chaincode_definition_pb2.ChaincodeEndorsementInfo.FromString(information.Bytes).version == chaincode.version


async def test_every_peer_computed_the_same_commit_hashes(blocks: list[Any], ledger: Ledger):
    last = blocks[-1].header.number
    expected = [commit_hash(block) for block in blocks]
    assert len(set(expected)) == len(expected)
    for organisation in ("hospital-c", "regulator"):
        async with ledger.gateway(organisation) as gateway:
            theirs = await blocks_up_to(gateway, ledger.consortium.channel, last)
        assert [commit_hash(block) for block in theirs] == expected


async def test_responses_of_all_organisations_are_the_same_bytes(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        await contract.submit("PutMany", key, "60")
        everyone = ledger.msp_ids
        transaction = await endorse(
            contract, "CountInto", key, key + "~", key + "~count", endorsing_organizations=everyone
        )
        endorsed = Endorsed.of(transaction)
    assert sorted(endorsed.endorsers) == sorted(ledger.msp_ids)
    for endorsement in endorsed.endorsements:
        verify_signed(endorsement.endorser, endorsed.response_payload + endorsement.endorser, endorsement.signature)
