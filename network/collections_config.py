"""Collections of private data, from the fields of Fabric's collections files to the message in a definition."""

from collections.abc import Iterable, Mapping
from typing import Any

from fabric_protos.peer import collection_pb2

from network.policy_text import parse_policy


def collections_package(collections: Iterable[Mapping[str, Any]]) -> Any:
    """Return the CollectionConfigPackage of collections that were checked (network/contracts.py)."""
    configs = [collection_pb2.CollectionConfig(static_collection_config=_static(entry)) for entry in collections]
    return collection_pb2.CollectionConfigPackage(config=configs)


def _static(entry: Mapping[str, Any]) -> Any:
    config = collection_pb2.StaticCollectionConfig(
        name=entry["name"],
        required_peer_count=entry.get("requiredPeerCount", 0),
        maximum_peer_count=entry.get("maxPeerCount", 1),
        block_to_live=entry.get("blockToLive", 0),
        member_only_read=entry.get("memberOnlyRead", False),
        member_only_write=entry.get("memberOnlyWrite", False),
    )
    config.member_orgs_policy.signature_policy.CopyFrom(parse_policy(entry["policy"]))
    endorsement = entry.get("endorsementPolicy") or {}
    if endorsement.get("signaturePolicy"):
        config.endorsement_policy.signature_policy.CopyFrom(parse_policy(endorsement["signaturePolicy"]))
    elif endorsement.get("channelConfigPolicy"):
        config.endorsement_policy.channel_config_policy_reference = endorsement["channelConfigPolicy"]
    return config
