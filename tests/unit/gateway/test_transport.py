"""Connections: which peer, which certificates, how long."""

import asyncio
import dataclasses
import functools
import socket

import grpc
import pytest
from fabric_protos.common import common_pb2
from wire_peer import Failure, Peer, serve

from gateway import Deadlines, Endpoint, GrpcTransport, Identity, Metadata, Signer, connect
from gateway.errors import ConnectError, EvaluateError, StatusCode


@pytest.fixture
def endpoint(tls):
    return lambda port, **more: Endpoint(f"127.0.0.1:{port}", root_certificates=tls.root, **more)


@pytest.fixture
def closed_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_the_first_endpoint_that_answers_is_used(server, endpoint, closed_port, user):
    identity, key = user
    async with connect([endpoint(closed_port), endpoint(server)], identity, Signer.from_pem(key)) as gateway:
        assert await gateway.network("channel").contract("basic").evaluate("Get") == b"Get"


async def test_a_peer_that_takes_connections_and_says_nothing_is_passed_over(server, endpoint, user):
    identity, key = user
    silent = socket.create_server(("127.0.0.1", 0))  # the kernel takes the connection, nobody reads it
    port = silent.getsockname()[1]
    deadlines = Deadlines(connect=1.0)
    async with connect([endpoint(port), endpoint(server)], identity, Signer.from_pem(key), deadlines=deadlines) as it:
        assert await it.network("channel").contract("basic").evaluate("Get") == b"Get"
    silent.close()


async def test_no_endpoint_that_answers_is_an_error_that_lists_them(endpoint, closed_port, user):
    identity, key = user
    with pytest.raises(ConnectError, match=f"127.0.0.1:{closed_port}") as caught:
        async with connect([endpoint(closed_port)], identity, Signer.from_pem(key), deadlines=Deadlines(connect=0.5)):
            pass
    assert StatusCode.UNAVAILABLE is caught.value.code


async def test_when_the_peer_dies_calls_go_to_the_next(peer, tls, endpoint, user, quick):
    identity, key = user
    first, first_port = await serve(peer, tls.server_credentials())
    second, second_port = await serve(peer, tls.server_credentials())
    async with connect(
        [endpoint(first_port), endpoint(second_port)], identity, Signer.from_pem(key), retry=quick
    ) as gateway:
        contract = gateway.network("channel").contract("basic")
        assert await contract.submit("Put") == b"Put"
        await first.stop(None)
        assert await contract.submit("Again") == b"Again"
        assert await contract.evaluate("Get") == b"Get"
    await second.stop(None)


async def test_a_busy_gateway_is_no_reason_to_change_peers(peer, tls, endpoint, user, quick):
    identity, key = user
    other = Peer()
    servers = [await serve(each, tls.server_credentials()) for each in (peer, other)]
    transport = GrpcTransport([endpoint(port) for _, port in servers])
    async with transport, connect(transport, identity, Signer.from_pem(key), retry=quick) as gateway:
        peer.fail("Evaluate", Failure(grpc.StatusCode.UNAVAILABLE))
        await gateway.network("channel").contract("basic").evaluate("Get")
        assert f"127.0.0.1:{servers[0][1]}" == transport.address
    assert [] == other.requests
    for running, _ in servers:
        await running.stop(None)


async def test_mutual_tls_and_the_binding_of_block_requests_to_it(peer, tls, endpoint, user):
    identity, key = user
    running, port = await serve(peer, tls.server_credentials(mutual=True))
    mutual = endpoint(port, client_certificate=tls.client_certificate, client_key=tls.client_key)
    async with connect([mutual], identity, Signer.from_pem(key)) as gateway:
        await asyncio.wait_for(anext(gateway.network("channel").block_events(start_block=0)), 5)
    header = common_pb2.ChannelHeader.FromString(peer.delivers[-1].header.channel_header)
    assert mutual.tls_certificate_hash == header.tls_cert_hash
    assert 32 == len(header.tls_cert_hash)
    with pytest.raises((ConnectError, EvaluateError)):
        async with connect([endpoint(port)], identity, Signer.from_pem(key), deadlines=Deadlines(connect=1)) as bare:
            await bare.network("channel").contract("basic").evaluate("Get", retry=False)
    await running.stop(None)


async def test_a_server_of_another_authority_is_not_talked_to(server, tls, user):
    identity, key = user
    stranger = Endpoint(f"127.0.0.1:{server}", root_certificates=tls.client_certificate)
    with pytest.raises(ConnectError):
        async with connect([stranger], identity, Signer.from_pem(key), deadlines=Deadlines(connect=0.5)):
            pass


async def test_a_name_other_than_the_address_is_checked_when_given(server, tls, user, endpoint):
    identity, key = user
    async with connect([endpoint(server, server_name="localhost")], identity, Signer.from_pem(key)):
        pass
    with pytest.raises(ConnectError):
        async with connect(
            [endpoint(server, server_name="peer.example")],
            identity,
            Signer.from_pem(key),
            deadlines=Deadlines(connect=0.5),
        ):
            pass


async def test_plaintext_has_to_be_asked_for(peer, user):
    identity, key = user
    running, port = await serve(peer)
    async with connect([Endpoint(f"127.0.0.1:{port}", plaintext=True)], identity, Signer.from_pem(key)) as gateway:
        assert await gateway.network("channel").contract("basic").evaluate("Get") == b"Get"
    with pytest.raises(ConnectError):
        async with connect(
            [Endpoint(f"127.0.0.1:{port}")], identity, Signer.from_pem(key), deadlines=Deadlines(connect=0.5)
        ):
            pass
    await running.stop(None)


async def test_a_deadline_ends_a_call(contract, peer):
    peer.fail("Evaluate", 5.0)
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate("Get", deadlines=Deadlines(evaluate=0.1), retry=False)
    assert StatusCode.DEADLINE_EXCEEDED is caught.value.code


async def test_a_cancelled_call_is_cancelled_and_the_gateway_goes_on(contract, peer):
    peer.fail("Evaluate", 5.0)
    call = asyncio.create_task(contract.evaluate("Get"))
    await peer.entered.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await contract.evaluate("Get") == b"Get"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"client_key": b"x"}, "together"),
        ({"client_certificate": b"x"}, "together"),
        ({"plaintext": True, "root_certificates": b"x"}, "no sense"),
    ],
)
def test_endpoints_that_contradict_themselves_are_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        Endpoint("localhost:1", **wrong)


def test_no_endpoints_are_refused(user):
    with pytest.raises(ValueError, match="at least one endpoint"):
        connect([], user[0])


async def test_gateways_of_several_identities_share_a_transport(server, endpoint, user, peer, quick):
    identity, key = user
    other = Identity("Org1MSP", identity.certificate + b"\n")
    async with (
        GrpcTransport([endpoint(server)]) as transport,
        connect(transport, other, Signer.from_pem(key), retry=quick) as second,
    ):
        async with connect(transport, identity, Signer.from_pem(key), retry=quick) as first:
            assert b"Put" == await first.network("channel").contract("basic").submit("Put")
        assert b"Put" == await second.network("channel").contract("basic").submit("Put")
    assert [identity.certificate, other.certificate] == [call.creator.id_bytes for call in peer.calls]
    assert 1 == len(peer.callers)


async def test_each_kind_of_call_carries_its_own_metadata(server, endpoint, user, peer):
    identity, key = user
    names = [field.name for field in dataclasses.fields(Metadata)]
    metadata = Metadata(**{name: (("kind", name), ("kind-bin", b"\x00\xff")) for name in names})
    async with connect([endpoint(server)], identity, Signer.from_pem(key), metadata=metadata) as gateway:
        network = gateway.network("channel")
        await network.contract("basic").evaluate("Get")
        await network.contract("basic").submit("Put")
        streams = [getattr(network, name) for name in names if name.endswith("block_events")]
        streams += [network.block_and_private_data_events, functools.partial(network.chaincode_events, "basic")]
        for stream in streams:
            async with stream(start_block=0) as events:
                await asyncio.wait_for(anext(events), 5)
    methods = ["Evaluate", "Endorse", "Submit", "CommitStatus", "ChaincodeEvents"]
    methods += ["Deliver", "DeliverFiltered", "DeliverWithPrivateData"]
    assert names == [peer.metadata[method]["kind"] for method in methods]
    assert {b"\x00\xff"} == {peer.metadata[method]["kind-bin"] for method in methods}
    assert Metadata.of_all(("a", "b")).commit_status == (("a", "b"),)


async def test_a_channel_argument_of_ones_own_goes_before_the_clients(server, endpoint, user):
    identity, key = user
    small = [("grpc.max_send_message_length", 5_000)]
    async with GrpcTransport([endpoint(server)], options=small) as transport:
        contract = connect(transport, identity, Signer.from_pem(key)).network("channel").contract("basic")
        assert await contract.evaluate("Get") == b"Get"
        with pytest.raises(EvaluateError, match="5000"):
            await contract.evaluate("Get", "x" * 5_000)
