"""Streams: exactly once while they live, at least once over a restart, and an error where they cannot go on."""

import asyncio
from contextlib import suppress

import grpc
import pytest
from fabric_protos.common import common_pb2
from wire_peer import Failure, event, serve

from gateway import (
    Endpoint,
    FileCheckpointer,
    Identity,
    InMemoryCheckpointer,
    MockTransport,
    Position,
    RetryPolicy,
    Signer,
    connect,
)
from gateway.errors import StatusCode, StreamError


async def take(stream, count):
    return [await asyncio.wait_for(anext(stream), 10) for _ in range(count)]


def names(events):
    return [item.name for item in events]


@pytest.fixture
async def ten_events(peer):
    """Blocks 1 to 4 with events 0 to 9 in blocks of three, and those of another chaincode between them."""
    texts = [f"e{n}" for n in range(10)]
    for first in range(0, 10, 3):
        batch = [event(f"tx-{text}", text) for text in texts[first : first + 3]]
        await peer.append([event("tx-other", "other", chaincode="other"), *batch])
    return texts


@pytest.fixture
def network(gateway):
    return gateway.network("channel")


async def test_a_stream_cut_in_the_middle_goes_on_behind_the_last_event(network, peer, ten_events):
    peer.cut_after.extend([2, 1, 1])
    async with network.chaincode_events("basic", start_block=0) as stream:
        assert ten_events == names(await take(stream, 10))
    assert peer.requests.count("ChaincodeEvents") >= 3


async def test_a_stream_that_fails_with_an_error_goes_on_too(network, peer, ten_events):
    peer.fail("ChaincodeEvents", Failure(grpc.StatusCode.UNAVAILABLE), Failure(grpc.StatusCode.INTERNAL))
    async with network.chaincode_events("basic", start_block=1) as stream:
        assert ten_events == names(await take(stream, 10))


NUMBERS = {
    "block_events": lambda block: block.header.number,
    "filtered_block_events": lambda block: block.number,
    "block_and_private_data_events": lambda pair: pair.block.header.number,
}


@pytest.mark.parametrize("kind", NUMBERS)
async def test_blocks_go_on_after_a_cut_without_gap_or_repetition(network, peer, ten_events, kind):
    peer.cut_after.extend([1, 0, 2])
    async with getattr(network, kind)(start_block=0) as stream:
        blocks = await take(stream, 5)
    assert [0, 1, 2, 3, 4] == [NUMBERS[kind](block) for block in blocks]


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND])
async def test_a_refused_stream_raises_at_once(network, peer, code):
    peer.fail("ChaincodeEvents", Failure(code, "no"))
    with pytest.raises(StreamError) as caught:
        await anext(network.chaincode_events("basic", start_block=0))
    assert StatusCode[code.name] is caught.value.code


async def test_a_refusal_by_deliver_is_a_stream_error(network, peer):
    peer.fail("Deliver", common_pb2.Status.FORBIDDEN)
    with pytest.raises(StreamError, match="FORBIDDEN") as caught:
        await anext(network.block_events(start_block=0))
    assert StatusCode.PERMISSION_DENIED is caught.value.code


async def test_a_peer_that_says_it_is_unavailable_is_asked_again(network, peer, ten_events):
    peer.fail("Deliver", common_pb2.Status.SERVICE_UNAVAILABLE)
    async with network.block_events(start_block=4) as stream:
        assert 4 == (await take(stream, 1))[0].header.number


async def test_a_peer_out_of_reach_for_too_long_raises(server, peer, tls, user):
    identity, key = user
    policy = RetryPolicy(first_delay=0.01, longest_delay=0.02, resume_for=0.2)
    peer.fail("ChaincodeEvents", *[Failure(grpc.StatusCode.UNAVAILABLE, "gone")] * 1000)
    endpoint = Endpoint(f"127.0.0.1:{server}", root_certificates=tls.root)
    async with connect([endpoint], identity, Signer.from_pem(key), retry=policy) as gateway:
        with pytest.raises(StreamError, match="gone"):
            await asyncio.wait_for(anext(gateway.network("channel").chaincode_events("basic", start_block=0)), 5)


async def test_breaks_of_a_quiet_stream_do_not_add_up(monkeypatch):
    monkeypatch.setattr("gateway._events._LIVED", 0.05)
    mock = MockTransport(lambda call: call.announce("late") or b"")
    policy = RetryPolicy(first_delay=0.001, longest_delay=0.002, resume_for=0.2)
    signer = Signer(sign=lambda _: b"signature")
    async with connect(mock, Identity("Org1MSP", b"certificate"), signer, retry=policy) as gateway:
        network = gateway.network("channel")
        async with network.chaincode_events("basic") as stream:
            waiting = asyncio.create_task(anext(stream))
            for _ in range(3):
                await asyncio.sleep(0.15)
                await mock.cut()
            await network.contract("basic").submit("Put")
            assert "late" == (await asyncio.wait_for(waiting, 5)).name


async def test_from_now_on_survives_a_break_before_the_first_event(network, peer, ten_events):
    peer.cut_after.extend([0, 0])
    async with network.chaincode_events("basic") as stream:
        await peer.append([event("tx-late", "late")])
        assert ["late"] == names(await take(stream, 1))


async def test_waiting_with_a_timeout_loses_nothing(network, peer, ten_events):
    async with network.chaincode_events("basic") as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.2)
        await peer.append([event("tx-late", "late")])
        assert ["late"] == names(await take(stream, 1))


async def test_an_event_is_recorded_when_the_next_one_is_asked_for(network, ten_events):
    checkpointer = InMemoryCheckpointer()
    async with network.chaincode_events("basic", start_block=0, checkpoint=checkpointer) as stream:
        await take(stream, 1)
        assert Position() == checkpointer.position
        await take(stream, 1)
        assert Position(1, "tx-e0") == checkpointer.position
        await stream.done()
        assert Position(1, "tx-e1") == checkpointer.position


async def test_a_restart_goes_on_behind_the_checkpoint_and_not_at_the_start_block(network, ten_events, tmp_path):
    path = tmp_path / "checkpoint.json"
    for expected in (ten_events[:5], ten_events[5:]):
        checkpointer = FileCheckpointer(path)
        async with network.chaincode_events("basic", start_block=0, checkpoint=checkpointer) as stream:
            assert expected == names(await take(stream, 5))
            await stream.done()


async def test_an_event_whose_handler_failed_is_seen_again(network, ten_events):
    checkpointer = InMemoryCheckpointer()
    with suppress(RuntimeError):
        async for item in network.chaincode_events("basic", start_block=0, checkpoint=checkpointer):
            if item.name == "e4":
                raise RuntimeError("the handler failed")
    stream = network.chaincode_events("basic", checkpoint=checkpointer)
    assert ["e4"] == names(await take(stream, 1))
    await stream.aclose()


@pytest.mark.parametrize("kind", NUMBERS)
async def test_blocks_are_checkpointed_as_the_next_block(network, ten_events, kind):
    checkpointer = InMemoryCheckpointer()
    async with getattr(network, kind)(start_block=2, checkpoint=checkpointer) as stream:
        await take(stream, 1)
        await stream.done()
    assert Position(3) == checkpointer.position
    async with getattr(network, kind)(checkpoint=checkpointer) as stream:
        assert 3 == NUMBERS[kind]((await take(stream, 1))[0])


async def test_private_data_comes_with_its_block(network, ten_events):
    async with network.block_and_private_data_events(start_block=1) as stream:
        (pair,) = await take(stream, 1)
    assert {0: "basic"} == {place: data.ns_pvt_rwset[0].namespace for place, data in pair.private_data_map.items()}


async def test_a_stream_that_was_closed_is_given_back(network, peer, ten_events):
    async with network.block_and_private_data_events(start_block=0) as stream:
        await take(stream, 1)
    await stream.aclose()
    assert 1 == peer.requests.count("DeliverWithPrivateData")


async def test_a_negative_start_block_is_refused(network):
    with pytest.raises(ValueError, match="at least 0"):
        network.chaincode_events("basic", start_block=-1)


async def test_a_stream_goes_on_at_another_peer_when_its_own_dies(peer, tls, user, quick, ten_events):
    identity, key = user
    first, first_port = await serve(peer, tls.server_credentials())
    second, second_port = await serve(peer, tls.server_credentials())
    endpoints = [Endpoint(f"127.0.0.1:{port}", root_certificates=tls.root) for port in (first_port, second_port)]
    async with (
        connect(endpoints, identity, Signer.from_pem(key), retry=quick) as gateway,
        gateway.network("channel").chaincode_events("basic", start_block=0) as stream,
    ):
        seen = await take(stream, 10)
        await first.stop(None)
        await peer.append([event("tx-last", "last")])
        seen += await take(stream, 1)
    await second.stop(None)
    assert [*ten_events, "last"] == names(seen)
