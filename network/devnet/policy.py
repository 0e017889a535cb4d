"""Policies of a channel: signature policies and implicit ones over sub-groups, evaluated as Fabric does.

Sources: common/cauthdsl/cauthdsl.go, common/policies/implicitmeta.go.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from gateway.encoding import pem_content
from network.devnet import protos as p
from network.devnet.envelopes import MalformedError, parse
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
    """Return the signers whose signature holds, each certificate once (policies.SignatureSetToValidIdentities)."""
    found: dict[tuple[str, bytes], Identity] = {}
    for signed in signatures:
        try:
            identity = members.signer(signed.identity)
            if identity.key not in found:
                identity.verify(signed.signature, signed.data)
                found[identity.key] = identity
        except IdentityError:
            continue
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
    """N out of rules, down to principals; one signature counts for one principal. MalformedError if it is none."""

    def __init__(self, envelope: Any) -> None:
        if envelope.version:
            raise MalformedError(f"signature policies of version {envelope.version} are not understood")
        _check_rule(envelope.rule, len(envelope.identities))
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
        needed = {rule.ANY: 1, rule.ALL: count, rule.MAJORITY: count // 2 + 1}[
            definition.rule
        ]  # KeyError: no such rule
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


def _check_rule(rule: Any, principals: int) -> None:
    kind = rule.WhichOneof("Type")
    if kind == "signed_by":
        if not 0 <= rule.signed_by < principals:
            raise MalformedError(f"identity index out of range, requested {rule.signed_by} of {principals}")
    elif kind == "n_out_of":
        for inner in rule.n_out_of.rules:
            _check_rule(inner, principals)
    else:
        raise MalformedError("a policy's rule is empty")


def compile_principal(principal: Any) -> Principal:
    """Return the test whether an identity is what an MSPPrincipal describes (msp/mspimpl.go, SatisfiesPrincipal).

    What cannot be read matches nobody.
    """
    kinds = p.principal.MSPPrincipal
    compilers: dict[int, Callable[[bytes], Principal]] = {
        kinds.ROLE: _role,
        kinds.IDENTITY: _named,
        kinds.ORGANIZATION_UNIT: _unit,
        kinds.ANONYMITY: _anonymity,
        kinds.COMBINED: _combined,
    }
    try:
        return compilers[principal.principal_classification](principal.principal)
    except (KeyError, ValueError):
        return _nobody


def _nobody(_: Identity) -> bool:
    return False


def _role(raw: bytes) -> Principal:
    described = parse(p.principal.MSPRole, raw, "MSPRole")
    msp_id, role = described.msp_identifier, _ROLE_NAMES.get(described.role, "")
    if described.role == p.principal.MSPRole.MEMBER:
        return lambda identity: identity.msp_id == msp_id and not identity.invalid
    return lambda identity: identity.msp_id == msp_id and role in identity.roles


def _named(raw: bytes) -> Principal:
    named = parse(p.identities.SerializedIdentity, raw, "SerializedIdentity")
    certificate = x509.load_der_x509_certificate(pem_content(named.id_bytes))
    key = named.mspid, certificate.tbs_certificate_bytes
    return lambda identity: identity.key == key and not identity.invalid


def _unit(raw: bytes) -> Principal:
    described = parse(p.principal.OrganizationUnit, raw, "OrganizationUnit")
    msp_id = described.msp_identifier
    unit = described.organizational_unit_identifier, described.certifiers_identifier
    return lambda identity: identity.msp_id == msp_id and unit in identity.units and not identity.invalid


def _anonymity(raw: bytes) -> Principal:
    described = parse(p.principal.MSPIdentityAnonymity, raw, "MSPIdentityAnonymity")
    nominal = described.anonymity_type == p.principal.MSPIdentityAnonymity.NOMINAL
    return lambda _: bool(nominal)


def _combined(raw: bytes) -> Principal:
    described = parse(p.principal.CombinedPrincipal, raw, "CombinedPrincipal")
    parts = [compile_principal(each) for each in described.principals]
    return lambda identity: bool(parts) and all(part(identity) for part in parts)


class PolicyTree:
    """The policies of a channel configuration by path, such as /Channel/Application/Writers."""

    def __init__(self, root: Any) -> None:
        self._policies: dict[str, Policy] = {}
        self._build("/Channel", root)

    def policy(self, path: str) -> Policy:
        """Return the policy at a path, absolute or below /Channel; one that always refuses if there is none."""
        return self._policies.get(path if path.startswith("/") else f"/Channel/{path}", RejectPolicy(path))

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
        raise MalformedError(f"{path} has unknown policy type {policy.type}")


def role_principal(msp_id: str, role: str) -> Any:
    """Return the principal of an organisation's role: member, admin, client, peer or orderer."""
    value = p.principal.MSPRole(msp_identifier=msp_id, role=p.principal.MSPRole.MSPRoleType.Value(role.upper()))
    return p.principal.MSPPrincipal(
        principal_classification=p.principal.MSPPrincipal.ROLE, principal=value.SerializeToString()
    )


def signature_envelope(needed: int, principals: Sequence[Any]) -> Any:
    """Return the SignaturePolicyEnvelope that any `needed` of the principals satisfy."""
    rules = [p.policies.SignaturePolicy(signed_by=index) for index in range(len(principals))]
    rule = p.policies.SignaturePolicy(n_out_of=p.policies.SignaturePolicy.NOutOf(n=needed, rules=rules))
    return p.policies.SignaturePolicyEnvelope(rule=rule, identities=principals)


def signature_policy(needed: int, principals: Sequence[Any]) -> Any:
    """Return the policy that any `needed` of the principals sign."""
    value = signature_envelope(needed, principals).SerializeToString()
    return p.policies.Policy(type=p.policies.Policy.SIGNATURE, value=value)


def implicit_policy(rule: str, name: str) -> Any:
    """Return the policy ANY, ALL or MAJORITY of the sub-groups' policies of that name."""
    definition = p.policies.ImplicitMetaPolicy(sub_policy=name, rule=p.policies.ImplicitMetaPolicy.Rule.Value(rule))
    return p.policies.Policy(type=p.policies.Policy.IMPLICIT_META, value=definition.SerializeToString())
