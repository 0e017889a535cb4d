"""What the node refuses by itself, one test for each rule."""

from collections.abc import Callable

import pytest

from fl_node import refusals
from fl_node.errors import RefusalError
from fl_node.views import Round

DIGEST, OTHER = "ab" * 32, "cd" * 32
NAMES = ("a", "b", "c", "d")
KNOWN = refusals.Knowledge(
    plan=DIGEST,
    layout_digest=DIGEST,
    base_states=frozenset({DIGEST}),
    organisations={name: f"{name}MSP" for name in NAMES},
)
ROUND = Round.model_validate(
    {
        "training": "t",
        "round": 1,
        "attempt": 1,
        "phase": "Unmask",
        "plan": DIGEST,
        "base_state": DIGEST,
        "layout_digest": DIGEST,
        "session": DIGEST,
        "threshold": 3,
        "cohort": NAMES,
        "survivors": NAMES,
        "updates": {name: {"digest": DIGEST, "length": 16, "examples": 10} for name in NAMES},
    }
)


def refused(check: Callable[[], None]) -> str:
    with pytest.raises(RefusalError) as caught:
        check()
    return caught.value.code


def test_an_honest_round_is_not_refused():
    refusals.check_opening(ROUND, KNOWN)
    refusals.check_reveal(ROUND, KNOWN)
    refusals.check_agreement(ROUND, {"bMSP": ROUND, "cMSP": None})
    refusals.check_unchanged(ROUND, NAMES)
    refusals.check_unchanged(ROUND, None)


@pytest.mark.parametrize(("field", "code"), [("plan", "FL4301"), ("base_state", "FL4301"), ("layout_digest", "FL4302")])
def test_t1_another_model_is_refused_before_a_key_is_drawn(field: str, code: str):
    assert code == refused(lambda: refusals.check_opening(ROUND.model_copy(update={field: OTHER}), KNOWN))


def test_t10_a_member_whom_nobody_vetted_is_refused():
    stranger = ROUND.model_copy(update={"cohort": (*NAMES, "stranger")})
    assert refused(lambda: refusals.check_opening(stranger, KNOWN)) == "FL4303"
    survivor = ROUND.model_copy(update={"survivors": (*NAMES, "stranger")})
    assert refused(lambda: refusals.check_reveal(survivor, KNOWN)) == "FL4303"


def test_t28_one_survivor_with_most_examples_is_refused():
    updates = {n: u.model_copy(update={"examples": 71 if n == "a" else 9}) for n, u in ROUND.updates.items()}
    assert refused(lambda: refusals.check_reveal(ROUND.model_copy(update={"updates": updates}), KNOWN)) == "FL4304"


def test_t3_a_peer_with_other_survivors_is_noticed():
    other = ROUND.model_copy(update={"survivors": NAMES[:3]})
    assert refused(lambda: refusals.check_agreement(ROUND, {"bMSP": ROUND, "cMSP": other})) == "FL4305"


def test_t3_a_peer_that_lags_behind_does_not_contradict():
    refusals.check_agreement(ROUND, {"bMSP": ROUND.model_copy(update={"phase": "Updates", "survivors": ()})})


def test_t2_other_survivors_than_those_of_an_earlier_reveal_are_refused():
    assert refused(lambda: refusals.check_unchanged(ROUND, NAMES[:3])) == "FL4306"
