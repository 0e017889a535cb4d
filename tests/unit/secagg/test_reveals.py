"""Whose shares a node reveals, and when it reveals none. T-numbers are those of the threat model."""

import pytest

from fl_node import codes
from fl_node.secagg import errors
from fl_node.secagg import messages as m
from fl_node.secagg.keys import KeyPair, PublicKeys
from fl_node.secagg.survivors import Policy, check_organisations
from tests.unit.secagg.world import ME, VECTOR, World, refused


def test_t2_both_kinds_of_share_of_one_participant_are_never_revealed():
    world = World(7).until_updates("hospital-003")
    asked = world.me.receive(world.survivors())
    assert isinstance(asked[0], m.RevealShares)
    assert {"mask": ["hospital-003"], "seed": [n for n in world.session.cohort if n != "hospital-003"]} == {
        kind: sorted(share.dealer for share in asked[0].shares if share.kind == kind) for kind in ("mask", "seed")
    }
    fewer = {name: digest for name, digest in world.run.updates.items() if name != "hospital-004"}
    refused(codes.BOTH_KINDS, world.me, world.survivors(updates=fewer, survivors=tuple(fewer)))


def test_t2_the_refusal_survives_a_restart():
    world = World(7).until_updates("hospital-003")
    world.me.receive(world.survivors())
    again = world.restarted()
    again.receive(m.RoundOpened(world.session, world.session.digest))
    again.receive(m.KeysFixed(world.run.keys))
    again.receive(m.SharesFixed(world.run.commitments))
    fewer = {name: digest for name, digest in world.run.updates.items() if name != "hospital-004"}
    refused(codes.BOTH_KINDS, again, world.survivors(updates=fewer, survivors=tuple(fewer)))


def test_t3_a_changed_view_of_the_ledger_is_refused():
    world = World().until_shares()
    world.run.deliver_shares(ME)
    fewer = {name: commitment for name, commitment in world.run.commitments.items() if name != "hospital-004"}
    refused(codes.CHANGED_VIEW, world.me, m.SharesFixed(fewer))
    keys = world.run.keys | {
        "hospital-004": PublicKeys(KeyPair.of(b"\x01" * 32).public, KeyPair.of(b"\x02" * 32).public)
    }
    refused(codes.CHANGED_VIEW, world.me, m.KeysFixed(keys))


def test_t10_one_organisation_may_not_reach_the_threshold():
    world = World(5)
    names = world.session.cohort
    alone = {name: "A" if place < 4 else name for place, name in enumerate(names)}
    refused(codes.WEAK_ROUND, world.me, m.RoundOpened(world.session, world.session.digest, alone))
    many = World(7)
    most = {name: "A" if place < 5 else name for place, name in enumerate(many.session.cohort)}
    refused(codes.WEAK_ROUND, many.me, m.RoundOpened(many.session, many.session.digest, most))
    two = {name: "A" if place < 3 else "B" for place, name in enumerate(names)}
    refused(codes.WEAK_ROUND, world.me, m.RoundOpened(world.session, world.session.digest, two))
    assert world.me.receive(m.RoundOpened(world.session, world.session.digest, {name: name for name in names}))


@pytest.mark.parametrize(
    ("survivors", "allowed"),
    [
        ("ABCDE", True),
        ("ABC", True),
        ("AABCD", True),
        ("AABC", False),
        ("AABBC", True),
        ("AAABC", False),
        ("AABB", False),
    ],
)
def test_t10_survivors_whose_rest_one_organisation_would_know_are_refused(survivors: str, allowed: bool):
    sizes = {organisation: survivors.count(organisation) for organisation in survivors}
    if allowed:
        check_organisations(sizes, Policy())
        return
    with pytest.raises(errors.Refusal) as refusal:
        check_organisations(sizes, Policy())
    assert codes.TOO_FEW_SURVIVORS == refusal.value.code


@pytest.mark.parametrize(
    ("earlier", "blamed", "allowed"),
    [
        (range(7), (), True),
        (range(6), (), False),
        (range(1, 7), (), False),
        (range(5), (), False),
        (range(4), (), True),
        (range(6), (6,), True),
        (range(5), (6,), False),
    ],
)
def test_t12_t13_sums_on_one_base_state_differ_by_nobody_or_by_enough(
    earlier: range, blamed: tuple[int, ...], allowed: bool
):
    world = World(7).until_updates()
    names = world.session.cohort
    frozen = frozenset(names[place] for place in earlier)
    message = world.survivors(frozen=(frozenset(names), frozen), blamed=frozenset(names[place] for place in blamed))
    if allowed:
        assert world.me.receive(message)
    else:
        refused(codes.DIFFERENCING, world.me, message)


def test_t13_the_floor_of_differences_cannot_be_lowered_by_the_ledger():
    world = World(7).until_updates()
    frozen = (frozenset(world.session.cohort[:6]),)
    refused(codes.DIFFERENCING, world.me, world.survivors(frozen=frozen, minimum_difference=1))


def test_t14_a_node_whose_committed_update_is_left_out_reveals_nothing():
    world = World(7).until_updates()
    rest = world.session.cohort[1:]
    refused(codes.LEFT_OUT, world.me, world.survivors(survivors=rest))
    hidden = {name: world.run.updates[name] for name in rest}
    refused(codes.LEFT_OUT, world.me, world.survivors(updates=hidden, survivors=rest))
    other = world.run.participants["hospital-001"]
    refused(codes.LEFT_OUT, other, world.survivors(survivors=rest))


@pytest.mark.parametrize("survivors", [3, 4])
def test_t14_too_few_survivors_are_refused(survivors: int):
    world = World(7).until_updates("hospital-005", "hospital-006")
    some = {name: world.run.updates[name] for name in world.session.cohort[:survivors]}
    refused(codes.TOO_FEW_SURVIVORS, world.me, world.survivors(updates=some, survivors=tuple(some)))


def test_a_dropout_reveals_for_others_though_its_own_update_never_committed():
    world = World(7).until_updates(ME)
    revealed = world.me.receive(world.survivors())[0]
    assert isinstance(revealed, m.RevealShares)
    assert {share.dealer for share in revealed.shares if share.kind == "mask"} == {ME}


def test_a_survivor_that_never_shared_is_refused():
    world = World(7)
    world.until_keys().run.commit_shares(absent=["hospital-006"])
    world.run.commit_updates(dict.fromkeys(world.session.cohort, VECTOR))
    updates = world.run.updates | {"hospital-006": bytes(32)}
    refused(codes.CHANGED_VIEW, world.me, world.survivors(updates=updates, survivors=tuple(updates)))
