"""Changes of a channel's configuration that the command line does not offer."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2, msp_principal_pb2

from network.channel_admin import ChannelAdmin, signature_of
from network.config_update import compute_update
from tests.contract.harness.ledger import Ledger


@asynccontextmanager
async def admin_of(ledger: Ledger, organisation: str) -> AsyncIterator[ChannelAdmin]:
    """The admin of an organisation at its own peer."""
    admin = ChannelAdmin.of(ledger.user(organisation, "admin"))
    try:
        yield admin
    finally:
        await admin.transport.close()


async def change(ledger: Ledger, config: Any, changed: Any, signers: Sequence[str], sender: str = "hospital-a") -> None:
    """Send the update from one Config to another, signed by the admins of some organisations, and wait for it."""
    update = compute_update(ledger.consortium.channel, config.channel_group, changed.channel_group).SerializeToString()
    async with admin_of(ledger, sender) as admin:
        signatures = [signature_of(ledger.user(signer, "admin"), update) for signer in signers]
        await admin.submit(update, signatures, config.sequence)


def copy_of(config: Any) -> Any:
    """A Config to be changed."""
    copied = configtx_pb2.Config()
    copied.CopyFrom(config)
    return copied


def with_organisation(config: Any, like: str, msp_id: str, authority: bytes, tls_authority: bytes) -> Any:
    """A Config with one more application organisation, whose policies are those of another one."""
    changed = copy_of(config)
    organisations = changed.channel_group.groups["Application"].groups
    added = organisations[msp_id]
    added.CopyFrom(organisations[like])
    outer = msp_config_pb2.MSPConfig.FromString(added.values["MSP"].value)
    inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
    inner.name = msp_id
    inner.root_certs[:] = [authority]
    inner.tls_root_certs[:] = [tls_authority]
    inner.revocation_list[:] = []
    units = inner.fabric_node_ous
    for unit in (
        units.client_ou_identifier,
        units.peer_ou_identifier,
        units.admin_ou_identifier,
        units.orderer_ou_identifier,
    ):
        unit.certificate = authority
    outer.config = inner.SerializeToString(deterministic=True)
    added.values["MSP"].value = outer.SerializeToString(deterministic=True)
    if "AnchorPeers" in added.values:
        del added.values["AnchorPeers"]
    for policy in added.policies.values():
        envelope = policies_pb2.SignaturePolicyEnvelope.FromString(policy.policy.value)
        for identity in envelope.identities:
            role = msp_principal_pb2.MSPRole.FromString(identity.principal)
            role.msp_identifier = msp_id
            identity.principal = role.SerializeToString()
        policy.policy.value = envelope.SerializeToString(deterministic=True)
    return changed
