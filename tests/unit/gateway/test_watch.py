"""Many submits at once learn their fate from one stream; where it fails, each asks for itself and nothing is lost."""

import asyncio

import grpc
import pytest
from fabric_protos.common import common_pb2
from wire_peer import Failure

from gateway import Deadlines, Identity, MockTransport, Signer, ValidationCode, connect
from gateway._watch import BUSY
from gateway.errors import CommitError, CommitStatusError, StatusCode

MANY = 24
MVCC = ValidationCode.MVCC_READ_CONFLICT


async def submit_many(contract, count=MANY, rounds=3, **options):
    async def client(number):
        return [await contract.submit("Put", f"{number}-{turn}", **options) for turn in range(rounds)]

    return await asyncio.gather(*(client(number) for number in range(count)))


def expected(count=MANY, rounds=3):
    return [[b"Put|%d-%d" % (number, turn) for turn in range(rounds)] for number in range(count)]


async def test_one_stream_tells_the_fate_of_many(peer, contract):
    assert expected() == await submit_many(contract)
    # One answers where the ledger ends, one streams from there; only the first submits asked for themselves.
    assert 2 == peer.requests.count("DeliverFiltered")
    assert MANY >= peer.requests.count("CommitStatus")
    assert 3 * MANY == peer.requests.count("Submit")


async def test_few_submits_open_no_stream(peer, contract):
    await submit_many(contract, count=BUSY - 1)
    assert 0 == peer.requests.count("DeliverFiltered")
    assert 3 * (BUSY - 1) == peer.requests.count("CommitStatus")


async def test_a_refused_stream_costs_nobody_anything_and_is_not_asked_for_again_at_once(peer, contract):
    peer.fail("DeliverFiltered", common_pb2.Status.FORBIDDEN)
    assert expected() == await submit_many(contract)
    assert 1 == peer.requests.count("DeliverFiltered")
    assert 3 * MANY == peer.requests.count("CommitStatus")


async def test_a_stream_that_is_cut_leaves_those_who_wait_to_ask(peer, contract):
    peer.cut_after.append(MANY + 5)
    assert expected() == await submit_many(contract)
    assert 0 < peer.requests.count("CommitStatus")


async def test_a_stream_that_falls_silent_leaves_those_who_wait_to_ask(peer, contract, monkeypatch):
    monkeypatch.setattr("gateway._watch._IDLE", 0.3)
    await submit_many(contract, rounds=2)
    monkeypatch.setattr(contract._watch, "_tell", lambda _: None)
    assert expected(rounds=1) == await submit_many(contract, rounds=1)


async def test_a_conflict_that_the_stream_tells_is_retried(peer, contract):
    await submit_many(contract, rounds=2)
    peer.codes.append(int(MVCC))
    assert expected(rounds=1) == await submit_many(contract, rounds=1)
    assert 3 * MANY + 1 == peer.requests.count("Submit")


async def test_without_retries_it_raises_what_the_stream_tells(peer, contract):
    await submit_many(contract, rounds=2)
    asked = peer.requests.count("CommitStatus")
    peer.codes.append(int(MVCC))
    with pytest.raises(CommitError) as caught:
        await contract.submit("Put", "one", retry=False)
    assert MVCC is caught.value.validation_code
    assert asked == peer.requests.count("CommitStatus")


async def test_an_envelope_that_is_sent_again_is_asked_for(peer, contract):
    await submit_many(contract, rounds=2)
    peer.fail("Submit", Failure(grpc.StatusCode.UNAVAILABLE, after=True))
    assert b"Put|one" == await contract.submit("Put", "one")


async def test_a_transaction_in_no_block_is_a_commit_status_error(peer, contract, monkeypatch):
    await submit_many(contract, rounds=2)

    async def lost(*_):
        await asyncio.sleep(0)

    monkeypatch.setattr(peer, "commit", lost)
    with pytest.raises(CommitStatusError) as caught:
        await contract.submit("Put", "one", retry=False, deadlines=Deadlines(commit_status=0.2))
    assert StatusCode.DEADLINE_EXCEEDED is caught.value.code
    assert not contract._watch._expected


async def test_the_mock_transport_serves_it_too():
    transport = MockTransport(lambda call: call.arguments[0])
    async with connect(transport, Identity("Org1MSP", b"cert"), Signer(sign=lambda _: b"s")) as gateway:
        contract = gateway.network("channel").contract("basic")
        results = await asyncio.gather(*(contract.submit("Put", str(n)) for n in range(MANY)))
    assert [b"%d" % n for n in range(MANY)] == results
