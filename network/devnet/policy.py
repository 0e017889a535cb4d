"""Policies of a channel: signature policies and implicit ones over sub-groups, evaluated as Fabric does.

Sources: common/cauthdsl/cauthdsl.go, common/policies/implicitmeta.go.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from network.devnet import protos as p
from network.devnet.envelopes import parse
from network.devnet.msp import Identity, IdentityError, MspManager

Principal = Callable[[Identity], bool]
_ROLE_NAMES = {
    p.principal.MSPRole.ADMIN: "admin",
    p.principal.MSPRole.CLIENT: "client",
    p.principal.MSPRole.PEER: "peer",
    p.principal.MSPRole.ORDERER: "orderer",
}


class PolicyError(Exception):
    """The signatures do not satisfy the policy."""


@dataclass(frozen=True, slots=True)
class SignedData:
    """A signature with what it signs and who is said to have signed."""

    identity: bytes
    data: bytes
    signature: bytes


def valid_identities(signatures: Iterable[SignedData], members: MspManager) -> list[Identity]:
    """Return the signers whose certificate and signature hold, each once."""
    found: dict[bytes, Identity] = {}
    for signed in signatures:
        if signed.identity in found:
            continue
        try:
            identity = members.identity(signed.identity)
            identity.verify(signed.signature, signed.data)
        except IdentityError:
            continue
        found[signed.identity] = identity
    return list(found.values())


class Policy:
    """Something that a set of valid identities satisfies or not."""

    def evaluate(self, identities: Sequence[Identity]) -> None:
        """Raise PolicyError unless the identities satisfy the policy."""
        raise NotImplementedError

    def satisfied(self, identities: Sequence[Identity]) -> bool:
        """Say whether the identities satisfy the policy."""
        try:
            self.evaluate(identities)
        except PolicyError:
            return False
        return True

    def counts(self, identity: Identity) -> bool:
        """Say whether an identity's signature is one that the policy asks for."""
        del identity
        return False


class RejectPolicy(Policy):
    """Stands where a configuration names a policy that is not there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def evaluate(self, identities: Sequence[Identity]) -> None:
        """Raise PolicyError."""
        del identities
        raise PolicyError(f"No such policy: '{self._name}'")


class SignaturePolicy(Policy):
    """N out of rules, down to principals; one signature counts for one principal."""

    def __init__(self, envelope: Any) -> None:
        self._rule = envelope.rule
        self._principals = [compile_principal(principal) for principal in envelope.identities]

    def evaluate(self, identities: Sequence[Identity]) -> None:
        """Raise PolicyError unless the identities satisfy the policy."""
        if not self._holds(self._rule, identities, [False] * len(identities)):
            raise PolicyError("signature set did not satisfy policy")

    def counts(self, identity: Identity) -> bool:
        """Say whether the identity is one of the policy's principals."""
        return any(is_principal(identity) for is_principal in self._principals)

    def _holds(self, rule: Any, identities: Sequence[Identity], used: list[bool]) -> bool:
        if rule.WhichOneof("Type") == "signed_by":
            return self._signed(self._principals[rule.signed_by], identities, used)
        fulfilled = 0
        for sub_rule in rule.n_out_of.rules:
            attempt = used.copy()
            if self._holds(sub_rule, identities, attempt):
                fulfilled += 1
                used[:] = attempt
        return bool(fulfilled >= rule.n_out_of.n)

    @staticmethod
    def _signed(is_principal: Principal, identities: Sequence[Identity], used: list[bool]) -> bool:
        for index, identity in enumerate(identities):
            if not used[index] and is_principal(identity):
                used[index] = True
                return True
        return False


class ImplicitMetaPolicy(Policy):
    """ANY, ALL or MAJORITY of the sub-groups' policies of one name."""

    def __init__(self, definition: Any, sub_policies: Sequence[Policy]) -> None:
        self._name = definition.sub_policy
        self._policies = sub_policies
        count = len(sub_policies)
        rule = p.policies.ImplicitMetaPolicy
        needed = {rule.ANY: 1, rule.ALL: count, rule.MAJORITY: count // 2 + 1}[definition.rule]
        self._threshold = needed if count else 0

    def evaluate(self, identities: Sequence[Identity]) -> None:
        """Raise PolicyError unless the identities satisfy the policy."""
        fulfilled = 0
        for policy in self._policies:
            if fulfilled >= self._threshold:
                return
            fulfilled += policy.satisfied(identities)
        if fulfilled < self._threshold:
            raise PolicyError(
                f"implicit policy evaluation failed - {fulfilled} sub-policies were satisfied, but this policy "
                f"requires {self._threshold} of the '{self._name}' sub-policies to be satisfied"
            )

    def counts(self, identity: Identity) -> bool:
        """Say whether the identity counts for one of the sub-policies."""
        return any(policy.counts(identity) for policy in self._policies)


def compile_principal(principal: Any) -> Principal:
    """Return the test whether an identity is what an MSPPrincipal describes (msp/mspimpl.go, satisfiesPrincipal).

    Organisation units and combinations, which no policy of ours uses, match nobody.
    """
    kind = principal.principal_classification
    if kind == p.principal.MSPPrincipal.ROLE:
        described = parse(p.principal.MSPRole, principal.principal, "MSPRole")
        msp_id, role = described.msp_identifier, _ROLE_NAMES.get(described.role)
        if described.role == p.principal.MSPRole.MEMBER:
            return lambda identity: identity.msp_id == msp_id
        return lambda identity: identity.msp_id == msp_id and identity.role == role
    if kind == p.principal.MSPPrincipal.IDENTITY:
        named = _certificate(principal.principal)
        return lambda identity: _certificate(identity.serialized) == named
    return lambda _: False


def _certificate(serialized: bytes) -> tuple[str, bytes]:
    identity = parse(p.identities.SerializedIdentity, serialized, "SerializedIdentity")
    return identity.mspid, identity.id_bytes.strip()


class PolicyTree:
    """The policies of a channel configuration by path, such as /Channel/Application/Writers."""

    def __init__(self, root: Any) -> None:
        self._policies: dict[str, Policy] = {}
        self._build("/Channel", root)

    def policy(self, path: str) -> Policy:
        """Return the policy at an absolute path; one that always refuses if there is none."""
        return self._policies.get(path, RejectPolicy(path))

    def __contains__(self, path: str) -> bool:
        return path in self._policies

    def _build(self, path: str, group: Any) -> None:
        for name, sub_group in group.groups.items():
            self._build(f"{path}/{name}", sub_group)
        for name, entry in group.policies.items():
            self._policies[f"{path}/{name}"] = self._compile(path, group, entry.policy)

    def _compile(self, path: str, group: Any, policy: Any) -> Policy:
        if policy.type == p.policies.Policy.SIGNATURE:
            return SignaturePolicy(parse(p.policies.SignaturePolicyEnvelope, policy.value, "SignaturePolicyEnvelope"))
        if policy.type == p.policies.Policy.IMPLICIT_META:
            definition = parse(p.policies.ImplicitMetaPolicy, policy.value, "ImplicitMetaPolicy")
            subs = [self.policy(f"{path}/{name}/{definition.sub_policy}") for name in sorted(group.groups)]
            return ImplicitMetaPolicy(definition, subs)
        return RejectPolicy(f"{path}: unknown policy type {policy.type}")


def role_principal(msp_id: str, role: str) -> Any:
    """Return the principal of an organisation's role: member, admin, client, peer or orderer."""
    value = p.principal.MSPRole(msp_identifier=msp_id, role=p.principal.MSPRole.MSPRoleType.Value(role.upper()))
    return p.principal.MSPPrincipal(
        principal_classification=p.principal.MSPPrincipal.ROLE, principal=value.SerializeToString()
    )


def signature_policy(needed: int, principals: Sequence[Any]) -> Any:
    """Return the policy that any `needed` of the principals sign."""
    rules = [p.policies.SignaturePolicy(signed_by=index) for index in range(len(principals))]
    rule = p.policies.SignaturePolicy(n_out_of=p.policies.SignaturePolicy.NOutOf(n=needed, rules=rules))
    envelope = p.policies.SignaturePolicyEnvelope(rule=rule, identities=principals)
    return p.policies.Policy(type=p.policies.Policy.SIGNATURE, value=envelope.SerializeToString())


def implicit_policy(rule: str, name: str) -> Any:
    """Return the policy ANY, ALL or MAJORITY of the sub-groups' policies of that name."""
    definition = p.policies.ImplicitMetaPolicy(sub_policy=name, rule=p.policies.ImplicitMetaPolicy.Rule.Value(rule))
    return p.policies.Policy(type=p.policies.Policy.IMPLICIT_META, value=definition.SerializeToString())
