import itertools
import time
from dataclasses import dataclass

import pytest

from network.devnet import protos as p
from network.devnet.endorsement_plan import Endorsers, Plan
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
    units: frozenset = frozenset()
    invalid: str = ""

    @property
    def roles(self):
        return frozenset({self.role})


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


def response(payload):
    return p.proposal_response.ProposalResponse(payload=payload)


def plan_of(policy, *organisations):
    endorsers = Endorsers.of(policy, organisations)
    return Plan(endorsers.enough, endorsers.organisations)


def endorsed(plan, *names):
    for name in names:
        endorsement = p.proposal_response.Endorsement(endorser=name.encode())
        assert plan.accept(name, p.proposal_response.ProposalResponse(payload=b"x", endorsement=endorsement))
    return plan


def test_an_organisation_that_the_policy_does_not_count_is_never_asked():
    plan = plan_of(majority_of("A", "B", "C", "D"), "A", "B", "C", "D", "R")
    assert frozenset("ABCD") == plan.candidates
    assert not plan_of(majority_of("A", "B", "C"), "A", "R").possible()


def test_a_plan_asks_every_majority_sooner_or_later():
    asked = {tuple(plan_of(majority_of("A", "B", "C", "D"), *"ABCD").next()) for _ in range(300)}
    assert set(itertools.combinations("ABCD", 3)) == asked


def test_a_plan_asks_for_what_is_missing_and_goes_around_failures():
    plan = endorsed(plan_of(majority_of("A", "B", "C", "D"), *"ABCD"), "A")
    plan.failed.add("C")
    assert ["B", "D"] == plan.next()
    endorsed(plan, "B")
    assert not plan.accept("D", response(b"y"))
    plan.failed.add("D")
    assert (None, []) == (plan.complete(), plan.next())


def test_a_plan_asks_nobody_whom_the_policy_can_do_without():
    rule = p.policies.SignaturePolicy
    both = rule(n_out_of=rule.NOutOf(n=2, rules=[rule(signed_by=1), rule(signed_by=2)]))
    either = rule(n_out_of=rule.NOutOf(n=1, rules=[rule(signed_by=0), both]))
    envelope = p.policies.SignaturePolicyEnvelope(
        rule=either, identities=[role_principal(name, "peer") for name in "ABC"]
    )
    asked = {tuple(plan_of(SignaturePolicy(envelope), *"ABC").next()) for _ in range(100)}
    assert {("A",), ("B", "C")} == asked


def test_a_complete_plan_gives_as_many_endorsements_as_the_policy_needs():
    plan = endorsed(plan_of(majority_of("A", "B", "C"), *"ABC"), "C", "B", "A")
    assert [b"A", b"B"] == [endorsement.endorser for endorsement in plan.complete()]


def test_organisations_that_a_client_names_must_all_endorse():
    plan = endorsed(Plan.of_all("AB"), "A")
    assert (None, ["B"]) == (plan.complete(), plan.next())
    assert len(endorsed(plan, "B").complete()) == 2


def test_a_plan_for_fifty_members_takes_milliseconds():
    names = [f"Member{number:02}" for number in range(50)]
    policy = majority_of(*names)
    took = []
    for _ in range(5):
        began = time.thread_time()  # its own, whatever else the machine does
        plan = endorsed(plan_of(policy, *names), names[0])
        endorsed(plan, *plan.next())
        assert len(plan.complete()) == 26
        took.append(time.thread_time() - began)
    assert min(took) < 0.1
