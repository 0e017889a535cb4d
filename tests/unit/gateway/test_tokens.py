"""Signing with a key in a PKCS#11 token, on SoftHSM."""

import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from wire_keys import PEM, certificate

from gateway import Endpoint, Identity, connect, digests
from gateway.tokens import TokenError, package, pkcs11_signer
from tests.softhsm import LIBRARY, PIN, tokens

CURVES = {"P-256": "secp256r1", "P-384": "secp384r1"}
IDENTIFIER = {"P-256": b"\x01\x56", "P-384": b"\x03\x84"}


@pytest.fixture(scope="module")
def token():
    """The token's label; it holds a key of each curve, and one that is none."""
    tokens()
    pkcs11 = package()
    from pkcs11.util.ec import encode_named_curve_parameters

    label = "gateway"
    session = pkcs11.lib(str(Path(LIBRARY).resolve())).get_token(token_label=label).open(user_pin=PIN, rw=True)
    for name, curve in CURVES.items():
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
        )
        parameters.generate_keypair(store=True, label=name, id=IDENTIFIER[name])
    session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label="RSA")
    session.close()
    return label


@pytest.mark.hsm
@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("by", ["label", "identifier"])
async def test_a_key_in_a_token_submits(token, server, tls, peer, name, by):
    chosen = {"label": name} if by == "label" else {"identifier": IDENTIFIER[name]}
    signer = pkcs11_signer(LIBRARY, token, lambda: PIN, **chosen)
    public = serialization.load_der_public_key(signer.public_key)
    identity = Identity("Org1MSP", issued_for(public))
    endpoint = Endpoint(f"127.0.0.1:{server}", root_certificates=tls.root)
    async with connect([endpoint], identity, signer) as gateway:
        contract = gateway.network("channel").contract("basic")
        for number in range(6):  # about half of the raw signatures have the higher s
            assert await contract.submit("Put", str(number)) == f"Put|{number}".encode()
    assert digests.sha256 is signer.digest


@pytest.mark.hsm
def test_another_pin_no_such_key_and_another_kind_of_key_are_token_errors(token):
    with pytest.raises(TokenError, match="NoSuchKey"):
        pkcs11_signer(LIBRARY, token, PIN, label="none")
    with pytest.raises(TokenError, match="neither ECDSA"):
        pkcs11_signer(LIBRARY, token, PIN, label="RSA")
    with pytest.raises(TokenError, match="NoSuchToken"):
        pkcs11_signer(LIBRARY, "nowhere", PIN, label="P-256")
    with pytest.raises(TokenError) as refused:
        pkcs11_signer(LIBRARY, "closed", "no-such-pin", label="P-256")
    assert "no-such-pin" not in str(refused.value)
    with pytest.raises(ValueError, match="label"):
        pkcs11_signer(LIBRARY, token, PIN)


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(TokenError, match="pip install python-pkcs11"):
        pkcs11_signer("library", "token", "pin", label="key")


def issued_for(public):
    """A certificate of a public key whose private half nobody here has."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    root = certificate(root_key, "root")
    template = certificate(ec.generate_private_key(ec.SECP256R1()), "user", root, root_key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(template.subject)
        .issuer_name(root.subject)
        .public_key(public)
        .serial_number(template.serial_number)
        .not_valid_before(template.not_valid_before_utc)
        .not_valid_after(template.not_valid_after_utc)
    )
    return builder.sign(root_key, template.signature_hash_algorithm).public_bytes(PEM)
