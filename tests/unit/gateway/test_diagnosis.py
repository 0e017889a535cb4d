"""A connection that fails says why: each cause is made for real, and named with the address."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from wire_peer import serve

from gateway import Deadlines, Endpoint, Signer, _transport, connect
from gateway._diagnosis import Destination, cause, destination
from gateway.errors import ConnectError


@pytest.fixture
def failure(user):
    identity, key = user

    async def said(*endpoints: Endpoint) -> str:
        patience = Deadlines(connect=0.6)
        with pytest.raises(ConnectError) as caught:
            async with connect(list(endpoints), identity, Signer.from_pem(key), deadlines=patience):
                pass
        return str(caught.value)

    return said


@asynccontextmanager
async def listening(answer):
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_port_where_nothing_listens_refuses(failure, tls):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        said = await failure(Endpoint(f"127.0.0.1:{port}", root_certificates=tls.root))
    assert f"127.0.0.1:{port}: 127.0.0.1 refuses connections on port {port}: nothing listens there" in said


@pytest.mark.parametrize("name", ["peer0.example.invalid", "a" * 64 + ".example"])
async def test_a_name_that_nobody_knows_is_named(name, failure, tls, monkeypatch):
    monkeypatch.setattr(_transport, "_DIAGNOSIS_SECONDS", 60.0)  # resolvers may be slow to say no
    said = await failure(Endpoint(f"{name}:7051", root_certificates=tls.root))
    assert f"the name {name} is not known here" in said


async def test_a_certificate_of_another_authority_is_told_from_one_for_another_name(failure, server, tls):
    address = f"127.0.0.1:{server}"
    said = await failure(
        Endpoint(address, root_certificates=tls.client_certificate),
        Endpoint(address, root_certificates=tls.root, server_name="peer.example"),
    )
    assert f"{address}: its certificate is not from the given root certificates" in said
    assert "its certificate is not for peer.example: dial a name that it carries, or give server_name" in said


async def test_tls_to_a_plaintext_peer_and_the_other_way_round_are_told_apart(failure, peer, server, tls):
    running, port = await serve(peer)
    said = await failure(
        Endpoint(f"127.0.0.1:{port}", root_certificates=tls.root), Endpoint(f"127.0.0.1:{server}", plaintext=True)
    )
    await running.stop(None)
    assert f"127.0.0.1:{port}: it does not speak TLS" in said
    assert f"127.0.0.1:{server}: it speaks TLS: leave out plaintext=True" in said


async def test_what_takes_connections_and_is_no_peer_is_told(failure, tls):
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(hang_up) as port:
        assert "closes the connection during the TLS handshake" in await failure(
            Endpoint(f"127.0.0.1:{port}", root_certificates=tls.root)
        )
        assert "no gRPC answer came in time" in await failure(Endpoint(f"127.0.0.1:{port}", plaintext=True))


async def test_a_proxy_variable_is_named_where_grpc_would_use_it():
    proxied = {"https_proxy": "http://proxy:3128"}
    said = await cause(Destination("peer0.example.invalid", 7051), None, None, proxied)
    assert "the proxy that https_proxy names: list peer0.example.invalid in no_proxy" in said
    for excepted in ("peer0.example.invalid", "other, example.invalid"):
        said = await cause(Destination("peer0.example.invalid", 7051), None, None, proxied | {"no_proxy": excepted})
        assert "is not known here" in said


@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy"])
async def test_this_machine_is_reached_past_any_proxy(variable, monkeypatch, server, tls, user):
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    identity, key = user
    async with connect(
        [Endpoint(f"localhost:{server}", root_certificates=tls.root)], identity, Signer.from_pem(key)
    ) as it:
        assert await it.network("channel").contract("basic").evaluate("Get") == b"Get"


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("peer:7051", "peer", 7051), ("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:65535", "::1", 65535)],
)
def test_an_address_is_a_host_and_a_port(address, host, port):
    assert destination(address) == Destination(host, port)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "peer",
        "peer:",
        ":7051",
        "peer:0",
        "peer:65536",
        "peer:x",
        "::1:7051",
        "grpcs://peer:7051",
        " peer:7051",
        "peer:7051/",
    ],
)
def test_an_address_that_is_none_is_refused_before_any_call(address):
    with pytest.raises(ValueError, match="the address"):
        Endpoint(address)


@pytest.mark.parametrize("wrong", [b"", b"/keys/ca.pem"])
def test_certificates_that_are_none_are_refused_before_any_call(wrong):
    with pytest.raises(ValueError, match="endpoint peer:1: root_certificates holds no certificate in PEM"):
        Endpoint("peer:1", root_certificates=wrong)


def test_certificates_as_text_are_refused_before_any_call(tls):
    with pytest.raises(TypeError, match="root_certificates is of type str: give the file's content as bytes"):
        Endpoint("peer:1", root_certificates=tls.root.decode())
