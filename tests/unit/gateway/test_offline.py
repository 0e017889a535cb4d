"""Stages that travel: signed elsewhere, rebuilt from bytes and a signature."""

import asyncio
import hashlib
from contextlib import suppress

import pytest
from fabric_protos.gateway import gateway_pb2
from hypothesis import given
from hypothesis import strategies as st

from gateway import Endpoint, Identity, MockTransport, Signer, connect
from gateway.errors import StreamError


@pytest.fixture
async def keyless(server, tls, user):
    """A gateway that cannot sign."""
    async with connect([Endpoint(f"127.0.0.1:{server}", root_certificates=tls.root)], user[0]) as connected:
        yield connected


@pytest.fixture
def sign(user):
    return Signer.from_pem(user[1]).sign


async def test_a_whole_transaction_is_signed_elsewhere(keyless, sign, peer):
    unsigned = keyless.network("channel").contract("basic").proposal("Put", "k")
    proposal = keyless.new_signed_proposal(unsigned.bytes, sign(unsigned.digest))
    unsigned = await proposal.endorse()
    transaction = keyless.new_signed_transaction(unsigned.bytes, sign(unsigned.digest))
    unsigned = await transaction.submit()
    commit = keyless.new_signed_commit(unsigned.bytes, sign(unsigned.digest))
    status = await commit.status()
    assert status.successful
    ids = {proposal.transaction_id, transaction.transaction_id, commit.transaction_id, status.transaction_id}
    assert {peer.calls[0].transaction_id} == ids
    assert b"Put|k" == transaction.result


async def test_a_query_is_signed_elsewhere(keyless, sign):
    unsigned = keyless.network("channel").contract("basic").proposal("Get", "k")
    assert await keyless.new_signed_proposal(unsigned.bytes, sign(unsigned.digest)).evaluate() == b"Get|k"


@pytest.mark.parametrize("filtered", [False, True])
async def test_requests_for_blocks_are_signed_elsewhere(keyless, sign, filtered):
    request = keyless.network("channel").block_events_request(start_block=0, filtered=filtered)
    rebuild = keyless.new_signed_filtered_block_events if filtered else keyless.new_signed_block_events
    async with rebuild(request.bytes, sign(request.digest)) as blocks:
        block = await asyncio.wait_for(anext(blocks), 5)
    assert 0 == (block.number if filtered else block.header.number)


async def test_requests_for_chaincode_events_are_signed_elsewhere(keyless, gateway, sign):
    request = keyless.network("channel").chaincode_events_request("basic", start_block=0)
    await gateway.network("channel").contract("basic").submit("Put")
    async with keyless.new_signed_chaincode_events(request.bytes, sign(request.digest)) as events:
        assert "Done" == (await asyncio.wait_for(anext(events), 5)).name


async def test_a_stream_nobody_can_sign_again_raises_where_it_breaks(keyless, sign, peer):
    peer.cut_after.append(1)
    request = keyless.network("channel").block_events_request(start_block=0)
    async with keyless.new_signed_block_events(request.bytes, sign(request.digest)) as blocks:
        await asyncio.wait_for(anext(blocks), 5)
        with pytest.raises(StreamError, match="ended the stream"):
            await asyncio.wait_for(anext(blocks), 5)


async def test_without_a_signer_an_unsigned_stage_says_what_to_do(keyless):
    with pytest.raises(ValueError, match="new_signed_proposal"):
        await keyless.network("channel").contract("basic").submit("Put")


def offline_gateway():
    return connect(MockTransport(lambda call: call.function.encode()), Identity("OrgMSP", b"certificate"))


@given(
    function=st.text(max_size=20),
    arguments=st.lists(st.one_of(st.text(max_size=20), st.binary(max_size=50)), max_size=4),
    transient=st.dictionaries(st.text(max_size=10), st.binary(max_size=20), max_size=3),
    organizations=st.lists(st.text(max_size=10), max_size=3),
    signature=st.binary(min_size=1, max_size=80),
)
def test_a_proposal_survives_its_bytes(function, arguments, transient, organizations, signature):
    gateway = offline_gateway()
    contract = gateway.network("channel").contract("basic")
    proposal = contract.proposal(function, *arguments, transient=transient, endorsing_organizations=organizations)
    assert proposal == gateway.new_proposal(proposal.bytes)
    signed = gateway.new_signed_proposal(proposal.bytes, signature)
    assert signed == gateway.new_proposal(signed.bytes)
    assert proposal.digest == signed.digest
    message = gateway_pb2.ProposedTransaction.FromString(signed.bytes)
    assert hashlib.sha256(message.proposal.proposal_bytes).digest() == signed.digest


async def test_transactions_and_commits_survive_their_bytes():
    gateway = offline_gateway()
    proposal = gateway.network("channel").contract("basic").proposal("Put").with_signature(b"s")
    transaction = await proposal.endorse()
    assert transaction == gateway.new_transaction(transaction.bytes)
    signed = gateway.new_signed_transaction(transaction.bytes, b"t")
    assert signed == gateway.new_transaction(signed.bytes)
    commit = await signed.submit()
    assert commit.bytes == gateway.new_commit(commit.bytes).bytes
    assert commit.digest == gateway.new_signed_commit(commit.bytes, b"c").digest
    assert b"" == gateway.new_commit(commit.bytes).result


@given(junk=st.binary(min_size=1, max_size=60))
def test_junk_is_refused_or_is_a_stage(junk):
    gateway = offline_gateway()
    for rebuild in (gateway.new_proposal, gateway.new_transaction, gateway.new_commit):
        with suppress(ValueError):
            assert rebuild(junk).bytes is not None


def test_two_proposals_never_share_an_id():
    contract = offline_gateway().network("channel").contract("basic")
    assert 100 == len({contract.proposal("Put").transaction_id for _ in range(100)})


async def test_stages_are_frozen():
    proposal = offline_gateway().network("channel").contract("basic").proposal("Put")
    with pytest.raises(AttributeError):
        proposal.transaction_id = "other"
