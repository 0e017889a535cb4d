"""Who may call: what the contract sees of its caller, and which certificates are turned away where."""

import asyncio
import datetime as dt
import hashlib
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import Identity, Signer, ValidationCode
from gateway.errors import EndorseError, EvaluateError, GatewayError, StreamError, SubmitError
from network.ca.hsm import TokenReference, keep_in_token
from network.folders import folder_of
from network.revocation import revoke
from network.roster import add
from tests.contract.harness.ledger import Ledger, refusals
from tests.contract.harness.people import Person, client_valid_until, stranger
from tests.softhsm import tokens


@pytest.mark.parametrize(
    ("user", "unit", "role"), [("client", "client", ""), ("admin", "admin", ""), ("node", "client", "node")]
)
async def test_the_contract_sees_msp_unit_attribute_and_key_of_its_caller(
    ledger: Ledger, user: str, unit: str, role: str
):
    async with ledger.contract("hospital-b", user) as contract:
        seen = json.loads(await contract.evaluate("Creator"))
    certificate = x509.load_pem_x509_certificate(ledger.user("hospital-b", user).cert_pem)
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    del seen["id"]
    assert seen == {
        "msp_id": "HospitalBMSP",
        "units": [unit],
        "role": role,
        "has_role": bool(role),
        "key_hash": hashlib.sha256(key).hexdigest(),
    }


async def test_an_attribute_lets_its_bearer_in_and_nobody_else(ledger: Ledger, key: str):
    async with ledger.contract("hospital-a", "node") as node:
        await node.submit("RequireRole", "node", key)
        assert await node.evaluate("Get", key) == b"node"
    async with ledger.contract("hospital-a", "admin") as admin:
        with pytest.raises(EndorseError) as caught:
            await admin.submit("RequireRole", "node", key, retry=False)
        assert caught.value.chaincode_code == "FL0201"


@pytest.mark.hsm
async def test_a_key_that_never_leaves_its_token_signs_transactions(ledger: Ledger, key: str):
    made, name = tokens(), f"token-{key}".rstrip("-")
    path = folder_of(ledger.run, "hospital-a").user(name) / "msp" / "keystore" / "key.pem"
    keep_in_token(path, TokenReference(made.library, made.labels[0], name, pin_file=str(made.pin_file)))
    add(ledger.consortium, ledger.run, "hospital-a", name, "client")
    assert b"PRIVATE KEY" not in path.read_bytes()
    async with ledger.contract("hospital-a", name) as contract:
        await contract.submit("Put", key, "value")
        assert await contract.evaluate("Get", key) == b"value"


async def assert_turned_away(ledger: Ledger, person: Person, key: str) -> None:
    """Endorse, Evaluate and the streams refuse a person."""
    async with ledger.gateway(identity=person) as gateway:
        contract = ledger.contract_of(gateway)
        with pytest.raises(EndorseError) as endorsed:
            await contract.submit("Put", key, "value", retry=False)
        with pytest.raises(EvaluateError) as evaluated:
            await contract.evaluate("Get", key, retry=False)
        for error in (endorsed.value, evaluated.value):
            assert error.chaincode_code is None
        with pytest.raises(StreamError):
            await anext(gateway.network(ledger.consortium.channel).block_events(start_block=0))


async def test_a_certificate_of_an_unknown_authority_is_refused(ledger: Ledger, tmp_path: Path, key: str):
    await assert_turned_away(ledger, stranger(tmp_path, "HospitalAMSP"), key)


async def test_a_certificate_under_another_organisations_name_is_refused(ledger: Ledger, key: str):
    client = ledger.user("hospital-a")
    person = Identity("HospitalBMSP", client.cert_pem), Signer.from_pem(client.key_pem)
    await assert_turned_away(ledger, person, key)


async def test_a_certificate_of_an_unknown_organisation_is_refused(ledger: Ledger, tmp_path: Path, key: str):
    await assert_turned_away(ledger, stranger(tmp_path, "NobodyMSP"), key)


async def test_what_is_no_certificate_is_refused(ledger: Ledger, key: str):
    signer = Signer.from_pem(ledger.user().key_pem)
    await assert_turned_away(ledger, (Identity("HospitalAMSP", b"not PEM"), signer), key)


async def test_an_expired_certificate_is_refused_at_endorse(ledger: Ledger, key: str):
    person = client_valid_until(ledger, dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1))
    async with ledger.contract(identity=person) as contract:
        with pytest.raises(EndorseError) as caught:
            await contract.submit("Put", key, "value", retry=False)
    assert "expired" in str(caught.value)


async def test_a_certificate_that_expires_after_endorsement_is_refused_at_broadcast(ledger: Ledger, key: str):
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=3)
    async with ledger.contract(identity=client_valid_until(ledger, end)) as contract:
        transaction = await contract.proposal("Put", key, "value").endorse()
        await asyncio.sleep((end - dt.datetime.now(dt.UTC)).total_seconds() + 1)
        with pytest.raises(SubmitError) as caught:
            await transaction.submit()
    assert all("expired" in detail.message for detail in caught.value.details)
    async with ledger.contract() as contract:
        assert await contract.evaluate("Get", key) == b""


async def test_a_revoked_identity_is_refused_everywhere_and_the_others_go_on(ledger: Ledger, key: str):
    name = f"leaver-{key[1:9]}"
    add(ledger.consortium, ledger.run, "hospital-c", name, "client")
    leaver = ledger.user("hospital-c", name)
    person = Identity(leaver.msp_id, leaver.cert_pem), Signer.from_pem(leaver.key_pem)
    async with ledger.gateway("hospital-c", name) as gateway:
        contract = ledger.contract_of(gateway)
        await contract.submit("Put", key, "before")
        transaction = await contract.proposal("Put", key, "after").endorse()
        await asyncio.to_thread(revoke, ledger.consortium, ledger.run, "hospital-c", name)
        with pytest.raises(SubmitError) as caught:
            await until_refused(transaction.submit)
        assert all("FORBIDDEN" in said for said in refusals(caught.value))
    await assert_turned_away(ledger, person, key)
    async with ledger.contract("hospital-c") as contract:
        assert await contract.evaluate("Get", key) == b"before"
        await contract.submit("Put", key, "by another client")


async def until_refused(submit: object) -> None:
    """Every orderer knows of the change a moment after the peer does; the transaction is invalid until then."""
    for _ in range(50):
        commit = await submit()  # type: ignore[operator]
        assert (await commit.status()).code is not ValidationCode.VALID
        await asyncio.sleep(0.1)


async def test_a_stream_of_a_client_whose_signature_is_wrong_is_refused(ledger: Ledger):
    client = ledger.user("hospital-a")
    other = Signer.from_pem(ledger.user("hospital-b").key_pem)
    async with ledger.gateway(identity=(Identity(client.msp_id, client.cert_pem), other)) as gateway:
        network = gateway.network(ledger.consortium.channel)
        for stream in (
            network.block_events(start_block=0),
            network.chaincode_events(ledger.consortium.chaincode.name, start_block=0),
        ):
            with pytest.raises(GatewayError):
                await anext(stream)
