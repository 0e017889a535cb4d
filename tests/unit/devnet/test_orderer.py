"""The ordering service without gRPC: what it admits, when it cuts, what survives."""

import asyncio
import dataclasses

import pytest

from network.devnet import orderer as devnet_orderer
from network.devnet import protos as p
from network.devnet.blocks import check_block
from network.devnet.channel import Channel
from network.devnet.envelopes import channel_header, sign_envelope
from network.devnet.orderer import NotAdmittedError, Orderer
from tests.unit.devnet.harness import Chain, QuietLog, definition_transaction, puts, user
from tests.unit.devnet.test_configtx import admins, revoke
from tests.unit.devnet.test_msp import Authority

Status = p.common


@pytest.fixture
async def orderer(consortium, run):
    """An orderer whose channel has the chaincode's definition in block 1."""
    made = Orderer(consortium, run, QuietLog())
    made.admit(definition_transaction(consortium, run))
    made.cut()
    return made


@pytest.fixture
def members(consortium, run):
    """A peer's ledger on the same channel, to make transactions with."""
    return Chain.start(consortium, run)


def refused(orderer, envelope):
    with pytest.raises(NotAdmittedError) as error:
        orderer.admit(envelope)
    return error.value.status, error.value.info


async def test_the_first_blocks_are_configuration_and_definition(orderer, members):
    assert orderer.height == 2
    block = p.common.Block.FromString(orderer.block(1).SerializeToString())
    check_block(block, 1, members.store.last_hash, members.committer.channel)
    await members.committer.commit(block)
    assert list(members.store.block(1).metadata.metadata[2]) == [p.transaction.VALID]


async def test_messages_of_one_interval_share_a_block_and_are_acknowledged_when_it_is_written(orderer, members):
    futures = [orderer.admit(members.transaction(puts(a=b"1"))) for _ in range(3)]
    assert (2, [False] * 3) == (orderer.height, [f.done() for f in futures])
    await asyncio.gather(*futures)
    assert (3, 3) == (orderer.height, len(orderer.block(2).data.data))


def interval_of(orderer, seconds):
    limits = dataclasses.replace(orderer.channel.limits, timeout_s=seconds)
    orderer.channel = dataclasses.replace(orderer.channel, limits=limits)


async def test_a_message_that_nobody_follows_does_not_wait_for_the_whole_interval(orderer, members, monkeypatch):
    interval_of(orderer, 3600)
    monkeypatch.setattr(devnet_orderer, "LULL", 1e-6)
    async with asyncio.timeout(60):
        await orderer.admit(members.transaction(puts(a=b"1")))


async def test_a_block_is_cut_an_interval_after_its_first_message_though_others_follow(orderer, members, monkeypatch):
    interval_of(orderer, 0.05)
    monkeypatch.setattr(devnet_orderer, "LULL", 1e6)
    transaction, first = members.transaction(puts(a=b"1")), orderer.height
    async with asyncio.timeout(60):
        while orderer.height == first:
            orderer.admit(transaction)
            await asyncio.sleep(0.002)
    assert len(orderer.block(first).data.data) < orderer.channel.limits.messages


async def test_a_full_batch_is_cut_at_once(orderer, members):
    count = orderer.channel.limits.messages
    transaction = members.transaction(puts(a=b"1"))
    futures = [orderer.admit(transaction) for _ in range(count)]
    assert (3, True) == (orderer.height, all(f.done() for f in futures))


async def test_a_block_stays_below_the_preferred_size(orderer, members):
    big = members.transaction(puts(a=b"x" * (900 << 10)))
    futures = [orderer.admit(big) for _ in range(3)]
    await asyncio.gather(*futures)
    assert [2, 1] == [len(orderer.block(n).data.data) for n in (2, 3)]


async def test_readers_strangers_and_forgers_are_forbidden(orderer, members):
    reason = "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the"
    info = f"{reason} 'Writers' sub-policies to be satisfied: permission denied"
    regulator = members.transaction(puts(a=b"1"), creator=user(members.run, "regulator"))
    forged = members.transaction(puts(a=b"1"))
    forged.signature = user(members.run, "hospital-b").sign(forged.payload)
    for envelope in (regulator, forged):
        assert (Status.FORBIDDEN, info) == refused(orderer, envelope)


async def test_an_expired_certificate_is_refused(orderer, members, monkeypatch):
    monkeypatch.setattr("network.devnet.msp.Identity.expired", lambda *_: True)
    expected = (Status.BAD_REQUEST, "broadcast client identity expired")
    assert expected == refused(orderer, members.transaction(puts(a=b"1")))


async def test_what_cannot_be_ordered_is_refused_with_its_reason(orderer, members):
    signer = user(members.run, "hospital-a")
    other = sign_envelope(signer, channel_header(p.common.ENDORSER_TRANSACTION, "other"), b"x")
    empty = sign_envelope(signer, channel_header(p.common.ENDORSER_TRANSACTION, "fedchannel"), b"")
    kind = sign_envelope(signer, channel_header(p.common.CONFIG, "fedchannel"), b"x")
    large = members.transaction(puts(a=b"x" * (10 << 20)))
    assert (Status.NOT_FOUND, "channel does not exist") == refused(orderer, other)
    assert (Status.BAD_REQUEST, "message payload is empty") == refused(orderer, empty)
    assert (Status.BAD_REQUEST, "message of type 1 cannot be ordered") == refused(orderer, kind)
    assert "exceeds maximum allowed 10485760 bytes" in refused(orderer, large)[1]
    assert Status.BAD_REQUEST == refused(orderer, p.common.Envelope(payload=b"\xff"))[0]
    assert orderer.height == 2


async def test_a_config_update_gets_a_block_of_its_own_and_takes_effect_at_once(orderer, members):
    before = orderer.admit(members.transaction(puts(a=b"1"), creator=user(members.run, "hospital-b")))
    orderer.admit(revoke(members, admins(members, "hospital-b")))
    assert (4, True) == (orderer.height, before.done())
    assert p.common.Metadata.FromString(orderer.block(3).metadata.metadata[1]).value == b"\x08\x03"
    late = members.transaction(puts(a=b"2"), creator=user(members.run, "hospital-b"))
    assert refused(orderer, late)[0] == Status.FORBIDDEN


async def test_a_config_update_that_is_not_authorised_says_why(orderer, members):
    status, info = refused(orderer, revoke(members, admins(members, "hospital-c")))
    assert status == Status.BAD_REQUEST
    assert info.startswith("error applying config update to existing channel 'fedchannel': error authorizing update: ")


async def test_a_restarted_orderer_goes_on_where_it_was(orderer, members):
    await orderer.admit(members.transaction(puts(a=b"1")))
    orderer.admit(revoke(members, admins(members, "hospital-b")))
    again = Orderer(members.consortium, members.run, QuietLog())
    await again.admit(members.transaction(puts(a=b"2")))
    for number in range(1, again.height):
        block = p.common.Block.FromString(again.block(number).SerializeToString())
        check_block(block, number, members.store.last_hash, members.committer.channel)
        await members.committer.commit(block)
    assert isinstance(again.channel, Channel)
    assert (5, 1) == (members.store.height, members.committer.channel.config.sequence)


async def test_a_disk_that_is_full_is_told_to_those_who_wait(orderer, members, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(orderer._store, "append", full)
    future = orderer.admit(members.transaction(puts(a=b"1")))
    with pytest.raises(NotAdmittedError) as error:
        await future
    assert (Status.SERVICE_UNAVAILABLE, 2) == (error.value.status, orderer.height)


def test_an_unknown_authority_is_no_member(orderer):
    certificate = Authority().issue("client")
    from tests.unit.devnet.test_msp import serialized

    with pytest.raises(Exception, match="unknown authority"):
        orderer.channel.members.identity(serialized(certificate, "HospitalAMSP"))
