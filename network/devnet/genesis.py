"""The channel's first block: its configuration in the layout that Fabric's configtxgen writes.

Source of the layout: internal/configtxgen/encoder/encoder.go. Policies are those of docs/decisions/0002: members
write and endorse, the regulator reads, a majority of the members' administrators governs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network.devnet import protos as p
from network.devnet.blocks import new_block
from network.devnet.envelopes import TRANSACTIONS_FILTER, channel_header
from network.devnet.groups import ADMINS, capability, group_of, msp_value, put
from network.devnet.ordering import CHANNEL_CAPABILITY, orderer_group
from network.devnet.policy import implicit_policy, role_principal, signature_policy
from network.folders import public_parts, require_channel_block

if TYPE_CHECKING:
    from network.topology import Consortium, Organisation

HASHING_WIDTH = 0xFFFFFFFF
READER_RESOURCES = (  # the default of these is Writers; the regulator may query
    "peer/Propose",
    "_lifecycle/CheckCommitReadiness",
    "_lifecycle/QueryChaincodeDefinition",
    "_lifecycle/QueryChaincodeDefinitions",
)


def genesis_block(consortium: Consortium, run: Path) -> Any:
    """Return block 0 from the public parts of all organisations; its nonce and time are left to chance."""
    config = p.configtx.Config(channel_group=channel_group(consortium, run))
    envelope = p.configtx.ConfigEnvelope(config=config)
    header = channel_header(p.common.CONFIG, consortium.channel)
    signature = p.common.SignatureHeader(nonce=os.urandom(24))
    payload = p.common.Payload(
        header=p.common.Header(
            channel_header=header.SerializeToString(), signature_header=signature.SerializeToString()
        ),
        data=envelope.SerializeToString(deterministic=True),
    )
    block = new_block(0, b"", [p.common.Envelope(payload=payload.SerializeToString()).SerializeToString()])
    block.metadata.metadata[TRANSACTIONS_FILTER] = b"\x00"
    return block


def first_block(folder: Path) -> Any:
    """Return the channel's first block from an organisation's own folder; FL1108 if it is not there."""
    return p.common.Block.FromString(require_channel_block(folder).read_bytes())


def channel_group(consortium: Consortium, run: Path) -> Any:
    """Return the root of the channel's configuration."""
    group = group_of(
        {
            "Readers": implicit_policy("ANY", "Readers"),
            "Writers": implicit_policy("ANY", "Writers"),
            ADMINS: implicit_policy("MAJORITY", ADMINS),
        }
    )
    put(group, "HashingAlgorithm", p.configuration.HashingAlgorithm(name="SHA256"))
    put(group, "BlockDataHashingStructure", p.configuration.BlockDataHashingStructure(width=HASHING_WIDTH))
    put(group, "Capabilities", capability(CHANNEL_CAPABILITY[consortium.ordering]))
    group.groups["Orderer"].CopyFrom(orderer_group(consortium, run))
    group.groups["Application"].CopyFrom(_application_group(consortium, run))
    return group


def application_policies(members: Iterable[str], threshold: int) -> dict[str, Any]:
    """Return the application's policies.

    Args:
        members: MSP ids of the organisations that write, endorse and govern.
        threshold: how many of them must endorse.
    """
    ids = list(members)
    majority = len(ids) // 2 + 1
    writers = [role_principal(msp_id, role) for msp_id in ids for role in ("admin", "client")]
    peers = [role_principal(msp_id, "peer") for msp_id in ids]
    return {
        "Readers": implicit_policy("ANY", "Readers"),
        "Writers": signature_policy(1, writers),
        ADMINS: signature_policy(majority, [role_principal(msp_id, "admin") for msp_id in ids]),
        "Endorsement": signature_policy(threshold, peers),
        "LifecycleEndorsement": signature_policy(majority, peers),
    }


def _application_group(consortium: Consortium, run: Path) -> Any:
    members = [organisation.msp_id for organisation in consortium.members]
    group = group_of(application_policies(members, consortium.threshold))
    put(group, "Capabilities", capability("V2_5"))
    acls = {
        name: p.peer_configuration.APIResource(policy_ref="/Channel/Application/Readers") for name in READER_RESOURCES
    }
    put(group, "ACLs", p.peer_configuration.ACLs(acls=acls))
    for organisation in consortium.peer_organisations:
        group.groups[organisation.msp_id].CopyFrom(
            organisation_group(organisation, public_parts(run, organisation.name).msp)
        )
    return group


def organisation_group(organisation: Organisation, msp: Path) -> Any:
    """Return the group of an organisation with a peer: its MSP from a folder, its policies, where its peer answers."""
    msp_id = organisation.msp_id
    readers = [role_principal(msp_id, role) for role in ("admin", "peer", "client")]
    group = group_of(
        {
            "Readers": signature_policy(1, readers),
            "Writers": signature_policy(1, [role_principal(msp_id, role) for role in ("admin", "client")]),
            ADMINS: signature_policy(1, [role_principal(msp_id, "admin")]),
            "Endorsement": signature_policy(1, [role_principal(msp_id, "peer")]),
        }
    )
    put(group, "MSP", msp_value(msp_id, msp))
    anchors = [p.peer_configuration.AnchorPeer(host=peer.host, port=peer.port) for peer in organisation.peers]
    put(group, "AnchorPeers", p.peer_configuration.AnchorPeers(anchor_peers=anchors))
    return group
