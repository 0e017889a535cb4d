"""The orderers' part of a channel's configuration.

Devnet orders in one process; its channels look like those of Fabric's two kinds of ordering with a single consenter.
Under BFT the consenter is named by its number and certificate, under Raft any orderer of the channel may sign a block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.encoding import serialized_identity
from network.devnet import protos as p
from network.devnet.groups import ADMINS, capability, group_of, msp_value, put
from network.devnet.policy import implicit_policy, role_principal, signature_policy
from network.folders import public_parts

if TYPE_CHECKING:
    from pathlib import Path

    from network.topology import Consortium, Orderer, Organisation

CHANNEL_CAPABILITY = {"bft": "V3_0", "raft": "V2_0"}
MAX_MESSAGES = 100
ABSOLUTE_MAX_BYTES = 10 << 20
PREFERRED_MAX_BYTES = 2 << 20


def orderer_group(consortium: Consortium, run: Path) -> Any:
    """Return the channel's group Orderer."""
    organisation, consenter = consortium.orderers[0]
    known = public_parts(run, organisation.name)
    certificate = known.orderer_certificate(consenter.name).read_bytes()
    tls = known.orderer_tls_certificate(consenter.name).read_bytes()
    raft = consortium.ordering == "raft"
    signers = signature_policy(1, [_identity_principal(organisation.msp_id, certificate)])
    group = group_of(
        {
            "Readers": implicit_policy("ANY", "Readers"),
            "Writers": implicit_policy("ANY", "Writers"),
            ADMINS: implicit_policy("MAJORITY", ADMINS),
            "BlockValidation": implicit_policy("ANY", "Writers") if raft else signers,
        }
    )
    settings = p.orderer_configuration
    size = {"max_message_count": MAX_MESSAGES, "absolute_max_bytes": ABSOLUTE_MAX_BYTES}
    put(group, "BatchSize", settings.BatchSize(preferred_max_bytes=PREFERRED_MAX_BYTES, **size))
    put(group, "BatchTimeout", settings.BatchTimeout(timeout=f"{consortium.batch_interval_ms}ms"))
    put(group, "ChannelRestrictions", settings.ChannelRestrictions())
    put(group, "Capabilities", capability("V2_0"))
    if raft:
        put(group, "ConsensusType", _raft(consenter, tls))
    else:
        put(group, "ConsensusType", _bft(consortium.batch_interval_ms))
        put(group, "Orderers", _consenters(organisation.msp_id, consenter, certificate, tls))
    for each in consortium.orderer_organisations:
        group.groups[each.msp_id].CopyFrom(ordering_organisation(each, public_parts(run, each.name).msp))
    put(group.groups[organisation.msp_id], "Endpoints", p.configuration.OrdererAddresses(addresses=[consenter.address]))
    return group


def ordering_organisation(organisation: Organisation, msp: Path) -> Any:
    """Return the group of an organisation with orderers: its MSP from a folder and policies, without endpoints."""
    msp_id = organisation.msp_id
    member = signature_policy(1, [role_principal(msp_id, "member")])
    group = group_of(
        {
            "Readers": member,
            "Writers": signature_policy(1, [role_principal(msp_id, "orderer")]),
            ADMINS: signature_policy(1, [role_principal(msp_id, "admin")]),
        }
    )
    put(group, "MSP", msp_value(msp_id, msp))
    return group


def _consenters(msp_id: str, consenter: Orderer, certificate: bytes, tls: bytes) -> Any:
    listed = p.configuration.Consenter(
        id=1,
        host=consenter.host,
        port=consenter.port,
        msp_id=msp_id,
        identity=certificate,
        client_tls_cert=tls,
        server_tls_cert=tls,
    )
    return p.configuration.Orderers(consenter_mapping=[listed])


def _bft(interval_ms: int) -> Any:
    options = p.smartbft.Options(
        request_batch_max_count=MAX_MESSAGES,
        request_batch_max_bytes=ABSOLUTE_MAX_BYTES,
        request_batch_max_interval=f"{interval_ms}ms",
        leader_rotation=p.smartbft.Options.Rotation.ROTATION_OFF,
    )
    return p.orderer_configuration.ConsensusType(type="BFT", metadata=options.SerializeToString())


def _raft(consenter: Orderer, tls: bytes) -> Any:
    place = {"host": consenter.host, "port": consenter.port}
    listed = p.etcdraft.Consenter(**place, client_tls_cert=tls, server_tls_cert=tls)
    metadata = p.etcdraft.ConfigMetadata(consenters=[listed]).SerializeToString()
    return p.orderer_configuration.ConsensusType(type="etcdraft", metadata=metadata)


def _identity_principal(msp_id: str, certificate: bytes) -> Any:
    return p.principal.MSPPrincipal(
        principal_classification=p.principal.MSPPrincipal.IDENTITY, principal=serialized_identity(msp_id, certificate)
    )
