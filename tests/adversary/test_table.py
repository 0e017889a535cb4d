"""What robust groups withstand and what they do not: some rows of the table that benchmarks/robust.py prints."""

import numpy as np
import pytest

from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.interface import Mode
from fl_node.secagg.modes.robust_groups import RobustGroups
from fl_node.secagg.modes.secure_sum import SecureSum
from fl_node.secagg.simulation import Simulation, session_of
from tests.adversary import attacks
from tests.adversary.attacks import ATTACKS
from tests.adversary.federation import HALF, Setting, aggregated, layout_of, quantised, train

TRIMMED, MEDIAN = RobustGroups(3), RobustGroups(2, median=True)


def accuracy(mode: Mode, attack: str, faulty: int = 3, participants: int = 21, size: int = 3) -> float:
    size = participants if isinstance(mode, SecureSum) else size
    return 100 * train(Setting(participants, size, faulty, mode, ATTACKS[attack])).accuracy


@pytest.mark.parametrize("attack", ["sign-flip", "ipm"])
def test_t19_three_of_twenty_one_spoil_a_plain_mean_and_not_the_trimmed_mean_of_seven_groups(attack: str):
    assert accuracy(SecureSum(), attack) < 50
    assert accuracy(TRIMMED, attack) > 90


def test_t19_who_knows_rule_groups_and_updates_does_more_harm_than_who_does_not_and_a_bounded_one():
    assert 80 < accuracy(TRIMMED, "adaptive") < accuracy(TRIMMED, "none") - 5


def test_at_the_border_a_spoilt_groups_mean_lies_within_those_of_sound_groups():
    random = np.random.default_rng(3)
    honest, own = random.normal(1, 0.1, (7, 5)), random.normal(1, 0.1, (2, 5))
    seen = attacks.Seen(honest, own, own, own, [([0, 1, 2], []), ([3, 4, 5], []), ([6], [0, 1])])
    sent = attacks.at_the_border(seen)
    sound = np.array([honest[:3].mean(axis=0), honest[3:6].mean(axis=0)])
    assert np.allclose((honest[6] + sent.sum(axis=0)) / 3, sound.min(axis=0))


def test_t19_where_nobody_is_faulty_the_trimmed_mean_costs_at_most_a_point():
    assert accuracy(TRIMMED, "none", faulty=0) >= accuracy(SecureSum(), "none", faulty=0) - 1


@pytest.mark.parametrize("attack", ["label-flip", "alie", "scaling", "mimic", "free-rider"])
def test_t19_the_trimmed_mean_of_groups_bears_every_attack_that_does_not_know_it(attack: str):
    assert accuracy(TRIMMED, attack) > 90


def test_t19_as_many_faulty_participants_as_half_of_the_groups_break_the_rule():
    assert accuracy(RobustGroups(2), "sign-flip", faulty=4, participants=20, size=4) < 80


def test_t19_a_backdoor_gets_through_where_the_faulty_are_as_many_as_half_of_the_groups():
    kept = train(Setting(21, 3, 3, TRIMMED, attacks.loud_backdoor))
    broken = train(Setting(20, 4, 3, MEDIAN, attacks.loud_backdoor))
    assert kept.triggered < 0.1
    assert broken.triggered > 0.9
    assert broken.accuracy > 0.9  # and nobody sees it in the accuracy


def test_the_table_sums_in_integers_what_nodes_sum_under_masks():
    random = np.random.default_rng(5)
    updates = random.normal(0, 1, (9, 4))
    layout = Layout.from_fields({"version": 1, "count": None, "segments": [_document(4)]})
    session = session_of(layout, 9)
    order = np.random.default_rng(6).permutation(9)
    groups = tuple(tuple(sorted(session.cohort[place] for place in order[number::3])) for number in range(3))
    simulation = Simulation(session_of(layout, 9, groups=groups, mode=RobustGroups(1)))
    rows = dict(zip(session.cohort, quantised(updates), strict=True))
    simulation.publish_keys()
    simulation.commit_shares()
    simulation.commit_updates({name: layout.pack({"value": row}) for name, row in rows.items()})
    simulation.reveal()
    summed = layout.segments[0].view(simulation.unmask().vector).astype(np.float64)
    plain = aggregated(RobustGroups(1), updates, 3, np.random.default_rng(6))
    assert np.array_equal((summed / 9 - HALF) / HALF * 16.0, plain)


def _document(slots: int) -> dict[str, object]:
    (segment,) = layout_of(slots).segments
    sizes = {"word": segment.word, "ring": segment.ring, "max": segment.maximum, "slots": segment.slots}
    return {"name": "value", "kind": "value"} | sizes
