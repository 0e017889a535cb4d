"""The regulator: it sees everything and changes nothing."""

import asyncio
import json
from pathlib import Path

import pytest
from fabric_protos.peer.lifecycle import lifecycle_pb2

from gateway import Signer, ValidationCode
from gateway.errors import EndorseError, GatewayError, StatusCode, SubmitError
from network.channel_admin import ChannelAdmin, signature_of
from network.config_update import compute_update, with_revocation_list
from network.errors import NetworkError
from network.folders import folder_of
from network.identities import identities_of
from network.roster import certificate_of
from tests.contract.harness.blocks import blocks_up_to, commit_hash, transactions
from tests.contract.harness.ledger import Ledger, refusals
from tests.contract.harness.wire import Endorsed
from tests.waiting import PATIENCE_S

REGULATOR = "regulator"


async def test_the_regulator_receives_every_block_from_genesis(ledger: Ledger, key: str):
    async with ledger.gateway() as member, ledger.gateway(REGULATOR) as regulator:
        commit = await ledger.contract_of(member).submit_async("Put", key, "value")
        last = (await commit.status()).block_number
        ours = await blocks_up_to(member, ledger.consortium.channel, last)
        theirs = await blocks_up_to(regulator, ledger.consortium.channel, last)
    assert [block.header.number for block in theirs] == list(range(last + 1))
    for our, their in zip(ours, theirs, strict=True):
        assert (our.header, our.data) == (their.header, their.data)
        assert [t.code for t in transactions(our)] == [t.code for t in transactions(their)]
        assert commit_hash(our) == commit_hash(their)


async def test_the_regulator_receives_events(ledger: Ledger, key: str):
    async with ledger.contract() as contract, ledger.gateway(REGULATOR) as regulator:
        network = regulator.network(ledger.consortium.channel)
        async with asyncio.timeout(PATIENCE_S), network.chaincode_events(ledger.consortium.chaincode.name) as events:
            await contract.submit("PutWithEvent", key, "value", "Seen", key)
            while (event := await anext(events)).payload != key.encode():
                pass
        assert event.name == "Seen"


@pytest.mark.parametrize("user", ["client", "admin"])
async def test_the_regulator_may_evaluate(ledger: Ledger, key: str, user: str):
    async with ledger.contract() as contract:
        await contract.submit("Put", key, "value", endorsing_organizations=ledger.msp_ids)
        async with ledger.contract(REGULATOR, user) as regulator:
            assert json.loads(await regulator.evaluate("Creator"))["msp_id"] == "RegulatorMSP"
            async with asyncio.timeout(PATIENCE_S):
                while await regulator.evaluate("Get", key) != b"value":  # noqa: ASYNC110  the peer tells nobody
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize("user", ["client", "admin"])
async def test_a_transaction_of_the_regulator_is_refused_by_the_orderers_and_writes_nothing(
    ledger: Ledger, key: str, user: str
):
    async with ledger.contract(REGULATOR, user) as regulator:
        transaction = await regulator.proposal("Put", key, "value", endorsing_organizations=ledger.msp_ids).endorse()
        assert len(Endorsed.of(transaction).endorsements) == len(ledger.members)
        with pytest.raises(SubmitError) as caught:
            await transaction.submit()
    assert all("FORBIDDEN" in said for said in refusals(caught.value))
    async with ledger.contract() as contract:
        await contract.submit("Put", key + "later", "value")
        assert await contract.evaluate("Get", key) == b""


async def test_the_regulators_peer_runs_no_chaincode_and_cannot_be_asked_to_endorse(ledger: Ledger, key: str):
    async with ledger.contract() as contract:
        with pytest.raises(EndorseError):
            await contract.submit(
                "Put", key, "value", endorsing_organizations=[*ledger.msp_ids, "RegulatorMSP"], retry=False
            )
        assert await contract.evaluate("Get", key) == b""


async def test_an_endorsement_signed_by_the_regulators_peer_does_not_count(ledger: Ledger, key: str):
    msp = folder_of(ledger.run, REGULATOR).peer() / "msp"
    async with ledger.gateway() as gateway:
        endorsed = Endorsed.of(await ledger.contract_of(gateway).proposal("Put", key, "value").endorse())
        signer = Signer.from_pem((msp / "keystore/key.pem").read_bytes())
        regulators = endorsed.endorsed_by((msp / "signcerts/cert.pem").read_bytes(), "RegulatorMSP", signer)
        few = endorsed.endorsements[: ledger.threshold - 1]
        commit = await endorsed.with_endorsements([*few, regulators]).transaction(gateway).submit()
        assert (await commit.status()).code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        assert await ledger.contract_of(gateway).evaluate("Get", key) == b""


async def test_the_regulator_cannot_approve_a_chaincode(ledger: Ledger):
    chaincode = ledger.consortium.chaincode
    definition = lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs(
        name=chaincode.name,
        version="9.9",
        sequence=chaincode.sequence + 1,
        endorsement_plugin="escc",
        validation_plugin="vscc",
    )
    async with ledger.gateway(REGULATOR, "admin") as gateway:
        lifecycle = gateway.network(ledger.consortium.channel).contract("_lifecycle")
        with pytest.raises((EndorseError, SubmitError)):
            await lifecycle.submit(
                "ApproveChaincodeDefinitionForMyOrg",
                definition.SerializeToString(),
                endorsing_organizations=["RegulatorMSP"],
                retry=False,
            )


async def test_the_regulator_cannot_change_the_channel(ledger: Ledger, tmp_path: Path):
    regulator = ledger.user(REGULATOR, "admin")
    admin = ChannelAdmin.of(regulator)
    try:
        config = await admin.config()
        victims = identities_of(ledger.consortium, ledger.run, "hospital-d")
        client = certificate_of(ledger.run, "hospital-d", "client")
        forged = victims.signing.revoke(client, tmp_path / "crl.pem")
        changed = with_revocation_list(config, "HospitalDMSP", forged)
        computed = compute_update(ledger.consortium.channel, config.channel_group, changed.channel_group)
        update = computed.SerializeToString()
        with pytest.raises(NetworkError) as caught:
            await admin.submit(update, [signature_of(regulator, update)], config.sequence)
        assert caught.value.code == "FL1061"
        assert (await admin.config()).sequence == config.sequence
    finally:
        await admin.transport.close()
    async with ledger.contract("hospital-d") as contract:
        assert await contract.evaluate("ProcessMSP") == b"HospitalDMSP"


async def test_a_commit_status_is_answered_to_the_regulator(ledger: Ledger, key: str):
    async with ledger.gateway() as member, ledger.gateway(REGULATOR) as regulator:
        transaction = await ledger.contract_of(member).proposal("Put", key, "value").endorse()
        await transaction.submit()
        status = await regulator.new_transaction(transaction.bytes).commit().status()
    assert status.code is ValidationCode.VALID


async def test_a_stranger_cannot_ask_for_a_commit_status(ledger: Ledger, key: str):
    async with ledger.gateway() as member:
        transaction = await ledger.contract_of(member).proposal("Put", key, "value").endorse()
        signer = Signer.from_pem(ledger.user("hospital-b").key_pem)
        commit = await transaction.submit()
        with pytest.raises(GatewayError) as caught:
            await member.new_signed_commit(commit.bytes, signer.sign(commit.digest)).status()
        assert caught.value.code is not StatusCode.DEADLINE_EXCEEDED
