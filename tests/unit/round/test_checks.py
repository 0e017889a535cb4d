"""What the node refuses by itself, one test for each rule."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from fl_node.errors import RefusalError
from fl_node.ledger.records import Round
from fl_node.ledger.settled import settled
from fl_node.privacy.integers import Numbers
from fl_node.round import checks

if TYPE_CHECKING:
    from fl_node.privacy.accounting import Promise

DIGEST, OTHER = "ab" * 32, "cd" * 32
NAMES = ("a", "b", "c", "d")
KNOWN = checks.Trusted(
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
        "voters": 4,
        "majority": 3,
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
    checks.check_opening(ROUND, KNOWN)
    checks.check_reveal(ROUND, KNOWN)
    assert agreed(ROUND, {"bMSP": ROUND, "cMSP": None}, 1)
    checks.check_unchanged(ROUND, NAMES)
    checks.check_unchanged(ROUND, None)


@pytest.mark.parametrize(("field", "code"), [("plan", "FL4301"), ("base_state", "FL4301"), ("layout_digest", "FL4302")])
def test_t1_another_model_is_refused_before_a_key_is_drawn(field: str, code: str):
    assert code == refused(lambda: checks.check_opening(ROUND.model_copy(update={field: OTHER}), KNOWN))


def test_a_plan_that_zeroes_or_promises_privacy_is_refused_in_groups_and_only_there():
    split = ROUND.model_copy(update={"groups": (NAMES[:2], NAMES[2:])})
    for trusted in (replace(KNOWN, zeroing=True), replace(KNOWN, promise=cast("Promise", object()))):
        assert refused(lambda trusted=trusted: checks.check_opening(split, trusted)) == "FL4302"
        checks.check_opening(ROUND, trusted)


def test_a_plan_that_is_registered_with_another_promise_than_its_file_gives_is_refused():
    promise = Numbers("record", "0.00001", 3, 1, 10**12, 0)
    checks.check_opening(ROUND, replace(KNOWN, numbers=promise))  # registered under version 1: there are no accounts
    checks.check_opening(ROUND, replace(KNOWN, numbers=promise, registered=promise))
    for other in (Numbers(), replace(promise, squared_e15=10**12 - 1), replace(promise, colluders=0)):
        trusted = replace(KNOWN, numbers=promise, registered=other)
        assert refused(lambda trusted=trusted: checks.check_opening(ROUND, trusted)) == "FL4311"


def test_t10_a_member_whom_nobody_vetted_is_refused():
    stranger = ROUND.model_copy(update={"cohort": (*NAMES, "stranger")})
    assert refused(lambda: checks.check_opening(stranger, KNOWN)) == "FL4303"
    survivor = ROUND.model_copy(update={"survivors": (*NAMES, "stranger")})
    assert refused(lambda: checks.check_reveal(survivor, KNOWN)) == "FL4303"


def test_t28_one_survivor_with_most_examples_is_refused():
    updates = {n: u.model_copy(update={"examples": 71 if n == "a" else 9}) for n, u in ROUND.updates.items()}
    assert refused(lambda: checks.check_reveal(ROUND.model_copy(update={"updates": updates}), KNOWN)) == "FL4304"


@pytest.mark.parametrize(("most", "limit_ppm"), [(700_000, 700_000), (2_700_000, 1_000_000)])
def test_t28_exactly_the_largest_part_is_not_refused(most: int, limit_ppm: int):
    updates = {n: u.model_copy(update={"examples": most if n == "a" else 100_000}) for n, u in ROUND.updates.items()}
    checks.check_reveal(ROUND.model_copy(update={"updates": updates}), replace(KNOWN, share_limit_ppm=limit_ppm))
    updates["a"] = updates["a"].model_copy(update={"examples": most + 1})
    one_more = ROUND.model_copy(update={"updates": updates})
    assert refused(lambda: checks.check_reveal(one_more, replace(KNOWN, share_limit_ppm=limit_ppm))) == "FL4304"


def test_t28_no_vote_lifts_the_limit_altogether():
    updates = {n: u.model_copy(update={"examples": 991 if n == "a" else 3}) for n, u in ROUND.updates.items()}
    lax = replace(KNOWN, share_limit_ppm=1_000_000)
    assert refused(lambda: checks.check_reveal(ROUND.model_copy(update={"updates": updates}), lax)) == "FL4304"


def shown(**changes: object) -> Round:
    return Round.model_validate(ROUND.model_dump() | changes)


def agreed(view: Round, others: dict[str, Round | None], faulty: int) -> bool:
    return checks.check_agreement(view, {msp: other and settled(other) for msp, other in others.items()}, faulty)


LIE = shown(survivors=NAMES[:3])


def test_t3_more_peers_with_other_survivors_than_may_lie_are_noticed():
    others = {"bMSP": ROUND, "cMSP": LIE, "dMSP": LIE}
    assert refused(lambda: agreed(ROUND, others, 1)) == "FL4305"


def test_t3_one_lying_peer_stops_nobody():
    assert agreed(ROUND, {"bMSP": LIE, "cMSP": ROUND, "dMSP": None}, 1)


@pytest.mark.parametrize(
    "silent",
    [
        None,
        LIE,
        shown(phase="Updates", survivors=()),
        shown(phase="Void"),
        shown(frozen=({"survivors": NAMES},)),
    ],
    ids=["unreachable", "lying", "a phase behind", "ended", "with a set that ours does not show"],
)
def test_t3_a_peer_that_does_not_confirm_is_no_witness(silent: Round | None):
    assert not agreed(ROUND, {"bMSP": silent, "cMSP": None, "dMSP": None}, 1)


def test_t3_a_peer_that_lacks_a_set_that_ours_shows_is_no_witness_and_no_liar():
    ours = shown(frozen=({"survivors": NAMES},))
    assert not agreed(ours, {"bMSP": ROUND, "cMSP": ROUND, "dMSP": ROUND}, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": {"a": {"seal_key": OTHER, "mask_key": OTHER}}},
        {"base_state": OTHER},
        {"cohort": (*NAMES, "e")},
        {"threshold": 4},
    ],
)
def test_t4_keys_and_cohort_are_confirmed_before_shares_are_sealed_to_them(changes: dict[str, object]):
    dealing = shown(phase="Shares", survivors=(), updates={})
    further = shown(**changes)  # a peer may be phases ahead
    assert agreed(dealing, {"bMSP": ROUND}, 1)
    assert not agreed(dealing, {"bMSP": further}, 1)
    both = {"bMSP": further, "cMSP": further}
    assert refused(lambda: agreed(dealing, both, 1)) == "FL4305"


def test_t2_other_survivors_than_those_of_an_earlier_reveal_are_refused():
    assert refused(lambda: checks.check_unchanged(ROUND, NAMES[:3])) == "FL4306"
