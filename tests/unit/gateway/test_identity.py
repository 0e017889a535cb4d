"""Signatures that peers accept, and keys that are refused."""

import asyncio
import hashlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils
from hypothesis import given
from hypothesis import strategies as st
from wire_keys import certificate, key_pem
from wire_peer import ORDERS, verify

from gateway import AsyncSigner, Endpoint, Identity, Signer, connect, signatures

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


@pytest.mark.parametrize("name", ["P-256", "P-384"])
@given(message=st.binary(max_size=100))
def test_r_followed_by_s_becomes_what_peers_take(name, message):
    key = KEYS[name]
    size = (key.key_size + 7) // 8
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    for either in (s, ORDERS[key.curve.name] - s):
        raw = r.to_bytes(size) + either.to_bytes(size)
        verify(IDENTITIES[name].creator, message, signatures.from_raw(raw, key.curve.name))


@pytest.mark.parametrize("raw", [b"", bytes(63), bytes(65), bytes(64), b"\xff" * 64, bytes(31) + b"\1" + bytes(32)])
def test_what_is_no_r_and_s_of_the_curve_is_refused(raw):
    with pytest.raises(signatures.SignatureError):
        signatures.from_raw(raw, "secp256r1")


@pytest.mark.parametrize("name", ["P-256", "P-384"])
def test_a_digest_of_384_bits_is_signed_too(name):
    digest = hashlib.sha384(b"message").digest()
    signature = Signer.from_pem(key_pem(KEYS[name])).sign(digest)
    KEYS[name].public_key().verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA384())))


async def test_a_signer_that_is_awaited_holds_nobody_up(server, tls, user):
    identity, pem = user
    asked, answer = asyncio.Event(), asyncio.Event()

    async def sign(digest):
        asked.set()
        await answer.wait()
        return Signer.from_pem(pem).sign(digest)

    endpoint = Endpoint(f"127.0.0.1:{server}", root_certificates=tls.root)
    async with connect([endpoint], identity, AsyncSigner(sign)) as gateway:
        submitting = asyncio.create_task(gateway.network("channel").contract("basic").submit("Put"))
        await asked.wait()
        assert not submitting.done()
        answer.set()
        assert b"Put" == await submitting
        async with gateway.network("channel").block_events(start_block=1) as blocks:
            assert 1 == (await anext(blocks)).header.number


def test_an_awaited_signers_key_is_compared_with_the_certificate(user):
    other = Signer.from_pem(key_pem(KEYS["P-256"])).public_key
    with pytest.raises(ValueError, match="does not belong"):
        connect([Endpoint("127.0.0.1:1")], user[0], AsyncSigner(lambda _: None, public_key=other))


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
