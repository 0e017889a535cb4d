"""Stages that travel: signed elsewhere, rebuilt from bytes and a signature."""

import asyncio
import hashlib
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from fabric_protos.gateway import gateway_pb2
from hypothesis import given
from hypothesis import strategies as st
from wire_keys import PEM, certificate

from gateway import Endpoint, Identity, MockTransport, Signer, connect, digests
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


BLOCKS = {
    "block": ({}, lambda block: block.header.number),
    "filtered_block": ({"filtered": True}, lambda block: block.number),
    "block_and_private_data": ({"private_data": True}, lambda pair: pair.block.header.number),
}


@pytest.mark.parametrize("kind", BLOCKS)
async def test_requests_for_blocks_are_signed_elsewhere(keyless, sign, kind):
    options, number = BLOCKS[kind]
    request = keyless.network("channel").block_events_request(start_block=0, **options)
    async with getattr(keyless, f"new_signed_{kind}_events")(request.bytes, sign(request.digest)) as blocks:
        assert 0 == number(await asyncio.wait_for(anext(blocks), 5))


@pytest.mark.parametrize("kind", BLOCKS)
async def test_a_request_for_blocks_that_came_as_bytes_is_signed_here(keyless, gateway, sign, kind):
    options, number = BLOCKS[kind]
    raw = keyless.network("channel").block_events_request(start_block=0, **options).bytes
    request = getattr(gateway, f"new_{kind}_events_request")(raw)
    async with request.events() as blocks:
        assert 0 == number(await asyncio.wait_for(anext(blocks), 5))
    signed = request.with_signature(sign(request.digest))
    assert signed == getattr(keyless, f"new_{kind}_events_request")(signed.bytes)


async def test_a_request_for_chaincode_events_that_came_as_bytes_is_signed_here(keyless, gateway):
    raw = keyless.network("channel").chaincode_events_request("basic", start_block=0).bytes
    await gateway.network("channel").contract("basic").submit("Put")
    request = gateway.new_chaincode_events_request(raw)
    assert raw == request.bytes
    async with request.events() as events:
        assert "Done" == (await asyncio.wait_for(anext(events), 5)).name


async def test_a_request_without_a_signature_needs_a_signer(keyless):
    request = keyless.network("channel").block_events_request(start_block=0)
    with pytest.raises(ValueError, match="has no signer"):
        await anext(keyless.new_block_events_request(request.bytes).events())


def test_filtered_blocks_with_private_data_are_no_request(keyless):
    with pytest.raises(ValueError, match="no private data"):
        keyless.network("channel").block_events_request(filtered=True, private_data=True)


async def test_an_ed25519_key_elsewhere_signs_whole_messages(server, tls, peer):
    key, root_key = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    issued = certificate(key, "user", certificate(root_key, "root"), root_key).public_bytes(PEM)
    endpoint = Endpoint(f"127.0.0.1:{server}", root_certificates=tls.root)
    async with connect([endpoint], Identity("Org1MSP", issued)) as elsewhere:
        unsigned = elsewhere.network("channel").contract("basic").proposal("Put", "k")
        message = gateway_pb2.ProposedTransaction.FromString(unsigned.bytes).proposal.proposal_bytes
        assert message == unsigned.digest
        proposal = elsewhere.new_signed_proposal(unsigned.bytes, key.sign(unsigned.digest))
        unsigned = await proposal.endorse()
        sent = await elsewhere.new_signed_transaction(unsigned.bytes, key.sign(unsigned.digest)).submit()
        assert (await elsewhere.new_signed_commit(sent.bytes, key.sign(sent.digest)).status()).successful


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (digests.none, lambda message: message),
        (digests.sha256, lambda message: hashlib.sha256(message).digest()),
        (digests.sha384, lambda message: hashlib.sha384(message).digest()),
        (digests.sha3_256, lambda message: hashlib.sha3_256(message).digest()),
        (digests.sha3_384, lambda message: hashlib.sha3_384(message).digest()),
    ],
)
@pytest.mark.parametrize("signer", [None, Signer(sign=lambda _: b"s")])
def test_what_is_signed_is_chosen_apart_from_who_signs(chosen, expected, signer):
    gateway = connect(MockTransport(lambda _: b""), Identity("OrgMSP", b"certificate"), signer, digest=chosen)
    proposal = gateway.network("channel").contract("basic").proposal("Put")
    message = gateway_pb2.ProposedTransaction.FromString(proposal.bytes).proposal.proposal_bytes
    assert expected(message) == proposal.digest


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
