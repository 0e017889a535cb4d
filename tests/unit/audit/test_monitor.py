"""The monitor: honest trainings are left alone, what is unlike the rest is flagged with its evidence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audit.monitor.figures import cosine, figures
from audit.monitor.read import Monitor
from audit.monitor.rules import LIMITS, look
from audit.monitor.seen import Attempt, Group
from audit.report.view import group_contributions
from audit.verify.derive import Blobs
from fl_node.secagg.modes.robust_groups import RobustGroups
from tests.adversary.attacks import ATTACKS
from tests.adversary.federation import Setting
from tests.adversary.monitored import flagged

NAMES = tuple(f"p{number:02}" for number in range(9))
Change = Callable[[int, Group], Group]


def attempts(number: int = 8, change: Change = lambda _, group: group, **fields: object) -> list[Attempt]:
    """Honest rounds in two epochs of three groups, drawn anew; `change` may alter a group's figures by round."""
    made = []
    for at in range(number):
        epoch, order = 1 + at // 4, np.random.default_rng(at // 4).permutation(NAMES)
        groups = [Group(place, tuple(sorted(order[place::3])), 1.0, 1.1, 0.6, 1.0) for place in range(3)]
        changed = tuple(change(at, group) for group in groups)
        made.append(Attempt(f"t/{at + 1}/1", epoch, NAMES, groups=changed, **fields))
    return made


def altered(group: Group, **changes: float) -> Group:
    return Group(**(vars(group) | changes))


def test_honest_rounds_are_left_alone():
    assert look(attempts(length=1.0, turn=0.9, loss=0.3, declared=dict.fromkeys(NAMES, 50))) == []


@pytest.mark.parametrize(
    ("kind", "strange"),
    [("outlying", {"distance": 9.0}), ("norm", {"norm": 9.0}), ("norm", {"norm": 0.1}), ("opposed", {"cosine": -0.9}),
     ("loss", {"loss": 9.0})],
)  # fmt: skip
def test_a_group_that_is_strange_in_most_rounds_is_flagged_with_these_rounds(kind: str, strange: dict[str, float]):
    def change(at: int, group: Group) -> Group:
        return altered(group, **strange) if group.place == 1 and at in (0, 2, 3) else group

    (flag,) = look(attempts(change=change))
    assert flag.kind == kind
    assert flag.about == attempts()[0].groups[1].members
    assert flag.evidence == dict.fromkeys(("t/1/1", "t/3/1", "t/4/1"), next(iter(strange.values())))
    assert flag.vote == ""  # no sum tells which member


def test_a_group_that_is_strange_now_and_then_is_not():
    def change(at: int, group: Group) -> Group:
        return altered(group, distance=9.0) if group.place == 1 and at % 2 else group

    assert look(attempts(change=change)) == []


def test_who_is_in_the_strange_group_of_every_epoch_is_named():
    def change(_: int, group: Group) -> Group:
        return altered(group, distance=9.0) if "p04" in group.members else group

    rounds = [
        Attempt(
            f"t/{at + 1}/1",
            at // 4,
            NAMES,
            groups=tuple(
                change(at, Group(place, tuple(part), 1.0, 1.0, 0.5))
                for place, part in enumerate(np.random.default_rng(at // 4).permutation(NAMES).reshape(3, 3).tolist())
            ),
        )
        for at in range(16)
    ]
    flags = look(rounds)
    assert [flag.about for flag in flags if flag.kind == "repeated"] == [("p04",)]
    (named,) = [flag for flag in flags if flag.kind == "repeated"]
    assert named.vote == "fedledger proposal create suspend participant=p04"
    assert len(named.evidence) == 16


def test_who_is_late_far_more_often_than_others_is_flagged_and_who_is_late_once_is_not():
    often = [
        Attempt(f"t/{at}/1", 1, NAMES, late=("p03",) if at % 2 else ("p05",) if at == 4 else ()) for at in range(20)
    ]
    (flag,) = look(often)
    assert (flag.kind, flag.about, len(flag.evidence)) == ("late", ("p03",), 10)


def test_declared_rows_that_jump_are_inconsistent():
    rounds = [Attempt(f"t/{at}/1", 1, NAMES, declared={"p01": 500 if at == 3 else 50, "p02": 50}) for at in range(6)]
    (flag,) = look(rounds)
    assert (flag.kind, flag.about, flag.evidence) == ("inconsistent", ("p01",), {"t/3/1": 10.0})


def test_what_the_ledger_proved_is_repeated_and_what_it_only_notes_is_not():
    facts = [
        {"where": "t/1/1", "kind": "refused-payload", "participant": "p01", "detail": "FL0503"},
        {"where": "t/2/1", "kind": "exposure", "participant": "p02", "detail": "by 1"},
    ]
    (flag,) = look([], facts)
    assert (flag.about, flag.evidence) == (("p01",), {"t/1/1": 1.0})


def test_a_training_that_leaps_or_turns_round_drifts():
    lengths = [Attempt(f"t/{at}/1", 1, NAMES, length=9.0 if at == 6 else 1.0) for at in range(8)]
    turns = [Attempt(f"t/{at}/1", 1, NAMES, turn=-0.9 if at % 2 else 0.9) for at in range(8)]
    (leap,) = look(lengths)
    (turned,) = look(turns)
    assert (leap.kind, leap.about, leap.evidence) == ("drift", (), {"t/6/1": 9.0})
    assert leap.vote == "fedledger proposal create roll_back_training training=t round=5"
    assert len(turned.evidence) == 4


def test_figures_are_beside_the_other_groups():
    means = [np.array([1.0, 0.0]), np.array([1.0, 0.1]), np.array([-10.0, 0.0])]
    first, _, last = figures([(0, ("a",)), (1, ("b",)), (2, ("c",))], means, [1.0, 1.0, 4.0])
    assert first.norm == pytest.approx(1.0, abs=0.01)
    assert last.cosine < -0.9
    assert last.norm > 9
    assert last.distance > LIMITS.distance
    assert last.loss == 4.0


def test_two_groups_have_no_outlier_and_nothing_has_no_angle():
    assert figures([(0, ("a",)), (1, ("b",))], [np.ones(2), -np.ones(2)], [None, None]) == ()
    assert cosine(np.zeros(2), np.ones(2)) == 0.0


def test_a_simulated_sign_flip_is_seen_and_the_same_training_without_it_is_not_flagged():
    honest, _ = flagged(Setting(9, 3, 0, RobustGroups(1), ATTACKS["none"]))
    attacked, faulty = flagged(Setting(9, 3, 1, RobustGroups(1), ATTACKS["sign-flip"]))
    assert honest == []
    assert {"outlying", "norm", "opposed"} <= {flag.kind for flag in attacked}
    assert all(faulty & set(flag.about) for flag in attacked if flag.about)


def test_a_ledger_without_blobs_and_one_that_cannot_be_read_have_their_line(tmp_path: Path):
    one = {
        "round": 1, "attempt": 1, "phase": "Final", "epoch": 1, "cohort": ["a", "b"], "survivors": ["a"],
        "updates": {"a": {"examples": 5}}, "proposal": {"aggregate": "0" * 64, "metrics": {"train/loss": "0.5"}},
    }  # fmt: skip
    story = {"flags": [], "trainings": [{"training": "t", "plan": "1" * 64, "rounds": [one]}]}
    (found,) = Monitor(Blobs(None)).look(story)
    assert (found["attempts"], found["in_groups"], found["flags"], found["unreadable"]) == (1, 0, [], "")
    story["trainings"][0]["rounds"] = [{**one, "cohort": None}]
    (broken,) = Monitor(Blobs(tmp_path)).look(story)
    assert broken["attempts"] == 0
    assert broken["unreadable"]


def test_of_updates_that_are_shown_the_flag_names_one_whatever_its_place_in_the_cohort():
    def shown(at: int) -> Attempt:
        cohort = [name for name in "abcdef" if (name != "a") or at % 2]
        groups = tuple(
            Group(place, (name,), 1.0, 9.0 if name == "d" else 1.0, 0.9) for place, name in enumerate(cohort)
        )
        return Attempt(f"t/{at}/1", 1, tuple(cohort), groups=groups, shown=True)

    (flag,) = look([shown(at) for at in range(4)])
    assert (flag.kind, flag.about, len(flag.evidence)) == ("outlying", ("d",), 4)
    assert flag.text == "d lies far from the others' means in 4 of 4 rounds of epoch 1"
    assert flag.vote == "fedledger proposal create suspend participant=d"


def test_what_groups_contributed_stands_beside_equal_shares():
    story = {
        "trainings": [
            {
                "training": "t",
                "rounds": [
                    {"epoch": 1, "groups": [["a", "b", "c"], ["d", "e", "f"]], "contribution": [65_536, 0]},
                    {"epoch": 1, "groups": [["a", "b", "c"], ["d", "e", "f"]], "contribution": [3 * 65_536, 65_536]},
                    {"epoch": 2, "groups": [["a", "e", "c"], ["d", "b", "f"]], "contribution": [-65_536, 0]},
                    {"epoch": 3, "groups": [["a", "e", "c"], ["d", "b", "f"]]},
                ],
            }
        ]
    }
    rows = group_contributions(story)
    assert [(row["epoch"], row["members"][0], row["loss"], row["share"], row["uniform"]) for row in rows] == [
        (1, "a", 3.0, 0.75, 0.5), (1, "d", 1.0, 0.25, 0.5), (2, "a", -1.0, 0.0, 0.5), (2, "d", 0.0, 0.0, 0.5),
    ]  # fmt: skip
