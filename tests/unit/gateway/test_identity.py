"""Signatures that peers accept, and keys that are refused."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils
from hypothesis import given
from hypothesis import strategies as st
from wire_keys import certificate, key_pem
from wire_peer import ORDERS, verify

from gateway import Endpoint, Identity, Signer, connect

KEYS = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = certificate(ROOT_KEY, "root")
IDENTITIES = {
    name: Identity("Org1MSP", certificate(key, name, ROOT, ROOT_KEY).public_bytes(serialization.Encoding.PEM))
    for name, key in KEYS.items()
}


@pytest.mark.parametrize("name", KEYS)
@given(message=st.binary(max_size=300))
def test_signatures_verify_and_are_low(name, message):
    signer = Signer.from_pem(key_pem(KEYS[name]))
    verify(IDENTITIES[name].creator, message, signer.sign(signer.digest(message)))


@pytest.mark.parametrize("name", ["P-256", "P-384"])
@given(digest=st.binary(min_size=32, max_size=32))
def test_s_is_in_the_lower_half(name, digest):
    _, s = utils.decode_dss_signature(Signer.from_pem(key_pem(KEYS[name])).sign(digest))
    assert 1 <= s <= ORDERS[KEYS[name].curve.name] // 2


@pytest.mark.parametrize("name", KEYS)
async def test_every_kind_of_key_submits(server, tls, peer, name):
    endpoint = Endpoint(f"127.0.0.1:{server}", root_certificates=tls.root)
    async with connect([endpoint], IDENTITIES[name], Signer.from_pem(key_pem(KEYS[name]))) as gateway:
        assert await gateway.network("channel").contract("basic").submit("Put") == b"Put"
    assert IDENTITIES[name].certificate == peer.calls[0].creator.id_bytes


def test_an_encrypted_key_needs_its_password():
    key = KEYS["P-256"]
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open"),
    )
    Signer.from_pem(pem, b"open")
    for wrong in (None, b"shut"):
        with pytest.raises(ValueError, match="cannot be read"):
            Signer.from_pem(pem, wrong)


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP521R1())], ids=["RSA", "P-521"]
)
def test_other_kinds_of_keys_are_refused(key):
    with pytest.raises(ValueError, match="neither ECDSA P-256, ECDSA P-384 nor Ed25519"):
        Signer.from_pem(key_pem(key))


@given(junk=st.binary(max_size=100))
def test_junk_is_no_key(junk):
    with pytest.raises(ValueError, match="cannot be read"):
        Signer.from_pem(junk)


def test_a_signer_does_not_show_its_key():
    pem = key_pem(KEYS["P-256"])
    secret = KEYS["P-256"].private_numbers().private_value
    assert str(secret) not in repr(Signer.from_pem(pem))
    assert f"{secret:x}" not in repr(Signer.from_pem(pem))
