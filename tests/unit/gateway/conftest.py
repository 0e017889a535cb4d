"""Keys, a peer on the wire and a gateway connected to it."""

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import Endpoint, Identity, RetryPolicy, Signer, connect

sys.path.insert(0, str(Path(__file__).parent))

from wire_keys import PEM, Tls, certificate, key_pem
from wire_peer import Peer, serve


@pytest.fixture(scope="session")
def tls():
    root_key, server_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = certificate(root_key, "root")
    server = certificate(server_key, "peer", root, root_key)
    client = certificate(client_key, "client", root, root_key)
    return Tls(
        root.public_bytes(PEM),
        server.public_bytes(PEM),
        key_pem(server_key),
        client.public_bytes(PEM),
        key_pem(client_key),
    )


@pytest.fixture(scope="session")
def user():
    """An identity and its key in PEM."""
    key, root_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issued = certificate(key, "user", certificate(root_key, "root"), root_key)
    return Identity("Org1MSP", issued.public_bytes(PEM)), key_pem(key)


@pytest.fixture
def quick():
    """The default rules, without the waiting."""
    return RetryPolicy(first_delay=0.001, longest_delay=0.002, ask_deadline=0.3)


@pytest.fixture
def peer():
    return Peer()


@pytest.fixture
async def server(peer, tls):
    running, port = await serve(peer, tls.server_credentials())
    yield port
    await running.stop(None)


@pytest.fixture
async def gateway(server, tls, user, quick):
    identity, key = user
    endpoint = Endpoint(f"127.0.0.1:{server}", root_certificates=tls.root)
    async with connect([endpoint], identity, Signer.from_pem(key), retry=quick) as connected:
        yield connected


@pytest.fixture
def contract(gateway):
    return gateway.network("channel").contract("basic")
