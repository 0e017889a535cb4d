from dataclasses import dataclass

import pytest

from network.devnet import protos as p
from network.devnet.endorsement_plan import Plan, layouts
from network.devnet.genesis import application_policies
from network.devnet.policy import (
    PolicyError,
    PolicyTree,
    SignaturePolicy,
    implicit_policy,
    role_principal,
    signature_policy,
)


@dataclass(frozen=True)
class Someone:
    msp_id: str
    role: str = "peer"
    serialized: bytes = b""


A, B, C, D = (Someone(name) for name in "ABCD")


def compiled(policy):
    return SignaturePolicy(p.policies.SignaturePolicyEnvelope.FromString(policy.value))


def majority_of(*names):
    return compiled(signature_policy(len(names) // 2 + 1, [role_principal(name, "peer") for name in names]))


@pytest.mark.parametrize(
    ("signers", "holds"),
    [
        ([A, B, C], True),
        ([A, B, C, D], True),
        ([A, B], False),
        ([A, A, A], False),
        ([A, Someone("A"), Someone("A")], False),
        ([A, B, Someone("C", "client")], False),
        ([A, B, Someone("Regulator")], False),
        ([], False),
    ],
)
def test_a_majority_needs_peers_of_that_many_organisations(signers, holds):
    assert holds == majority_of("A", "B", "C", "D").satisfied(signers)


def test_one_signature_counts_for_one_principal_only():
    twice = compiled(signature_policy(2, [role_principal("A", "member"), role_principal("A", "peer")]))
    assert not twice.satisfied([A])
    assert twice.satisfied([Someone("A", "client"), A])


def test_a_failed_branch_gives_its_signatures_back():
    rule = p.policies.SignaturePolicy
    both = rule(n_out_of=rule.NOutOf(n=2, rules=[rule(signed_by=0), rule(signed_by=1)]))
    either = rule(n_out_of=rule.NOutOf(n=1, rules=[both, rule(signed_by=0)]))
    envelope = p.policies.SignaturePolicyEnvelope(
        rule=either, identities=[role_principal("A", "peer"), role_principal("B", "peer")]
    )
    assert SignaturePolicy(envelope).satisfied([A])


def test_member_means_any_role_and_admin_only_that_one():
    member = compiled(signature_policy(1, [role_principal("A", "member")]))
    admin = compiled(signature_policy(1, [role_principal("A", "admin")]))
    assert [True, True, False] == [member.satisfied([x]) for x in (A, Someone("A", "admin"), B)]
    assert [False, True] == [admin.satisfied([x]) for x in (A, Someone("A", "admin"))]


def tree(rule, *groups):
    root = p.configtx.ConfigGroup()
    root.policies["Readers"].policy.CopyFrom(implicit_policy(rule, "Readers"))
    for name in groups:
        policy = signature_policy(1, [role_principal(name, "peer")])
        root.groups[name].policies["Readers"].policy.CopyFrom(policy)
    return PolicyTree(root).policy("/Channel/Readers")


@pytest.mark.parametrize(("rule", "needed"), [("ANY", 1), ("MAJORITY", 3), ("ALL", 4)], ids=["any", "majority", "all"])
def test_implicit_policies_count_sub_groups(rule, needed):
    policy = tree(rule, *"ABCD")
    signers = [A, B, C, D]
    assert [n >= needed for n in range(5)] == [policy.satisfied(signers[:n]) for n in range(5)]


def test_an_implicit_policy_over_nothing_holds_and_says_what_it_lacks_otherwise():
    assert tree("ANY").satisfied([])
    with pytest.raises(
        PolicyError, match=r"0 sub-policies were satisfied, but this policy requires 1 of the 'Readers'"
    ):
        tree("ANY", "A").evaluate([B])


def test_a_policy_that_is_not_there_refuses():
    with pytest.raises(PolicyError, match="No such policy: '/Channel/Nothing'"):
        PolicyTree(p.configtx.ConfigGroup()).policy("/Channel/Nothing").evaluate([A])


def test_the_consortiums_policies_let_members_write_and_endorse_and_never_the_regulator():
    policies = application_policies(["A", "B", "C", "D"], 3)
    writers, endorsement = compiled(policies["Writers"]), compiled(policies["Endorsement"])
    assert [True, True, False, False] == [
        writers.satisfied([x]) for x in (Someone("A", "client"), Someone("B", "admin"), A, Someone("R", "client"))
    ]
    assert not endorsement.satisfied([A, B, Someone("R")])


def test_layouts_are_the_smallest_sets_that_satisfy_a_policy():
    found = layouts(majority_of("A", "B", "C", "D"), ["A", "B", "C", "D", "R"])
    assert {frozenset(x) for x in ("ABC", "ABD", "ACD", "BCD")} == set(found)
    assert layouts(majority_of("A", "B", "C"), ["A", "R"]) == []


def response(payload):
    return p.proposal_response.ProposalResponse(payload=payload)


def test_a_plan_asks_for_what_is_missing_and_goes_around_failures():
    plan = Plan([frozenset("ABC"), frozenset("ABD")])
    assert plan.accept("A", response(b"x"))
    plan.failed.add("C")
    assert ["B", "D"] == plan.next()
    assert plan.accept("B", response(b"x"))
    assert not plan.accept("D", response(b"y"))
    assert (None, []) == (plan.complete(), plan.next())


def test_a_plan_is_complete_when_one_layout_is():
    plan = Plan([frozenset("AB"), frozenset("AC")])
    for name in "ABC":
        plan.accept(name, response(b"x"))
    assert len(plan.complete()) == 2
