"""An organisation joins a running network: real processes, from the vote to its first endorsement."""

import asyncio
from pathlib import Path

import pytest

from gateway import Endpoint, Identity, Signer, connect
from network import identities, processes
from network.bringup import Request, down, up
from network.channel_admin import ChannelAdmin
from network.config_update import compute_update
from network.connection import consortium_of, profile
from network.devnet import genesis
from network.devnet import protos as p
from network.devnet_plan import devnet_plan
from network.places import PlacedYaml
from network.topology import dump_consortium, parse_consortium
from tests.ports import free_ports

pytestmark = pytest.mark.slow
CONTRACT = "./cmd/conformance"


def widened(run: Path):
    """Return the run's consortium with one hospital more, its identities made."""
    document = PlacedYaml.read(run / "consortium.yaml")
    document.value["organisations"].append({"name": "hospital-e", "role": "member"})
    consortium = parse_consortium(document)
    identities.create(consortium, run)
    return consortium


async def admit(run, wider):
    """Add the new hospital to the channel with the signatures of a majority of the members' admins."""
    admin = ChannelAdmin.of(profile(run, "hospital-a", "admin"))
    try:
        config = await admin.config()
        changed = p.configtx.Config()
        changed.CopyFrom(config)
        application = changed.channel_group.groups["Application"]
        newcomer = wider.organisation("hospital-e")
        application.groups[newcomer.msp_id].CopyFrom(genesis.organisation_group(newcomer, run / "identities"))
        members = [member.msp_id for member in wider.members]
        for name, policy in genesis.application_policies(members, wider.threshold).items():
            application.policies[name].policy.CopyFrom(policy)
        update = compute_update(wider.channel, config.channel_group, changed.channel_group)
        signers = [profile(run, name, "admin") for name in ("hospital-a", "hospital-b", "hospital-c")]
        await admin.submit(update, signers, config.sequence)
    finally:
        await admin.transport.close()


def start_newcomer(run, wider, program):
    (run / "consortium.yaml").write_text(dump_consortium(wider))
    (run / "blobs" / "hospital-e").mkdir()
    plan = devnet_plan(wider, run, program)
    for name in ("chaincode-hospital-e", "peer-hospital-e"):
        processes.start(run, plan.process(name))
        processes.wait_ready(run, plan.process(name))
    plan.write(run)  # so that the network is taken down with the newcomer


async def test_a_new_organisation_catches_up_submits_and_endorses(tmp_path):
    run = tmp_path / "run"
    try:
        outcome = up(Request(run, "devnet", base_port=free_ports(), chaincode=CONTRACT), lambda _: None)
        program = Path(outcome.plan.process("chaincode-hospital-a").command[0])
        wider = widened(run)
        await admit(run, wider)
        start_newcomer(run, wider, program)
        user = profile(run, "hospital-e")
        endpoints = [Endpoint(address, root_certificates=root) for address, root in user.peers]
        async with connect(endpoints, Identity(user.msp_id, user.cert_pem), Signer.from_pem(user.key_pem)) as gateway:
            contract = gateway.network(user.channel).contract(user.chaincode)
            await first_answer(contract)
            named = ["HospitalEMSP", "HospitalAMSP", "HospitalBMSP"]
            assert b"1" == await contract.submit("Put", "k", "1", endorsing_organizations=named)
            assert b"1" == await contract.evaluate("Get", "k")
            assert b"HospitalEMSP" == await contract.evaluate("ProcessMSP")
    finally:
        down(run)
    assert consortium_of(run).organisation("hospital-e").role == "member"


async def first_answer(contract):
    """Return once the newcomer's peer has caught up and its chaincode answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await contract.evaluate("ProcessMSP")
            except Exception:  # noqa: BLE001 - whatever is not up yet
                await asyncio.sleep(0.2)
