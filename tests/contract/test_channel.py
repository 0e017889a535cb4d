"""The channel's configuration: who may change it, and that a change holds from its block on."""

from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2

from gateway import Identity, Signer
from gateway.errors import StreamError, SubmitError
from network.ca.builtin import Authority
from network.ca.interface import issue
from network.ca.subject import Subject
from network.channel_admin import config_of
from network.config_update import with_revocation_list
from network.errors import NetworkError
from network.folders import folder_of
from network.roster import certificate_of
from tests.contract.harness.blocks import block_of, blocks_up_to, transactions
from tests.contract.harness.channel import admin_of, change, copy_of, with_organisation
from tests.contract.harness.ledger import Ledger, refusals
from tests.contract.harness.people import Person


async def config_now(ledger: Ledger) -> Any:
    async with admin_of(ledger, "hospital-a") as admin:
        return await admin.config()


async def assert_refused(ledger: Ledger, changed: Any, signers: list[str]) -> str:
    """The orderers refuse a change, and the configuration stays as it is; return what they said."""
    config = await config_now(ledger)
    with pytest.raises(NetworkError) as caught:
        await change(ledger, config, changed, signers)
    assert caught.value.code == "FL1061"
    assert await config_now(ledger) == config
    return str(caught.value)


def revoking(ledger: Ledger, config: Any, folder: Path) -> Any:
    """A Config in which hospital-d has revoked its client."""
    authority = Authority(folder_of(ledger.run, "hospital-d").secrets / "ca")
    listed = authority.revoke(certificate_of(ledger.run, "hospital-d", "client"), folder / "crl.pem")
    return with_revocation_list(config, "HospitalDMSP", listed)


async def test_an_organisation_cannot_revoke_for_another(own_ledger: Ledger, tmp_path: Path):
    changed = revoking(own_ledger, await config_now(own_ledger), tmp_path)
    said = await assert_refused(own_ledger, changed, ["hospital-a", "hospital-b", "hospital-c"])
    assert "not satisfied" in said


async def test_too_few_members_cannot_add_an_organisation(own_ledger: Ledger, tmp_path: Path):
    config = await config_now(own_ledger)
    members = own_ledger.members[: own_ledger.threshold - 1]
    await assert_refused(own_ledger, newcomers(config, tmp_path), members)


async def test_the_regulators_signature_does_not_complete_a_majority(own_ledger: Ledger, tmp_path: Path):
    config = await config_now(own_ledger)
    members = own_ledger.members[: own_ledger.threshold - 1]
    await assert_refused(own_ledger, newcomers(config, tmp_path), [*members, "regulator"])


async def test_an_update_from_an_old_configuration_is_refused(own_ledger: Ledger, tmp_path: Path):
    config = await config_now(own_ledger)
    old = copy_of(config)
    old.channel_group.groups["Application"].groups["HospitalDMSP"].values["MSP"].version += 1
    with pytest.raises(NetworkError) as caught:
        await change(own_ledger, old, revoking(own_ledger, old, tmp_path), ["hospital-d"])
    assert caught.value.code == "FL1061"
    assert await config_now(own_ledger) == config


def newcomers(config: Any, folder: Path) -> Any:
    """A Config with one more organisation that reads."""
    authority = Authority.create(folder / "ca", "newcomer", "ca.newcomer")
    tls = Authority.create(folder / "tlsca", "newcomer", "tlsca.newcomer")
    return with_organisation(config, "RegulatorMSP", "NewcomerMSP", authority.certificate_pem, tls.certificate_pem)


def newcomer(folder: Path) -> Person:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    issue(Authority(folder / "ca"), Subject("client.newcomer", unit="client"), key, certificate)
    return Identity("NewcomerMSP", certificate.read_bytes()), Signer.from_pem(key.read_bytes())


async def until_everywhere(ledger: Ledger, key: str) -> None:
    """Every member's peer has what was committed so far."""
    async with ledger.contract() as contract:
        commit = await contract.submit_async("Put", key + "later", "value")
        number = (await commit.status()).block_number
    for member in ledger.members:
        async with ledger.gateway(member) as gateway:
            await block_of(gateway, ledger.consortium.channel, number)


async def test_an_organisation_that_a_majority_added_reads_from_then_on_and_does_not_write(
    own_ledger: Ledger, tmp_path: Path, key: str
):
    config = await config_now(own_ledger)
    changed = newcomers(config, tmp_path)
    async with own_ledger.gateway(identity=newcomer(tmp_path)) as gateway:
        network = gateway.network(own_ledger.consortium.channel)
        with pytest.raises(StreamError):
            await anext(network.block_events(start_block=0))
        await change(own_ledger, config, changed, own_ledger.members[: own_ledger.threshold])
        await until_everywhere(own_ledger, key)
        assert (await anext(network.block_events(start_block=0))).header.number == 0
        contract = own_ledger.contract_of(gateway)
        assert await contract.evaluate("ProcessMSP") == b"HospitalAMSP"
        transaction = await contract.proposal("Put", key, "x", endorsing_organizations=own_ledger.msp_ids).endorse()
        with pytest.raises(SubmitError) as caught:
            await transaction.submit()
        assert all("FORBIDDEN" in said for said in refusals(caught.value))


async def test_a_change_is_a_block_of_its_own_that_later_blocks_point_to(own_ledger: Ledger, tmp_path: Path, key: str):
    config = await config_now(own_ledger)
    await change(own_ledger, config, revoking(own_ledger, config, tmp_path), ["hospital-d"])
    async with own_ledger.gateway("hospital-b") as gateway:
        commit = await own_ledger.contract_of(gateway).submit_async("Put", key, "value")
        last = (await commit.status()).block_number
        blocks = await blocks_up_to(gateway, own_ledger.consortium.channel, last)
    (number,) = [b.header.number for b in blocks if is_config(b) and config_of(b).sequence == config.sequence + 1]
    assert len(transactions(blocks[number])) == 1
    async with own_ledger.gateway("regulator") as gateway:
        newest = await block_of(gateway, own_ledger.consortium.channel, last)
    signatures = common_pb2.Metadata.FromString(newest.metadata.metadata[common_pb2.BlockMetadataIndex.SIGNATURES])
    assert common_pb2.OrdererBlockMetadata.FromString(signatures.value).last_config.index == number


def is_config(block: Any) -> bool:
    return [t.kind for t in transactions(block)] == [common_pb2.HeaderType.CONFIG]
