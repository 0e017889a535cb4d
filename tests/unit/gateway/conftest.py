"""Keys, a peer on the wire and a gateway connected to it."""

import datetime as dt
import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gateway import Endpoint, Identity, RetryPolicy, Signer, connect

sys.path.insert(0, str(Path(__file__).parent))

from wire_peer import Peer, serve

PEM = serialization.Encoding.PEM


def key_pem(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate(key, name, issuer=None, issuer_key=None):
    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signing = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
    )
    algorithm = None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signing, algorithm)


@dataclass
class Tls:
    """An authority with a server's and a client's certificate."""

    root: bytes
    server_certificate: bytes
    server_key: bytes
    client_certificate: bytes
    client_key: bytes

    def server_credentials(self, *, mutual=False):
        pair = [(self.server_key, self.server_certificate)]
        return grpc.ssl_server_credentials(pair, self.root if mutual else None, require_client_auth=mutual)


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
    key = ec.generate_private_key(ec.SECP256R1())
    return Identity("Org1MSP", certificate(key, "user").public_bytes(PEM)), key_pem(key)


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
