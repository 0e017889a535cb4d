"""Fabric's policies, evaluated on identities whose signatures hold.

A signature policy counts distinct identities per principal in the order given and uses none twice
(common/cauthdsl in Fabric); an implicit policy counts the groups below whose policy of the same name holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import policy_pb2

from audit.fabric.msp import ROLES, Identity, IdentityError, MspSet
from audit.fabric.wire import WireError, decode

APPLICATION_ENDORSEMENT = "/Channel/Application/Endorsement"
LIFECYCLE_ENDORSEMENT = "/Channel/Application/LifecycleEndorsement"


@dataclass(frozen=True)
class SignedBytes:
    """A message, who is said to have signed it and the signature."""

    identity: bytes
    message: bytes
    signature: bytes


def valid_signers(msps: MspSet, signed: Sequence[SignedBytes]) -> list[Identity]:
    """Return the distinct valid identities whose signatures hold, in the order given."""
    signers: list[Identity] = []
    seen: set[tuple[str, bytes]] = set()
    for item in signed:
        try:
            identity = msps.identity(item.identity)
            if identity.key not in seen:
                identity.verify(item.signature, item.message)
                seen.add(identity.key)
                signers.append(identity)
        except IdentityError:
            continue
    return signers


def satisfies(msps: MspSet, identity: Identity, principal: msp_principal_pb2.MSPPrincipal) -> bool:
    """Whether an identity is what a policy's principal asks for; unknown kinds of principal raise WireError."""
    kind = principal.principal_classification
    if kind == msp_principal_pb2.MSPPrincipal.ROLE:
        role = decode(msp_principal_pb2.MSPRole, principal.principal, "role")
        if role.msp_identifier != identity.msp_id:
            return False
        return role.role == msp_principal_pb2.MSPRole.MEMBER or ROLES.get(role.role) in identity.roles
    if kind == msp_principal_pb2.MSPPrincipal.IDENTITY:
        try:
            return msps.identity(principal.principal).key == identity.key
        except IdentityError:
            return False
    if kind == msp_principal_pb2.MSPPrincipal.ORGANIZATION_UNIT:
        unit = decode(msp_principal_pb2.OrganizationUnit, principal.principal, "organisation unit")
        return unit.msp_identifier == identity.msp_id and unit.organizational_unit_identifier in identity.units
    raise WireError(f"principals of kind {kind} are not supported")


def signature_policy_holds(
    msps: MspSet, envelope: policies_pb2.SignaturePolicyEnvelope, signers: Sequence[Identity]
) -> bool:
    """Whether the signers satisfy a signature policy; raises WireError where the policy is malformed."""
    used = [False] * len(signers)
    return _rule_holds(msps, envelope.rule, envelope.identities, signers, used)


def _rule_holds(
    msps: MspSet,
    rule: policies_pb2.SignaturePolicy,
    principals: Sequence[msp_principal_pb2.MSPPrincipal],
    signers: Sequence[Identity],
    used: list[bool],
) -> bool:
    kind = rule.WhichOneof("Type")
    if kind == "signed_by":
        if not 0 <= rule.signed_by < len(principals):
            raise WireError(f"a policy refers to principal {rule.signed_by} of {len(principals)}")
        for position, signer in enumerate(signers):
            if not used[position] and satisfies(msps, signer, principals[rule.signed_by]):
                used[position] = True
                return True
        return False
    if kind != "n_out_of":
        raise WireError("a policy's rule is empty")
    held = 0
    for inner in rule.n_out_of.rules:
        attempt = used.copy()
        if _rule_holds(msps, inner, principals, signers, attempt):
            held += 1
            used[:] = attempt
    return bool(held >= rule.n_out_of.n)


class ChannelPolicies:
    """The policy tree of one channel configuration; paths look like "/Channel/Application/Writers"."""

    def __init__(self, root: configtx_pb2.ConfigGroup, msps: MspSet) -> None:
        self._root, self._msps = root, msps

    def holds(self, path: str, signers: Sequence[Identity]) -> bool:
        """Whether the policy at an absolute path holds; one that does not exist never does."""
        parts = path.strip("/").split("/")
        if parts[0] != "Channel":
            return False
        group = self._root
        for name in parts[1:-1]:
            if name not in group.groups:
                return False
            group = group.groups[name]
        return self._group_holds(group, parts[-1], signers)

    def exists(self, path: str) -> bool:
        """Whether the configuration defines a policy at an absolute path."""
        parts = path.strip("/").split("/")
        group = self._root
        for name in parts[1:-1]:
            if name not in group.groups:
                return False
            group = group.groups[name]
        return parts[-1] in group.policies

    def _group_holds(self, group: configtx_pb2.ConfigGroup, name: str, signers: Sequence[Identity]) -> bool:
        if name not in group.policies:
            return False
        policy = group.policies[name].policy
        if policy.type == policies_pb2.Policy.SIGNATURE:
            envelope = decode(policies_pb2.SignaturePolicyEnvelope, policy.value, "signature policy")
            return signature_policy_holds(self._msps, envelope, signers)
        if policy.type == policies_pb2.Policy.IMPLICIT_META:
            meta = decode(policies_pb2.ImplicitMetaPolicy, policy.value, "implicit policy")
            return self._implicit_holds(group, meta, signers)
        raise WireError(f"policy {name} is of unknown type {policy.type}")

    def _implicit_holds(
        self, group: configtx_pb2.ConfigGroup, meta: policies_pb2.ImplicitMetaPolicy, signers: Sequence[Identity]
    ) -> bool:
        total = len(group.groups)
        need = {policies_pb2.ImplicitMetaPolicy.ANY: 1, policies_pb2.ImplicitMetaPolicy.ALL: total}.get(
            meta.rule, total // 2 + 1
        )
        held = 0
        for name in sorted(group.groups):
            held += self._group_holds(group.groups[name], meta.sub_policy, signers)
            if held >= need:
                return True
        return total == 0


def application_policy_holds(policies: ChannelPolicies, msps: MspSet, raw: bytes, signers: Sequence[Identity]) -> bool:
    """Whether a chaincode's endorsement policy (ApplicationPolicy bytes) holds; raises WireError."""
    policy = decode(policy_pb2.ApplicationPolicy, raw, "endorsement policy")
    kind = policy.WhichOneof("Type")
    if kind == "signature_policy":
        return signature_policy_holds(msps, policy.signature_policy, signers)
    if kind == "channel_config_policy_reference":
        return policies.holds(policy.channel_config_policy_reference, signers)
    raise WireError("an endorsement policy is empty")
