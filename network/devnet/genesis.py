"""The channel's first block: its configuration in the layout that Fabric's configtxgen writes.

Source of the layout: internal/configtxgen/encoder/encoder.go. Policies are those of docs/decisions/0002: members
write and endorse, the regulator reads, a majority of the members' administrators governs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gateway.encoding import serialized_identity
from network.devnet import protos as p
from network.devnet.blocks import new_block
from network.devnet.envelopes import TRANSACTIONS_FILTER, channel_header
from network.devnet.msp import ROLES
from network.devnet.policy import implicit_policy, role_principal, signature_policy

if TYPE_CHECKING:
    from network.topology import Consortium, Organisation

ADMINS = "Admins"
MAX_MESSAGES = 100
ABSOLUTE_MAX_BYTES = 10 << 20
PREFERRED_MAX_BYTES = 2 << 20
HASHING_WIDTH = 0xFFFFFFFF
READER_RESOURCES = (  # the default of these is Writers; the regulator may query
    "peer/Propose",
    "_lifecycle/CheckCommitReadiness",
    "_lifecycle/QueryChaincodeDefinition",
    "_lifecycle/QueryChaincodeDefinitions",
)


def genesis_block(consortium: Consortium, run: Path) -> Any:
    """Return block 0 of a consortium whose identities lie in a run folder."""
    config = p.configtx.Config(channel_group=channel_group(consortium, run / "identities"))
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


def load_or_create(consortium: Consortium, run: Path) -> Any:
    """Return the genesis block of a run folder; the first process to come writes it, all others read the same."""
    path = run / "data" / "genesis.block"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f".genesis.{os.getpid()}")
        own.write_bytes(genesis_block(consortium, run).SerializeToString())
        try:
            os.link(own, path)  # fails where another process was first, and never shows half a file
        except FileExistsError:
            pass
        finally:
            own.unlink()
    return p.common.Block.FromString(path.read_bytes())


def channel_group(consortium: Consortium, identities: Path) -> Any:
    """Return the root of the channel's configuration."""
    group = _group(
        {
            "Readers": implicit_policy("ANY", "Readers"),
            "Writers": implicit_policy("ANY", "Writers"),
            ADMINS: implicit_policy("MAJORITY", ADMINS),
        }
    )
    _set(group, "HashingAlgorithm", p.configuration.HashingAlgorithm(name="SHA256"))
    _set(group, "BlockDataHashingStructure", p.configuration.BlockDataHashingStructure(width=HASHING_WIDTH))
    _set(group, "Capabilities", _capability("V3_0"))
    group.groups["Orderer"].CopyFrom(_orderer_group(consortium, identities))
    group.groups["Application"].CopyFrom(_application_group(consortium, identities))
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


def _application_group(consortium: Consortium, identities: Path) -> Any:
    members = [organisation.msp_id for organisation in consortium.members]
    group = _group(application_policies(members, consortium.threshold))
    _set(group, "Capabilities", _capability("V2_5"))
    acls = {
        name: p.peer_configuration.APIResource(policy_ref="/Channel/Application/Readers") for name in READER_RESOURCES
    }
    _set(group, "ACLs", p.peer_configuration.ACLs(acls=acls))
    for organisation in consortium.peer_organisations:
        group.groups[organisation.msp_id].CopyFrom(organisation_group(organisation, identities))
    return group


def organisation_group(organisation: Organisation, identities: Path) -> Any:
    """Return the group of an organisation with a peer: its MSP, its policies, where its peer answers."""
    msp_id = organisation.msp_id
    readers = [role_principal(msp_id, role) for role in ("admin", "peer", "client")]
    group = _group(
        {
            "Readers": signature_policy(1, readers),
            "Writers": signature_policy(1, [role_principal(msp_id, role) for role in ("admin", "client")]),
            ADMINS: signature_policy(1, [role_principal(msp_id, "admin")]),
            "Endorsement": signature_policy(1, [role_principal(msp_id, "peer")]),
        }
    )
    _set(group, "MSP", msp_value(msp_id, identities / organisation.name / "msp"))
    anchors = [p.peer_configuration.AnchorPeer(host=peer.host, port=peer.port) for peer in organisation.peers]
    _set(group, "AnchorPeers", p.peer_configuration.AnchorPeers(anchor_peers=anchors))
    return group


def _orderer_group(consortium: Consortium, identities: Path) -> Any:
    organisation = consortium.orderer_org
    consenter = organisation.orderers[0]  # devnet orders in one process: a consenter set of one
    folder = identities / organisation.name / "orderers" / consenter.name
    certificate = (folder / "msp" / "signcerts" / "cert.pem").read_bytes()
    policies = {
        "Readers": implicit_policy("ANY", "Readers"),
        "Writers": implicit_policy("ANY", "Writers"),
        ADMINS: implicit_policy("MAJORITY", ADMINS),
        "BlockValidation": signature_policy(1, [_identity_principal(organisation.msp_id, certificate)]),
    }
    group = _group(policies)
    settings = p.orderer_configuration
    size = {"max_message_count": MAX_MESSAGES, "absolute_max_bytes": ABSOLUTE_MAX_BYTES}
    _set(group, "BatchSize", settings.BatchSize(preferred_max_bytes=PREFERRED_MAX_BYTES, **size))
    _set(group, "BatchTimeout", settings.BatchTimeout(timeout=f"{consortium.batch_interval_ms}ms"))
    _set(group, "ChannelRestrictions", settings.ChannelRestrictions())
    _set(group, "Capabilities", _capability("V2_0"))
    _set(group, "ConsensusType", _consensus(consortium.batch_interval_ms))
    tls = (folder / "tls" / "server.crt").read_bytes()
    listed = p.configuration.Consenter(
        id=1,
        host=consenter.host,
        port=consenter.port,
        msp_id=organisation.msp_id,
        identity=certificate,
        client_tls_cert=tls,
        server_tls_cert=tls,
    )
    _set(group, "Orderers", p.configuration.Orderers(consenter_mapping=[listed]))
    group.groups[organisation.msp_id].CopyFrom(_ordering_organisation(organisation, consenter.address, identities))
    return group


def _ordering_organisation(organisation: Organisation, address: str, identities: Path) -> Any:
    msp_id = organisation.msp_id
    member = signature_policy(1, [role_principal(msp_id, "member")])
    group = _group(
        {"Readers": member, "Writers": member, ADMINS: signature_policy(1, [role_principal(msp_id, "admin")])}
    )
    _set(group, "MSP", msp_value(msp_id, identities / organisation.name / "msp"))
    _set(group, "Endpoints", p.configuration.OrdererAddresses(addresses=[address]))
    return group


def _consensus(interval_ms: int) -> Any:
    options = p.smartbft.Options(
        request_batch_max_count=MAX_MESSAGES,
        request_batch_max_bytes=ABSOLUTE_MAX_BYTES,
        request_batch_max_interval=f"{interval_ms}ms",
        leader_rotation=p.smartbft.Options.Rotation.ROTATION_OFF,
    )
    return p.orderer_configuration.ConsensusType(type="BFT", metadata=options.SerializeToString())


def msp_value(msp_id: str, folder: Path) -> Any:
    """Return an organisation's MSP as its channel configuration holds it, from its MSP folder (msp/configbuilder.go).

    Folders cacerts, intermediatecerts, admincerts, crls, tlscacerts, tlsintermediatecerts and config.yaml (NodeOUs).
    """
    units = yaml.safe_load((folder / "config.yaml").read_text())["NodeOUs"]
    node_units = p.msp_config.FabricNodeOUs(enable=bool(units["Enable"]))
    for role in ROLES:
        entry = units.get(f"{role.capitalize()}OUIdentifier")
        if entry:
            target = getattr(node_units, f"{role}_ou_identifier")
            target.organizational_unit_identifier = entry["OrganizationalUnitIdentifier"]
            if entry.get("Certificate"):
                target.certificate = (folder / entry["Certificate"]).read_bytes()
    config = p.msp_config.FabricMSPConfig(
        name=msp_id,
        root_certs=_files(folder / "cacerts"),
        intermediate_certs=_files(folder / "intermediatecerts"),
        admins=_files(folder / "admincerts"),
        revocation_list=_files(folder / "crls"),
        crypto_config=p.msp_config.FabricCryptoConfig(
            signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
        ),
        tls_root_certs=_files(folder / "tlscacerts"),
        tls_intermediate_certs=_files(folder / "tlsintermediatecerts"),
        fabric_node_ous=node_units,
    )
    return p.msp_config.MSPConfig(config=config.SerializeToString())


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _identity_principal(msp_id: str, certificate: bytes) -> Any:
    return p.principal.MSPPrincipal(
        principal_classification=p.principal.MSPPrincipal.IDENTITY, principal=serialized_identity(msp_id, certificate)
    )


def _group(policies: Mapping[str, Any]) -> Any:
    group = p.configtx.ConfigGroup(mod_policy=ADMINS)
    for name, policy in policies.items():
        group.policies[name].CopyFrom(p.configtx.ConfigPolicy(policy=policy, mod_policy=ADMINS))
    return group


def _set(group: Any, name: str, message: Any) -> None:
    value = message.SerializeToString(deterministic=True)
    group.values[name].CopyFrom(p.configtx.ConfigValue(value=value, mod_policy=ADMINS))


def _capability(name: str) -> Any:
    return p.configuration.Capabilities(capabilities={name: p.configuration.Capability()})
