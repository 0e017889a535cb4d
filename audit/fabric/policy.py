"""Fabric's policies, evaluated on identities whose signatures hold.

A signature policy counts distinct identities per principal in the order given and uses none twice
(common/cauthdsl in Fabric); an implicit policy counts the groups below whose policy of the same name holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from fabric_protos.peer import policy_pb2

from audit.fabric.msp import ROLES, Identity, IdentityError, MspSet, load
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
    """Return the distinct identities that policies count and whose signatures hold, in the order given."""
    signers: list[Identity] = []
    seen: set[tuple[str, bytes]] = set()
    for item in signed:
        try:
            identity = msps.signer(item.identity)
            counts = not identity.problem or identity.roles  # one that is revoked, unless it is named as an admin
            if counts and identity.key not in seen:
                identity.verify(item.signature, item.message)
                seen.add(identity.key)
                signers.append(identity)
        except IdentityError:
            continue
    return signers


def satisfies(identity: Identity, principal: msp_principal_pb2.MSPPrincipal) -> bool:
    """Whether an identity is what a policy's principal asks for; one that does not parse asks for nobody."""
    kinds = msp_principal_pb2.MSPPrincipal
    tests: dict[int, Callable[[Identity, bytes], bool]] = {
        kinds.ROLE: _has_role,
        kinds.IDENTITY: _is,
        kinds.ORGANIZATION_UNIT: _has_unit,
        kinds.ANONYMITY: _may_be_named,
        kinds.COMBINED: _is_all,
    }
    test = tests.get(principal.principal_classification)
    try:
        return test is not None and test(identity, principal.principal)
    except (WireError, ValueError):
        return False


def _has_role(identity: Identity, raw: bytes) -> bool:
    role = decode(msp_principal_pb2.MSPRole, raw, "role")
    if role.msp_identifier != identity.msp_id:
        return False
    if role.role == msp_principal_pb2.MSPRole.MEMBER:
        return not identity.problem
    return ROLES.get(role.role) in identity.roles


def _is(identity: Identity, raw: bytes) -> bool:
    named = decode(identities_pb2.SerializedIdentity, raw, "identity")
    same = identity.key == (named.mspid, load(named.id_bytes).tbs_certificate_bytes)
    return same and not identity.problem


def _has_unit(identity: Identity, raw: bytes) -> bool:
    unit = decode(msp_principal_pb2.OrganizationUnit, raw, "organisation unit")
    given = (unit.organizational_unit_identifier, unit.certifiers_identifier) in identity.units
    return given and unit.msp_identifier == identity.msp_id and not identity.problem


def _may_be_named(_: Identity, raw: bytes) -> bool:
    kind = decode(msp_principal_pb2.MSPIdentityAnonymity, raw, "anonymity").anonymity_type
    return bool(kind == msp_principal_pb2.MSPIdentityAnonymity.NOMINAL)


def _is_all(identity: Identity, raw: bytes) -> bool:
    parts = decode(msp_principal_pb2.CombinedPrincipal, raw, "combined principal").principals
    return bool(parts) and all(satisfies(identity, part) for part in parts)


def signature_policy_holds(envelope: policies_pb2.SignaturePolicyEnvelope, signers: Sequence[Identity]) -> bool:
    """Whether the signers satisfy a signature policy; raises WireError where the policy is malformed."""
    if envelope.version:
        raise WireError(f"a policy is of version {envelope.version}")
    used = [False] * len(signers)
    return _rule_holds(envelope.rule, envelope.identities, signers, used)


def _rule_holds(
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
            if not used[position] and satisfies(signer, principals[rule.signed_by]):
                used[position] = True
                return True
        return False
    if kind != "n_out_of":
        raise WireError("a policy's rule is empty")
    held = 0
    for inner in rule.n_out_of.rules:
        attempt = used.copy()
        if _rule_holds(inner, principals, signers, attempt):
            held += 1
            used[:] = attempt
    return bool(held >= rule.n_out_of.n)


class ChannelPolicies:
    """The policy tree of one channel configuration.

    A path is absolute, such as "/Channel/Application/Writers", or begins below the channel, as "Application/Writers".
    """

    def __init__(self, root: configtx_pb2.ConfigGroup) -> None:
        self._root = root

    def holds(self, path: str, signers: Sequence[Identity]) -> bool:
        """Whether the policy at a path holds; one that does not exist never does."""
        group, name = self._place(path)
        return group is not None and self._group_holds(group, name, signers)

    def exists(self, path: str) -> bool:
        """Whether the configuration defines a policy at a path."""
        group, name = self._place(path)
        return group is not None and name in group.policies

    def _place(self, path: str) -> tuple[configtx_pb2.ConfigGroup | None, str]:
        """Return the group that a path leads to, None where there is none, and the policy's name."""
        *names, last = path.removeprefix("/Channel/").split("/")
        group = self._root
        for name in names:
            if name not in group.groups:
                return None, last
            group = group.groups[name]
        return group, last

    def _group_holds(self, group: configtx_pb2.ConfigGroup, name: str, signers: Sequence[Identity]) -> bool:
        if name not in group.policies:
            return False
        policy = group.policies[name].policy
        if policy.type == policies_pb2.Policy.SIGNATURE:
            envelope = decode(policies_pb2.SignaturePolicyEnvelope, policy.value, "signature policy")
            return signature_policy_holds(envelope, signers)
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


def application_policy_holds(policies: ChannelPolicies, raw: bytes, signers: Sequence[Identity]) -> bool:
    """Whether a chaincode's endorsement policy (ApplicationPolicy bytes) holds; raises WireError."""
    policy = decode(policy_pb2.ApplicationPolicy, raw, "endorsement policy")
    kind = policy.WhichOneof("Type")
    if kind == "signature_policy":
        return signature_policy_holds(policy.signature_policy, signers)
    if kind == "channel_config_policy_reference":
        return policies.holds(policy.channel_config_policy_reference, signers)
    raise WireError("an endorsement policy is empty")
