"""What a channel's configuration says of its members, and the policies that name them; no input or output."""

from collections.abc import Sequence
from typing import Any

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import msp_principal_pb2

from network.devnet.genesis import application_policies

APPLICATION = "Application"
ORDERER = "Orderer"
ADMINS = "Admins"
ENDORSEMENT = "Endorsement"


def copy_of(config: Any) -> Any:
    """Return a Config to be changed."""
    copied = configtx_pb2.Config()
    copied.CopyFrom(config)
    return copied


def organisations(config: Any) -> dict[str, list[str]]:
    """Return every organisation's MSP id with the parts of the configuration that it stands in."""
    found: dict[str, list[str]] = {}
    for part in (APPLICATION, ORDERER):
        for msp_id in sorted(config.channel_group.groups[part].groups):
            found.setdefault(msp_id, []).append(part)
    return found


def members(config: Any) -> list[str]:
    """Return the MSP ids of the organisations that govern, write and endorse, in the order of the policy."""
    return [role.msp_identifier for role in map(_role, _policy(config, ADMINS).identities)]


def endorsers_needed(config: Any) -> int:
    """Return how many members must endorse."""
    return int(_policy(config, ENDORSEMENT).rule.n_out_of.n)


def role_of(config: Any, msp_id: str) -> str:
    """Return member, regulator or orderer; KeyError where the channel has no such organisation."""
    parts = organisations(config)[msp_id]
    if APPLICATION not in parts:
        return "orderer"
    return "member" if msp_id in members(config) else "regulator"


def name_members(config: Any, msp_ids: Sequence[str], endorsement: int) -> None:
    """Write the policies anew that name the members; `endorsement` of them must endorse."""
    policies = config.channel_group.groups[APPLICATION].policies
    for name, policy in application_policies(msp_ids, endorsement).items():
        policies[name].policy.CopyFrom(policy)


def _policy(config: Any, name: str) -> Any:
    return policies_pb2.SignaturePolicyEnvelope.FromString(
        config.channel_group.groups[APPLICATION].policies[name].policy.value
    )


def _role(principal: Any) -> Any:
    return msp_principal_pb2.MSPRole.FromString(principal.principal)
