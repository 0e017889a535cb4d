"""Sets of signatures that satisfy a channel's policies or do not.

A policy is written as nested tuples: `(2, "A.peer", (1, "B.peer", "C.peer"))` is two out of a principal and a rule.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from fabric_protos.common import configtx_pb2, policies_pb2
from fabric_protos.msp import msp_principal_pb2
from people import (
    DETERMINISTIC,
    YEAR,
    Authority,
    Msp,
    key_of,
    low,
    number_of,
    other_s,
    pem,
    serialized,
    with_signature_of,
)

Rule = tuple[Any, ...] | str
MESSAGE = b"what is signed"
Principal = msp_principal_pb2.MSPPrincipal
Policy = policies_pb2.Policy
Meta = policies_pb2.ImplicitMetaPolicy

ROOTS = {name: Authority(f"root of {name}") for name in "ABC"}
CERTIFICATES = {
    f"{name}.{who}": ROOTS[name].issue(f"{name}.{who}", [unit])
    for name in "ABC"
    for who, unit in (("peer0", "peer"), ("peer1", "peer"), ("user", "client"), ("boss", "admin"), ("order", "orderer"))
}
NAMED = ROOTS["A"].issue("A.named", ["client"])
WARD = ROOTS["A"].issue("A.ward", ["client", "ward"])
GONE = ROOTS["A"].issue("A.gone", ["peer"])
NAMED_GONE = ROOTS["A"].issue("A.named gone", ["client"])
ENDED = ROOTS["A"].issue("A.ended", ["peer"], lasts=YEAR / 2)
MSPS = {
    "A": Msp(
        "A",
        [ROOTS["A"].pem],
        admins=[pem(NAMED), pem(NAMED_GONE)],
        lists=[ROOTS["A"].list([number_of("A.gone"), number_of("A.named gone")])],
    ),
    "B": Msp("B", [ROOTS["B"].pem]),
    "C": Msp("C", [ROOTS["C"].pem]),
}


@dataclass(frozen=True)
class Signed:
    """A signature with who is said to have made it; `make` returns it for any message."""

    identity: bytes
    make: Callable[[bytes], bytes]

    @property
    def signature(self) -> bytes:
        """The signature of the cases' message."""
        return self.make(MESSAGE)

    @property
    def as_json(self) -> dict[str, str]:
        """The signature as it stands in a case."""
        return {"identity": self.identity.hex(), "message": MESSAGE.hex(), "signature": self.signature.hex()}


def sign(name: str, certificate: x509.Certificate | None = None, *, raw: bytes = b"", key: str = "") -> Signed:
    """Return a person's signature, by the certificate given or its own."""
    written = raw or pem(certificate or CERTIFICATES[name])
    return Signed(serialized(name[0], written), lambda message: low(key_of(key or name).sign(message, DETERMINISTIC)))


def by(*names: str) -> list[Signed]:
    """Return the signatures of people."""
    return [sign(name) for name in names]


@dataclass(frozen=True)
class Case:
    """A policy in a channel, and who signed."""

    name: str
    group: configtx_pb2.ConfigGroup
    signed: Sequence[Signed]
    path: str = "/Channel/Application/Endorsement"

    @property
    def as_json(self) -> dict[str, Any]:
        """The case as it stands in the file."""
        return {
            "name": self.name,
            **{f"msp_{msp_id}": msp.config.hex() for msp_id, msp in MSPS.items()},
            "group": self.group.SerializeToString(deterministic=True).hex(),
            "path": self.path,
            "signed": [each.as_json for each in self.signed],
        }


def policy_cases() -> list[dict[str, Any]]:
    """Return all cases as they stand in the file."""
    return [each.as_json for each in cases()]


def cases() -> list[Case]:
    """Return all cases."""
    return [*_counts(), *_nested(), *_malformed(), *_principals(), *_duplicates(), *_groups(), *_paths()]


def role(text: str) -> Principal:
    """Return the principal of a role, such as A.peer."""
    msp_id, name = text.split(".")
    value = msp_principal_pb2.MSPRole(
        msp_identifier=msp_id, role=msp_principal_pb2.MSPRole.MSPRoleType.Value(name.upper())
    )
    return Principal(principal_classification=Principal.ROLE, principal=value.SerializeToString())


def policy_of(rule: Any, principals: Sequence[Principal] = ()) -> Policy:
    """Return the signature policy of a rule; a number in it stands for one of the principals given."""
    listed: list[Principal] = list(principals)

    def compiled(part: Any) -> policies_pb2.SignaturePolicy:
        if isinstance(part, str):
            listed.append(role(part))
            return policies_pb2.SignaturePolicy(signed_by=len(listed) - 1)
        if isinstance(part, int):
            return policies_pb2.SignaturePolicy(signed_by=part)
        rules = [compiled(inner) for inner in part[1:]]
        n_out_of = policies_pb2.SignaturePolicy.NOutOf(n=part[0], rules=rules)
        return policies_pb2.SignaturePolicy(n_out_of=n_out_of)

    envelope = policies_pb2.SignaturePolicyEnvelope(rule=compiled(rule), identities=listed)
    return Policy(type=Policy.SIGNATURE, value=envelope.SerializeToString())


def implicit(rule: int, name: str = "Endorsement") -> Policy:
    """Return an implicit policy over the groups below."""
    value = Meta(sub_policy=name, rule=rule)  # type: ignore[arg-type]
    return Policy(type=Policy.IMPLICIT_META, value=value.SerializeToString())


def channel(policy: Policy, below: Mapping[str, Policy] | None = None) -> configtx_pb2.ConfigGroup:
    """Return a channel of A, B and C whose application has the policy; `below` are the organisations' own ones."""
    root = configtx_pb2.ConfigGroup()
    application = root.groups["Application"]
    application.policies["Endorsement"].policy.CopyFrom(policy)
    for name in "ABC" if below is None else below:
        group = application.groups[name]
        if below is not None:
            group.policies["Endorsement"].policy.CopyFrom(below[name])
    return root


def _rule(name: str, rule: Any, signed: Sequence[Signed], principals: Sequence[Principal] = ()) -> Case:
    return Case(name, channel(policy_of(rule, principals)), signed)


def _counts() -> Iterator[Case]:
    two = (2, "A.peer", "B.peer", "C.peer")
    for names in (
        ["A.peer0", "B.peer0"],
        ["C.peer0", "A.peer0"],
        ["A.peer0", "B.peer0", "C.peer0"],
        ["A.peer0"],
        [],
        ["A.peer0", "A.peer1"],
        ["A.peer0", "B.user"],
        ["A.peer0", "B.boss"],
        ["A.user", "B.user", "A.peer0", "C.peer1"],
    ):
        yield _rule(f"two of three peers: {names}", two, by(*names))
    yield _rule("none of two", (0, "A.peer", "B.peer"), [])
    yield _rule("none of none", (0,), [])
    yield _rule("one of none", (1,), by("A.peer0"))
    yield _rule("three of two", (3, "A.peer", "B.peer"), by("A.peer0", "B.peer0"))
    yield _rule("less than none", (-1, "A.peer"), [])
    yield _rule("a principal alone", "A.peer", by("A.peer0"))
    yield _rule("a principal alone, another signs", "A.peer", by("B.peer0"))


def _nested() -> Iterator[Case]:
    either = (1, (2, "A.peer", "B.peer"), "C.peer")
    for names in (["A.peer0", "B.peer0"], ["C.peer0"], ["A.peer0"], ["A.peer0", "C.peer0"]):
        yield _rule(f"two peers or a third: {names}", either, by(*names))
    gives_back = (2, (2, "A.peer", "B.peer"), "A.peer", "C.peer")
    for names in (["A.peer0", "C.peer0"], ["A.peer0", "B.peer0", "C.peer0"], ["A.peer0", "B.peer0"]):
        yield _rule(f"a branch that fails gives its signatures back: {names}", gives_back, by(*names))
    overlapping = (2, "A.member", "A.peer")
    for names in (["A.peer0", "A.user"], ["A.user", "A.peer0"], ["A.peer0", "A.peer1"], ["A.peer0"]):
        yield _rule(f"who signs first counts for the first principal: {names}", overlapping, by(*names))
    deep: Any = "A.peer"
    for _ in range(30):
        deep = (1, deep)
    yield _rule("thirty rules deep", deep, by("A.peer0"))
    both = (2, (1, "A.peer", "B.peer"), (1, "A.peer", "C.peer"))
    for names in (["A.peer0", "C.peer0"], ["A.peer0"], ["B.peer0", "A.peer0"], ["A.peer0", "A.peer1"]):
        yield _rule(f"two branches that share a principal: {names}", both, by(*names))


def _malformed() -> Iterator[Case]:
    signed = by("A.peer0", "B.peer0")
    yield _rule("a principal that is not listed", (1, 0), signed)
    yield _rule("a principal that is not listed, beside one that signs", (1, "A.peer", 7), signed)
    yield _rule("a principal below zero", (1, "A.peer", -1), signed)
    empty = policies_pb2.SignaturePolicyEnvelope(identities=[role("A.peer")])
    yield Case("no rule", channel(Policy(type=Policy.SIGNATURE, value=empty.SerializeToString())), signed)
    hollow = policies_pb2.SignaturePolicyEnvelope(rule=policies_pb2.SignaturePolicy())
    yield Case("an empty rule", channel(Policy(type=Policy.SIGNATURE, value=hollow.SerializeToString())), signed)
    yield Case("bytes that are no policy", channel(Policy(type=Policy.SIGNATURE, value=b"\xff")), signed)
    yield Case("another version", channel(_of_version(1)), signed)
    yield Case("an unknown type", channel(Policy(type=Policy.MSP, value=b"")), signed)


def _of_version(version: int) -> Policy:
    rule = policies_pb2.SignaturePolicy(signed_by=0)
    envelope = policies_pb2.SignaturePolicyEnvelope(version=version, rule=rule, identities=[role("A.peer")])
    return Policy(type=Policy.SIGNATURE, value=envelope.SerializeToString())


def _principals() -> Iterator[Case]:
    for name in ("member", "admin", "client", "peer", "orderer"):
        for who in ("A.peer0", "A.user", "A.boss", "A.order", "B.peer0"):
            yield _rule(f"role {name}: {who}", f"A.{name}", by(who))
        yield _rule(f"role {name}: named as admin", f"A.{name}", [sign("A.named", NAMED)])
        yield _rule(f"role {name}: revoked", f"A.{name}", [sign("A.gone", GONE)])
        yield _rule(f"role {name}: named as admin and revoked", f"A.{name}", [sign("A.named gone", NAMED_GONE)])
    for text, principal, signed in _other_principals():
        yield _rule(f"principal: {text}", 0, signed, [principal])


def _unit(msp_id: str, name: str, certifier: bytes) -> Principal:
    value = msp_principal_pb2.OrganizationUnit(
        msp_identifier=msp_id, organizational_unit_identifier=name, certifiers_identifier=certifier
    )
    return Principal(principal_classification=Principal.ORGANIZATION_UNIT, principal=value.SerializeToString())


def _identity(raw: bytes) -> Principal:
    return Principal(principal_classification=Principal.IDENTITY, principal=raw)


def _combined(*parts: Principal) -> Principal:
    value = msp_principal_pb2.CombinedPrincipal(principals=parts)
    return Principal(principal_classification=Principal.COMBINED, principal=value.SerializeToString())


def _other_principals() -> Iterator[tuple[str, Principal, list[Signed]]]:
    ward = [sign("A.ward", WARD)]
    certifier = ROOTS["A"].certificate.fingerprint(hashes.SHA256())
    yield "a unit by its authority", _unit("A", "ward", certifier), ward
    yield "a unit without authority", _unit("A", "ward", b""), ward
    yield "a unit by another authority", _unit("A", "ward", b"\1" * 32), ward
    yield "a unit that the certificate lacks", _unit("A", "garden", certifier), ward
    yield "a unit of another organisation", _unit("B", "ward", certifier), ward
    yield "a role's unit", _unit("A", "client", certifier), ward
    mine = pem(CERTIFICATES["A.peer0"])
    yield "an identity", _identity(serialized("A", mine)), by("A.peer0")
    yield "an identity with text before it", _identity(serialized("A", b"peer\n" + mine)), by("A.peer0")
    yield "another identity", _identity(serialized("A", mine)), by("A.peer1")
    yield "an identity under another MSP id", _identity(serialized("B", mine)), by("A.peer0")
    yield "an identity that is revoked", _identity(serialized("A", pem(GONE))), [sign("A.gone", GONE)]
    yield "an identity that does not parse", _identity(b"\xff"), by("A.peer0")
    high = pem(with_signature_of(CERTIFICATES["A.peer0"], other_s(CERTIFICATES["A.peer0"].signature)))
    yield "an identity whose certificate has a high s", _identity(serialized("A", high)), by("A.peer0")
    unit, client = _unit("A", "ward", certifier), role("A.client")
    yield "unit and role", _combined(unit, client), ward
    yield "unit and another role", _combined(unit, role("A.peer")), ward
    yield "a combination in another", _combined(_combined(unit), client), ward
    yield "a combination of nothing", _combined(), ward
    for kind in ("NOMINAL", "ANONYMOUS"):
        number = msp_principal_pb2.MSPIdentityAnonymity.MSPIdentityAnonymityType.Value(kind)
        value = msp_principal_pb2.MSPIdentityAnonymity(anonymity_type=number).SerializeToString()
        yield (
            f"{kind.lower()} identities",
            Principal(principal_classification=Principal.ANONYMITY, principal=value),
            ward,
        )
    yield "a role that does not parse", Principal(principal_classification=Principal.ROLE, principal=b"\xff"), ward
    yield "a kind that nobody knows", Principal(principal_classification=9, principal=b""), ward  # type: ignore[arg-type]
    strange = msp_principal_pb2.MSPRole(msp_identifier="A", role=9).SerializeToString()  # type: ignore[arg-type]
    yield "a role that nobody knows", Principal(principal_classification=Principal.ROLE, principal=strange), ward


def _duplicates() -> Iterator[Case]:
    pair = (2, "A.peer", "A.member")
    one, certificate = sign("A.peer0"), CERTIFICATES["A.peer0"]
    text = pem(certificate)
    high = pem(with_signature_of(certificate, other_s(certificate.signature)))
    renewed = ROOTS["A"].issue("A.peer0", ["peer"], lasts=9 * YEAR)
    wrong = Signed(one.identity, sign("A.peer1").make)
    yield _rule("duplicates: the same signature twice", pair, [one, one])
    yield _rule("duplicates: the certificate with text before it", pair, [one, sign("A.peer0", raw=b"peer\n" + text)])
    yield _rule("duplicates: the certificate with a high s", pair, [one, sign("A.peer0", raw=high)])
    yield _rule("duplicates: two certificates of one key", pair, [one, sign("A.peer0", renewed)])
    yield _rule("duplicates: two people", pair, [one, sign("A.peer1")])
    single = (1, "A.peer")
    yield _rule("duplicates: a wrong signature before the right one", single, [wrong, one])
    yield _rule("duplicates: a wrong signature alone", single, [wrong])
    longer = Signed(one.identity, lambda message: one.make(message) + b"\0")
    yield _rule("bytes behind a signature", single, [longer])
    yield _rule("a high s", single, [Signed(one.identity, lambda message: other_s(one.make(message)))])
    yield _rule("a signer whose certificate has ended", single, [sign("A.ended", ENDED)])
    yield _rule("a revoked signer", single, [sign("A.gone", GONE)])
    yield _rule("an organisation that nobody knows", single, [Signed(serialized("D", text), one.make)])
    yield _rule("under another's MSP id", (1, "B.peer"), [Signed(serialized("B", text), one.make)])


def _groups() -> Iterator[Case]:
    own = {name: policy_of(f"{name}.peer") for name in "ABC"}
    for rule in (Meta.ANY, Meta.ALL, Meta.MAJORITY):
        name = Meta.Rule.Name(rule)
        for names in (
            [],
            ["A.peer0"],
            ["A.peer0", "B.peer0"],
            ["A.peer0", "B.peer0", "C.peer0"],
            ["A.peer0", "A.peer1"],
        ):
            yield Case(f"{name} of three groups: {names}", channel(implicit(rule), own), by(*names))
        pair = {key: own[key] for key in "AB"}
        yield Case(f"{name} of two groups: one signs", channel(implicit(rule), pair), by("A.peer0"))
        yield Case(f"{name} of no groups", channel(implicit(rule), {}), [])
        yield Case(f"{name} of a policy that no group has", channel(implicit(rule, "Nothing"), own), by("A.peer0"))
        lacking = channel(implicit(rule), own)
        del lacking.groups["Application"].groups["C"].policies["Endorsement"]
        yield Case(f"{name} where one group lacks the policy", lacking, by("A.peer0", "B.peer0", "C.peer0"))
    yield Case("bytes that are no implicit policy", channel(Policy(type=Policy.IMPLICIT_META, value=b"\xff"), own), [])
    nested = channel(implicit(Meta.MAJORITY), own)
    inner = nested.groups["Application"].groups["A"]
    inner.policies["Endorsement"].policy.CopyFrom(implicit(Meta.ANY))
    inner.groups["north"].policies["Endorsement"].policy.CopyFrom(policy_of("A.peer"))
    for names in (["A.peer0", "B.peer0"], ["A.user", "B.peer0"]):
        yield Case(f"groups within a group: {names}", nested, by(*names))


def _paths() -> Iterator[Case]:
    signed = by("A.peer0")
    group = channel(policy_of("A.peer"), {"A": policy_of("A.peer")})
    for path in (
        "/Channel/Application/Endorsement",
        "/Channel/Application/A/Endorsement",
        "/Channel/Application/Nothing",
        "/Channel/Nothing/Endorsement",
        "Application/Endorsement",
        "Channel/Application/Endorsement",
        "Endorsement",
        "/Application/Endorsement",
        "/Channel/Application/Endorsement/",
        "/Channel//Application/Endorsement",
        "/Other/Application/Endorsement",
        "/",
        "",
    ):
        yield Case(f"path: {path!r}", group, signed, path)
