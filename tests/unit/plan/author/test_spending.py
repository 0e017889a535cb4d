"""ε beside the curves of `plan try`: what the audit would add up for rounds in which every share survived."""

from pathlib import Path

import pytest

from audit.verify.privacy import spent_by
from fl_node.examples.shares import write_shares
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.private import Goal, calibrated
from fl_node.plan.author import api
from fl_node.plan.author.cli import as_fields, show_trial
from fl_node.plan.author.curves import draw
from fl_node.plan.author.spending import said_of, spent_after
from fl_node.plan.author.trial import Round, Trial
from fl_node.plan.frameworks import JAX
from fl_node.plan.manifest import Quantisation
from tests.unit.plan.arithmetic import models

QUANTISATION = Quantisation(bits=24, clip="1", weight_cap=64)
MEASURED = models.MEASURED
GOAL = Goal(epsilon="3", rounds=20)
PLAN = models.private(
    Averaging(
        quantisation=QUANTISATION,
        measured=MEASURED,
        privacy=calibrated(GOAL, QUANTISATION, MEASURED, models.NUMBERS),
    )
)
ROOT = Path(__file__).parents[4]


def _attempt(number: int, survivors: list[str]) -> dict[str, object]:
    return {"training": "t", "round": number, "attempt": 1, "survivors": survivors}


def test_it_is_what_the_audit_adds_up_for_such_rounds():
    names = ["a", "b", "c", "d"]
    story = {"training": "t", "rounds": [_attempt(number, names) for number in range(1, 8)]}
    audited = spent_by(PLAN, story)
    assert audited
    assert spent_after(PLAN, 4, 7) == audited.participants["a"]


def test_it_grows_with_rounds_falls_with_shares_and_meets_the_promise():
    each = [spent_after(PLAN, GOAL.survivors, rounds) or 0 for rounds in (1, 10, 20, 40)]
    assert each == sorted(set(each))
    assert each[2] == pytest.approx(3, abs=0.05)
    assert each[2] <= 3 < each[3]
    assert (spent_after(PLAN, 8, 20) or 9) < each[2]
    assert spent_after(models.manifest(), 4, 7) is None


def test_people_are_told_where_a_trial_is_another_than_what_was_promised():
    assert said_of(models.manifest(), 2, 100) == []
    (promise,) = said_of(PLAN, 3, 20)
    assert promise.startswith("the plan promises ε = ")
    _, shares, rounds = said_of(PLAN, 2, 21)
    assert shares == "2 shares are fewer than its 3 survivors: nodes would reveal nothing"
    assert rounds == "21 rounds are more than its 20: its ε = 3 is for those"


def test_it_stands_beside_the_curves_for_people_for_machines_and_in_the_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rounds = tuple(
        Round(n, {"train/loss": 1 / n}, (), (), moved=True, seconds=0, epsilon=0.625 * n) for n in range(1, 4)
    )
    trial = Trial((5, 5), rounds, {}, b"", ("the plan promises much",))
    show_trial(trial)
    shown = capsys.readouterr().out
    assert "1.88" in shown
    assert "differential privacy: the plan promises much" in shown
    assert [each["epsilon"] for each in as_fields(trial)["rounds"]] == [0.625, 1.25, 1.875]
    draw(trial, tmp_path / "with.svg")
    draw(
        Trial((5, 5), tuple(Round(1, {"train/loss": 1.0}, (), (), True, 0) for _ in "a"), {}, b""), tmp_path / "no.svg"
    )
    pictures = [(tmp_path / name).read_text().count('id="axes_') for name in ("with.svg", "no.svg")]
    assert pictures == [2, 1]


@pytest.mark.jax
@pytest.mark.lengthy
def test_a_trial_of_the_example_with_privacy_tells_it_round_by_round(tmp_path: Path):
    assert JAX.environment
    JAX.environment.install()
    shares = write_shares("tumour", tmp_path, ("one", "two", "three"))
    trial = api.try_plan(ROOT / "fl_node/examples/tumour_private.py", list(shares.values()), rounds=3)
    spent = [each.epsilon or 0 for each in trial.rounds]
    assert 0 < spent[0] < spent[1] < spent[2] < 3
    assert trial.privacy[0].startswith("the plan promises ε = 3")
