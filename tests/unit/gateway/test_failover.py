"""Several peers of one organisation: a dead one is left within a bounded time, nothing is lost or done twice."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from wire_peer import Peer, serve

from gateway import Deadlines, Endpoint, Failover, GrpcTransport, RetryPolicy, Signer, connect
from gateway.errors import EvaluateError, StatusCode

PATIENCE = 60.0
HASTY = Failover(probe=0.3, every=0.02, steady=0.05)
SHORT = Deadlines(evaluate=0.3)
NEVER_BACK = Failover(probe=0.3, every=3600.0)


class Line:
    """A line to a peer that can go dead: it accepts connections for ever and carries nothing any more."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._alive = asyncio.Event()
        self._alive.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.server: asyncio.Server

    async def open(self) -> int:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        self._alive.clear()

    def thaw(self) -> None:
        self._alive.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        for pair in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._carry(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                await self._alive.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def close(self) -> None:
        self.server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
def endpoint(tls):
    return lambda port: Endpoint(f"127.0.0.1:{port}", root_certificates=tls.root)


@asynccontextmanager
async def two(first: Peer, second: Peer, tls: Any) -> AsyncIterator[tuple[tuple[Any, int], tuple[Any, int]]]:
    """Serve two peers; may be one object: then both hold the same ledger."""
    servers = [await serve(peer, tls.server_credentials()) for peer in (first, second)]
    try:
        yield servers[0], servers[1]
    finally:
        for server, _ in servers:
            await server.stop(None)


@contextmanager
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, dict[str, str]]]]:
    said: list[tuple[str, dict[str, str]]] = []
    with caplog.at_level(logging.INFO, "gateway"):
        yield said
    said += [(r.event, r.fields) for r in caplog.records if hasattr(r, "event")]


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # what is waited for sets no event
            await asyncio.sleep(0.01)


async def test_a_peer_that_falls_silent_is_left_and_its_streams_go_on_at_the_next(
    peer, tls, endpoint, user, quick, caplog
):
    identity, key = user
    async with two(peer, peer, tls) as ((_, first), (_, second)):
        line = Line(first)
        transport = GrpcTransport([endpoint(await line.open()), endpoint(second)], NEVER_BACK)
        with logged(caplog) as said:
            async with transport, connect(transport, identity, Signer.from_pem(key), retry=quick) as gateway:
                network = gateway.network("channel")
                async with network.chaincode_events("basic") as events:
                    await network.contract("basic").submit("Put")
                    seen = [await asyncio.wait_for(anext(events), PATIENCE)]
                    line.freeze()
                    async with asyncio.timeout(PATIENCE):
                        while transport.address != f"127.0.0.1:{second}":
                            with pytest.raises(EvaluateError):
                                await network.contract("basic").evaluate("Get", deadlines=SHORT, retry=False)
                            await asyncio.sleep(HASTY.probe)
                        assert await network.contract("basic").evaluate("Get") == b"Get"
                        await network.contract("basic").submit("Again")
                        seen.append(await anext(events))
        await line.close()
    assert [event.block_number for event in seen] == [1, 2]
    event, fields = said[0]
    assert (event, fields["used"]) == ("peer left", f"127.0.0.1:{second}")
    assert "accepts no connection" in fields["reason"]


async def test_a_slow_call_is_no_reason_to_leave_a_peer_that_answers(peer, tls, endpoint, user):
    identity, key = user
    other = Peer()
    async with two(peer, other, tls) as ((_, first), (_, second)):
        transport = GrpcTransport([endpoint(first), endpoint(second)], Failover(probe=PATIENCE))
        async with transport, connect(transport, identity, Signer.from_pem(key)) as gateway:
            peer.fail("Evaluate", 5.0)
            with pytest.raises(EvaluateError) as caught:
                await (
                    gateway.network("channel")
                    .contract("basic")
                    .evaluate("Get", deadlines=Deadlines(evaluate=0.1), retry=False)
                )
            assert StatusCode.DEADLINE_EXCEEDED is caught.value.code
            await until(lambda: not transport._choice._probing)
            assert transport.address == f"127.0.0.1:{first}"
    assert [] == other.requests


async def test_a_peer_that_is_back_is_used_again_and_streams_come_along(peer, tls, endpoint, user, quick, caplog):
    identity, key = user
    async with two(peer, peer, tls) as ((server, first), (_, second)):
        transport = GrpcTransport([endpoint(first), endpoint(second)], HASTY)
        with logged(caplog) as said:
            async with transport, connect(transport, identity, Signer.from_pem(key), retry=quick) as gateway:
                network = gateway.network("channel")
                async with network.chaincode_events("basic", start_block=0) as events:
                    await server.stop(None)
                    await network.contract("basic").submit("Put")
                    seen = [await asyncio.wait_for(anext(events), PATIENCE)]
                    assert transport.address == f"127.0.0.1:{second}"
                    again, _ = await serve(peer, tls.server_credentials(), f"127.0.0.1:{first}")
                    await until(lambda: transport.address == f"127.0.0.1:{first}")
                    await network.contract("basic").submit("Again")
                    seen.append(await asyncio.wait_for(anext(events), PATIENCE))
            await again.stop(None)
    assert [event.block_number for event in seen] == [1, 2]
    assert [event for event, _ in said] == ["peer left", "peer used again"]


async def test_a_submit_whose_peer_dies_before_it_answers_is_asked_for_at_the_other_and_not_sent_again(
    tls, endpoint, user, quick
):
    identity, key = user
    dying = asyncio.Event()

    class Dying(Peer):
        async def Submit(self, request, context):  # noqa: N802
            answer = await super().Submit(request, context)
            dying.set()
            await asyncio.sleep(PATIENCE)
            return answer

    peer = Dying()
    async with two(peer, peer, tls) as ((server, first), (_, second)):
        transport = GrpcTransport([endpoint(first), endpoint(second)], NEVER_BACK)
        async with transport, connect(transport, identity, Signer.from_pem(key), retry=quick) as gateway:
            submitted = asyncio.create_task(gateway.network("channel").contract("basic").submit("Put"))
            await asyncio.wait_for(dying.wait(), PATIENCE)
            await server.stop(None)
            assert await asyncio.wait_for(submitted, PATIENCE) == b"Put"
    assert len(peer.envelopes) == 1
    assert len([call for call in peer.calls if call.kind == "endorse"]) == 1


async def test_the_next_peer_is_not_asked_before_it_has_the_block_that_the_first_showed(tls, endpoint, user, quick):
    identity, key = user
    leading, behind = Peer(), Peer()
    async with two(leading, behind, tls) as ((server, first), (_, second)):
        transport = GrpcTransport([endpoint(first), endpoint(second)], NEVER_BACK)
        async with transport, connect(transport, identity, Signer.from_pem(key), retry=quick) as gateway:
            contract = gateway.network("channel").contract("basic")
            await contract.submit("Put")
            await server.stop(None)
            answer = asyncio.create_task(contract.evaluate("Get"))
            await until(lambda: "DeliverFiltered" in behind.requests)
            assert "Evaluate" not in behind.requests
            await behind.append([], transaction_id="put")
            assert await asyncio.wait_for(answer, PATIENCE) == b"Get"
            await contract.evaluate("Get")
    assert behind.requests.count("DeliverFiltered") == 1


async def test_a_peer_that_lacks_what_was_seen_is_passed_over(tls, endpoint, user, quick):
    identity, key = user
    leading, behind = Peer(), Peer()
    async with two(leading, behind, tls) as ((server, first), (_, second)):
        transport = GrpcTransport([endpoint(first), endpoint(second)], NEVER_BACK)
        async with transport, connect(transport, identity, Signer.from_pem(key), retry=quick) as gateway:
            contract = gateway.network("channel").contract("basic")
            await contract.submit("Put")
            await server.stop(None)
            with pytest.raises(EvaluateError):
                await contract.evaluate("Get", retry=False)
            again, _ = await serve(leading, tls.server_credentials(), f"127.0.0.1:{first}")
            with pytest.raises(EvaluateError, match="does not show block 1, which another peer has"):
                await contract.evaluate("Get", deadlines=SHORT, retry=False)
            patient = RetryPolicy(attempts=200, longest_delay=0.1)  # gRPC itself pauses before it connects again
            assert await contract.evaluate("Get", retry=patient) == b"Get"
            await again.stop(None)
    assert "Evaluate" not in behind.requests


async def test_of_three_peers_the_first_that_is_up_is_used(peer, tls, endpoint, user, quick):
    identity, key = user
    servers = [await serve(peer, tls.server_credentials()) for _ in range(3)]
    transport = GrpcTransport([endpoint(port) for _, port in servers], NEVER_BACK)
    async with transport, connect(transport, identity, Signer.from_pem(key), retry=quick) as gateway:
        contract = gateway.network("channel").contract("basic")
        for server, _ in servers[:2]:
            assert await contract.evaluate("Get") == b"Get"
            await server.stop(None)
        assert await contract.evaluate("Get") == b"Get"
        assert transport.address == f"127.0.0.1:{servers[2][1]}"
    await servers[2][0].stop(None)
