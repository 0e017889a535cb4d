"""What a node does and refuses where its cohort is summed in groups."""

import hashlib
from typing import Any

import numpy as np
import pytest

from fl_node import codes
from fl_node.secagg.errors import Fault, Refusal, SecaggError
from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.choice import mode_of
from fl_node.secagg.modes.plain import Plain
from fl_node.secagg.modes.robust_groups import RobustGroups
from fl_node.secagg.session import Session
from fl_node.secagg.simulation import Simulation, session_of

SLOTS = 4
LAYOUT = Layout.from_fields(
    {
        "version": 1,
        "count": None,
        "segments": [{"name": "v", "kind": "value", "word": 32, "ring": 32, "max": 1000, "slots": SLOTS}],
    }
)


def grouped(participants: int, count: int, faulty: int = 1, **changes: Any) -> Session:
    cohort = session_of(LAYOUT, participants).cohort
    split = tuple(cohort[number::count] for number in range(count))
    return session_of(LAYOUT, participants, **{"groups": split, "mode": RobustGroups(faulty)} | changes)


def played(session: Session, values: dict[str, int] | None = None, absent: tuple[str, ...] = ()) -> Simulation:
    simulation = Simulation(session)
    vectors = {one: LAYOUT.pack({"v": np.full(SLOTS, (values or {}).get(one, 500))}) for one in session.cohort}
    simulation.publish_keys()
    simulation.commit_shares()
    simulation.commit_updates(vectors, absent)
    return simulation


def refused(code: str, simulation: Simulation, **changes: Any) -> None:
    with pytest.raises(Refusal) as refusal:
        simulation.reveal(**changes)
    assert refusal.value.code == code


def test_t19_one_participant_that_sends_the_largest_values_moves_a_group_and_not_the_aggregate():
    simulation = played(grouped(9, 3), {"hospital-004": 1000})
    simulation.reveal()
    assert LAYOUT.segments[0].view(simulation.unmask().vector).tolist() == [4500] * SLOTS


def test_t19_nothing_is_revealed_of_a_group_with_fewer_than_three_survivors():
    session = grouped(16, 4)
    gone = session.groups[1][:2]
    simulation = played(session, absent=gone)
    simulation.reveal()
    assert {dealer for dealer, _, _ in simulation.reveals} == set(session.cohort) - set(session.groups[1])
    assert {receiver for _, receiver, _ in simulation.reveals} == set(session.cohort)
    assert len(simulation.unmask().sums) == 3


def test_t19_a_node_reveals_nothing_where_too_few_groups_remain():
    refused(codes.TOO_FEW_SURVIVORS, played(grouped(9, 3), absent=("hospital-004",)))


def test_t14_a_ledger_that_leaves_an_update_of_an_opened_group_out_gets_no_share():
    simulation = played(grouped(16, 4))
    refused(codes.LEFT_OUT, simulation, survivors=simulation.session.cohort[1:])


def test_t14_a_ledger_that_counts_a_closed_group_in_gets_no_share():
    session = grouped(16, 4)
    simulation = played(session, absent=session.groups[1][:2])
    refused(codes.LEFT_OUT, simulation, survivors=session.members(simulation.updates))


@pytest.mark.parametrize("groups", [[range(3)], [range(8), (8, 0)], [range(4), range(4, 8)]])
def test_t11_groups_that_are_no_partition_of_the_cohort_get_no_key(groups: list[Any]):
    named = tuple(tuple(f"hospital-{place:03d}" for place in group) for group in groups)
    with pytest.raises(Refusal) as refusal:
        Simulation(grouped(9, 3, groups=named)).publish_keys()
    assert refusal.value.code == codes.WEAK_ROUND


def test_t11_a_cohort_of_too_few_groups_for_the_faulty_gets_no_key():
    with pytest.raises(Refusal) as refusal:
        Simulation(grouped(9, 3, faulty=2)).publish_keys()
    assert refusal.value.code == codes.WEAK_ROUND


def test_t11_other_groups_are_another_session():
    assert grouped(9, 3).digest != grouped(9, 3, groups=()).digest
    assert grouped(9, 3).digest != grouped(9, 3, groups=tuple(reversed(grouped(9, 3).groups))).digest


def test_t13_a_groups_sum_that_differs_by_one_from_an_earlier_one_gets_no_share():
    session = grouped(16, 4)
    before = tuple(frozenset(group) for group in session.groups)
    simulation = played(session, absent=(session.groups[2][0],))
    refused(codes.DIFFERENCING, simulation, frozen_groups=(before,))
    same = tuple(one if number != 2 else frozenset() for number, one in enumerate(before))
    simulation.reveal(frozen_groups=(same,))


def test_t13_a_sum_of_the_whole_or_of_other_groups_on_the_same_base_gets_no_share():
    simulation = played(grouped(16, 4))
    cohort = simulation.session.cohort
    refused(codes.DIFFERENCING, simulation, frozen=(frozenset(cohort),))
    other = tuple(frozenset(cohort[start : start + 4]) for start in range(0, 16, 4))
    refused(codes.DIFFERENCING, simulation, frozen_groups=(other,))


def test_t13_a_whole_sum_after_sums_of_groups_on_the_same_base_gets_no_share():
    session = session_of(LAYOUT, 9)
    before = tuple(frozenset(session.cohort[number::3]) for number in range(3))
    refused(codes.DIFFERENCING, played(session), frozen_groups=(before,))


@pytest.mark.parametrize(
    "segment",
    [
        {"name": "weight", "kind": "weight", "word": 32, "ring": 32, "max": 4, "slots": 1},
        {"name": "clip", "kind": "weight", "word": 32, "ring": 32, "max": 1, "slots": 1},
        {"name": "hash", "kind": "value", "word": 32, "ring": 13, "max": 4, "slots": 1},
    ],
)
def test_weights_modular_sums_and_what_steers_a_plan_have_no_robust_mean(segment: dict[str, Any]):
    value = {"name": "v", "kind": "value", "word": 32, "ring": 32, "max": 1000, "slots": 1}
    layout = Layout.from_fields({"version": 1, "count": None, "segments": [value, segment]})
    with pytest.raises(SecaggError) as error:
        RobustGroups(1).check_plan(layout)
    assert error.value.code == codes.BAD_LAYOUT


def test_t18_an_update_outside_its_range_names_its_sender_where_updates_are_shown():
    cohort = session_of(LAYOUT, 5).cohort
    session = session_of(LAYOUT, 5, groups=tuple((one,) for one in cohort), mode=Plain(1))
    simulation = played(session, {"hospital-001": 1000})
    simulation.reveal()
    garbage = bytearray(simulation.blobs[simulation.updates["hospital-001"]])
    garbage[3] ^= 0x40
    digest = hashlib.sha256(garbage).digest()
    simulation.updates["hospital-001"], simulation.blobs[digest] = digest, bytes(garbage)
    with pytest.raises(Fault) as fault:
        simulation.unmask()
    assert (fault.value.kind, fault.value.participant) == ("update", "hospital-001")


def test_t13_updates_that_are_shown_may_be_shown_again_but_not_beside_sums_of_several():
    cohort = session_of(LAYOUT, 5).cohort
    session = session_of(LAYOUT, 5, groups=tuple((one,) for one in cohort), mode=Plain(1))
    alone = tuple(frozenset((one,)) for one in cohort[1:])
    refused(codes.DIFFERENCING, played(session), frozen=(frozenset(cohort),))
    refused(codes.DIFFERENCING, played(session), frozen_groups=((frozenset(cohort[:3]),),))
    refused(codes.DIFFERENCING, played(session_of(LAYOUT, 5)), frozen_groups=(alone,))
    played(session).reveal(frozen_groups=(alone,))


def test_a_mode_that_this_node_does_not_know_is_refused():
    with pytest.raises(SecaggError) as error:
        mode_of("mean of means", {})
    assert error.value.code == codes.BAD_LAYOUT
