"""An identity that no peer would take is refused before any call, with the reason."""

import datetime as dt
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from wire_keys import PEM, certificate, key_pem

from gateway import Endpoint, Identity, Signer, connect
from gateway.errors import ConnectError

NOW = dt.datetime.now(dt.UTC)
KEY, OTHER, ROOT_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
ROOT = certificate(ROOT_KEY, "root")


def user(now: dt.datetime = NOW) -> bytes:
    return certificate(KEY, "user", ROOT, ROOT_KEY, now).public_bytes(PEM)


def attempt(identity: Identity, signer: Signer | None = None, *, check: bool = True) -> None:
    connect([Endpoint("127.0.0.1:1", plaintext=True)], identity, signer, check=check)


GOOD = Identity("Org1MSP", user())


@pytest.mark.parametrize(
    "good",
    [
        GOOD,
        replace(GOOD, certificate=user() + ROOT.public_bytes(PEM)),
        replace(GOOD, certificate=b"Certificate:\n    Version: 3\n" + user()),
        replace(GOOD, certificate=user().replace(b"\n", b"\r\n")),
    ],
    ids=["alone", "with its authority after it", "with text before it", "with Windows line ends"],
)
def test_a_certificate_of_the_key_is_taken(good: Identity):
    attempt(good, Signer.from_pem(key_pem(KEY)))
    attempt(good)
    attempt(good, Signer(sign=lambda digest: digest))  # nothing is known of a key kept elsewhere


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (replace(GOOD, msp_id=""), "no MSP id"),
        (replace(GOOD, certificate=b""), "the certificate cannot be read"),
        (replace(GOOD, certificate=b"/msp/cert.pem"), "the certificate cannot be read"),
        (replace(GOOD, certificate=key_pem(KEY)), "the certificate cannot be read"),
        (
            replace(GOOD, certificate=ROOT.public_bytes(PEM) + user()),
            "CN=root is an authority's: put the user's own first",
        ),
        (replace(GOOD, certificate=user(NOW - dt.timedelta(days=2))), "CN=user ended on"),
        (replace(GOOD, certificate=user(NOW + dt.timedelta(days=2))), "CN=user is valid from .* this machine's clock"),
    ],
)
def test_an_identity_that_is_none_is_refused(identity: Identity, reason: str):
    with pytest.raises(ValueError, match=reason):
        attempt(identity)


def test_a_certificate_with_an_extension_that_cannot_be_read_is_refused():
    x400 = x509.UnrecognizedExtension(x509.oid.ExtensionOID.ISSUER_ALTERNATIVE_NAME, bytes.fromhex("3002a300"))
    odd = certificate(KEY, "user", ROOT, ROOT_KEY, more=[x400]).public_bytes(PEM)
    with pytest.raises(ValueError, match="the certificate cannot be read"):
        attempt(replace(GOOD, certificate=odd))


def test_a_key_of_another_certificate_is_refused():
    with pytest.raises(ValueError, match="the key does not belong to the certificate of CN=user"):
        attempt(GOOD, Signer.from_pem(key_pem(OTHER)))


def test_a_certificate_as_text_is_refused():
    with pytest.raises(TypeError, match="the certificate is of type str: give the file's content as bytes"):
        attempt(Identity("Org1MSP", user().decode()))  # type: ignore[arg-type]


async def test_without_the_check_it_is_the_peers_that_refuse():
    bad = replace(GOOD, certificate=user(NOW - dt.timedelta(days=2)))
    with pytest.raises(ConnectError):
        async with connect([Endpoint("127.0.0.1:1", plaintext=True)], bad, check=False):
            pass
