"""The node's duties, phase by phase, as a pure function."""

from dataclasses import replace
from typing import Any

import pytest

from fl_node.ledger.records import Round
from fl_node.round.duty import LATEST_MS, TURN_MS, LocalState, duty, finished, to_answer, turn
from fl_node.round.effects import (
    Advance,
    AnswerComplaints,
    Attest,
    CommitShares,
    CommitUpdate,
    Drop,
    OpenRound,
    Propose,
    PublishKeys,
    RevealShares,
    SeekState,
    Settle,
    Train,
)
from fl_node.round.progress import flows, lacking

NAMES = ("a", "b", "c", "d")
DIGEST = "ab" * 32
DEADLINE = 10_000
KEYS = {"seal_key": DIGEST, "mask_key": DIGEST}
SHARES = {"seed_commitment": DIGEST, "shares_root": DIGEST, "sealed": DIGEST}
UPDATE = {"digest": DIGEST, "length": 16, "examples": 10}
SHARED = frozenset({"keys", "shares"})
PROPOSAL = {"number": 1, "proposer": "b", "aggregate": DIGEST, "state": DIGEST}
ME = LocalState("a", "AMSP")


def view(phase: str, **fields: Any) -> Round:
    base = {
        "training": "t", "round": 1, "attempt": 1, "phase": phase, "deadline_ms": DEADLINE, "plan": DIGEST,
        "base_state": DIGEST, "layout_digest": DIGEST, "session": DIGEST, "threshold": 3, "cohort": NAMES,
        "aggregators": ("b", "a", "d", "c"), "voters": 4, "majority": 3,
    }  # fmt: skip
    return Round.model_validate(base | fields)


def keys(*names: str) -> dict[str, Any]:
    return {"keys": dict.fromkeys(names, KEYS), "u1": names}


def shared(*names: str) -> dict[str, Any]:
    return keys(*NAMES) | {"shares": dict.fromkeys(names, SHARES), "u2": names}


def updated(*names: str) -> dict[str, Any]:
    return shared(*NAMES) | {"updates": dict.fromkeys(names, UPDATE), "survivors": names}


def attested(agree: int, disagree: int = 0) -> dict[str, Any]:
    verdicts = [True] * agree + [False] * disagree
    return {f"{name.upper()}MSP": {"state": DIGEST, "agree": v} for name, v in zip("bcda", verdicts, strict=False)}


def test_a_drawn_participant_publishes_keys_and_starts_training():
    assert duty(view("Keys"), ME, 0) == (Train(), PublishKeys())


def test_one_who_is_not_in_the_cohort_publishes_nothing():
    assert duty(view("Keys", cohort=("b", "c", "d")), ME, 0) == ()


def test_one_with_keys_only_trains_until_the_others_have_theirs():
    assert duty(view("Keys", **keys("a", "b")), replace(ME, done=frozenset({"keys"})), 0) == (Train(),)


def test_a_crash_between_journal_and_ledger_publishes_again():
    assert PublishKeys() in duty(view("Keys"), replace(ME, done=frozenset({"keys"})), 0)


def test_a_member_with_keys_commits_shares():
    own = replace(ME, done=frozenset({"keys"}))
    assert duty(view("Shares", **keys(*NAMES)), own, 0) == (Train(), CommitShares())
    assert duty(view("Shares", **shared("a")), replace(own, done=SHARED), 0) == (Train(),)


def test_one_without_keys_has_no_part_in_the_later_phases():
    for phase in ("Shares", "Updates", "Unmask"):
        assert duty(view(phase, **keys("b", "c", "d")), ME, 0) == ()


def test_a_member_with_shares_commits_its_update():
    own = replace(ME, done=frozenset({"keys", "shares"}))
    assert duty(view("Updates", **shared(*NAMES)), own, 0) == (CommitUpdate(),)


def test_while_it_trains_it_waits_for_nothing_and_stays_free_for_other_duties():
    own = replace(ME, done=frozenset({"keys", "shares"}), trained=False)
    assert duty(view("Updates", **shared(*NAMES)), own, 0) == (Train(),)


def test_a_node_whose_framework_is_still_starting_leaves_attesting_to_the_others():
    proposed = view("Attest", **updated(*NAMES), proposal=PROPOSAL)
    turns = ({"participant": "a", "from_ms": 0},)
    assert duty(proposed, replace(ME, dropped="FL3010", ready=False), 0) == ()
    assert duty(view("Attest", **updated(*NAMES), turns=turns), replace(ME, dropped="FL3010", ready=False), 0) == ()


def test_all_of_u2_reveal_even_one_whose_update_came_too_late():
    own = replace(ME, done=frozenset({"keys", "shares", "masked"}))
    assert duty(view("Unmask", **updated("b", "c", "d")), own, 0) == (RevealShares(),)


@pytest.mark.parametrize(
    ("phase", "fields", "done"),
    [
        ("Keys", keys("a"), set()),
        ("Shares", keys(*NAMES) | shared("a"), {"keys"}),
        ("Updates", updated("a"), {"keys", "shares"}),
        ("Unmask", updated(*NAMES) | {"revealed": ("a",)}, {"keys", "shares", "masked"}),
    ],
)
def test_a_deed_on_the_ledger_that_the_journal_does_not_know_makes_it_drop_out(phase: str, fields: dict, done: set):
    assert duty(view(phase, **fields), replace(ME, done=frozenset(done)), 0) == (Drop("FL4203"),)


def test_a_node_that_dropped_out_reveals_nothing_but_still_moves_phases():
    own = replace(ME, dropped="FL3010", ripe_ms=TURN_MS)
    assert duty(view("Unmask", **updated(*NAMES)), own, 0) == ()
    assert duty(view("Unmask", **updated(*NAMES), revealed=NAMES), own, 0) == (Advance(),)


def test_the_first_in_order_advances_at_once_and_the_others_wait_their_turn():
    complete = view("Keys", **keys(*NAMES))
    own = {name: LocalState(name, name.upper(), done=frozenset({"keys"})) for name in NAMES}
    assert [turn(complete, own[name]) for name in "badc"] == [0, 1, 2, 3]
    assert Advance() in duty(complete, own["b"], 0)
    assert Advance() not in duty(complete, own["a"], 0)
    assert Advance() in duty(complete, replace(own["a"], ripe_ms=TURN_MS), 0)


def test_a_deadline_lets_an_incomplete_phase_move_on():
    own = replace(ME, done=frozenset({"keys"}), ripe_ms=TURN_MS)
    assert Advance() not in duty(view("Keys", **keys("a", "b", "c")), own, DEADLINE - 1)
    assert Advance() in duty(view("Keys", **keys("a", "b", "c")), own, DEADLINE)
    assert Advance() in duty(view("Keys", **keys("a", "b", "c")), own, DEADLINE + 1)


def test_a_deadline_ends_the_wait_for_attestations_to_a_proposal_but_not_for_the_proposal():
    own = LocalState("a", "BMSP", dropped="FL3010", ripe_ms=TURN_MS)
    proposed = view("Attest", **updated(*NAMES), proposal=PROPOSAL, attestations=attested(1))
    assert duty(proposed, own, DEADLINE - 1) == ()
    assert duty(proposed, own, DEADLINE) == duty(proposed, own, DEADLINE + 1) == (Advance(),)
    assert duty(view("Attest", **updated(*NAMES)), own, DEADLINE + 1) == ()


def test_the_elected_aggregator_proposes_and_the_next_only_after_the_lease():
    turns = ({"participant": "b", "from_ms": 0}, {"participant": "a", "from_ms": 5000})
    waiting = view("Attest", **updated(*NAMES), turns=turns)
    own = replace(ME, dropped="FL3010")
    assert duty(waiting, replace(own, participant="b"), 0) == (Propose(),)
    assert duty(waiting, own, 4999) == ()
    assert duty(waiting, own, 5000) == duty(waiting, own, 9000) == (Propose(),)
    assert duty(waiting, replace(own, participant="c"), 9000) == ()


def test_each_organisation_attests_once_and_a_majority_ends_the_phase():
    proposed = view("Attest", **updated(*NAMES), proposal=PROPOSAL)
    own = replace(ME, dropped="FL3010", ripe_ms=TURN_MS)
    assert duty(proposed, own, 0) == (Attest(1),)
    assert duty(
        proposed.model_copy(update={"attestations": view("Attest", attestations=attested(3)).attestations}), own, 0
    ) == (Advance(),)


@pytest.mark.parametrize(
    ("agree", "disagree", "due"),
    [(2, 0, Attest(1)), (3, 0, Advance()), (2, 2, Attest(1)), (1, 3, Advance())],
)
def test_of_six_organisations_with_one_suspended_three_decide(agree: int, disagree: int, due: object):
    fields = updated(*NAMES) | {"proposal": PROPOSAL, "voters": 5, "majority": 3}
    shown = view("Attest", **fields, attestations=attested(agree, disagree))
    assert duty(shown, LocalState("a", "SLOWMSP", dropped="FL3010", ripe_ms=TURN_MS), 0) == (due,)


def test_a_majority_of_refutations_or_the_last_attestation_passes_the_turn_on_and_half_does_not():
    own = replace(ME, dropped="FL3010", ripe_ms=TURN_MS)
    proposed = {**updated(*NAMES), "proposal": PROPOSAL}
    assert duty(view("Attest", **proposed, attestations=attested(0, 2)), own, 0) == (Attest(1),)
    assert duty(view("Attest", **proposed, attestations=attested(1, 2)), own, 0) == (Attest(1),)
    assert duty(view("Attest", **proposed, attestations=attested(0, 3)), own, 0) == (Advance(),)
    assert duty(view("Attest", **proposed, attestations=attested(2, 2)), own, 0) == (Advance(),)


def test_a_final_round_is_settled_and_the_next_opened_while_the_training_runs():
    own = replace(ME, ripe_ms=TURN_MS)
    assert duty(view("Final", **updated(*NAMES)), own, 0) == (OpenRound(), Settle())
    assert duty(view("Final", **updated(*NAMES)), replace(own, running=False), 0) == (Settle(),)
    assert duty(view("Void", **keys(*NAMES)), own, 0) == (OpenRound(),)
    assert duty(view("Void", **keys(*NAMES)), replace(own, ripe_ms=TURN_MS - 1), 0) == ()
    assert duty(view("Void", **keys(*NAMES)), replace(own, ripe_ms=5 * TURN_MS), 0) == (OpenRound(),)


def test_a_node_whose_framework_is_still_starting_takes_part_at_the_last_moment_of_the_phases_before_updates():
    own = replace(ME, ready=False, done=frozenset({"keys"}))
    last = DEADLINE - LATEST_MS
    assert duty(view("Keys"), own, last - 1) == (Train(),)
    assert duty(view("Keys"), own, last) == duty(view("Keys"), own, last + 1) == (Train(), PublishKeys())
    assert duty(view("Shares", **keys(*NAMES)), own, last - 1) == (Train(),)
    assert duty(view("Shares", **keys(*NAMES)), own, last) == (Train(), CommitShares())


def test_who_has_dropped_out_comes_last_in_doing_what_anyone_may_do():
    own = [replace(ME, participant=name) for name in ("b", "a", "d", "c")]
    assert [turn(view("Keys"), one) for one in own] == [0, 1, 2, 3]
    assert [turn(view("Updates", **shared("a", "c", "d")), one) for one in own] == [3, 0, 1, 2]
    assert [turn(view("Unmask", **updated("c", "d", "b")), one) for one in own] == [0, 3, 1, 2]


def test_everybody_has_something_to_do_when_all_have_spoken_only_where_no_advance_ends_the_phase():
    assert flows(view("Keys", rules=2))
    assert flows(view("Shares", rules=2))
    assert not flows(view("Updates", rules=2))
    assert not flows(view("Unmask", rules=2))
    assert not flows(view("Keys", rules=1))


def test_a_phase_lacks_the_records_that_are_awaited_and_a_proposal_those_that_decide_it():
    assert lacking(view("Keys", **keys("a"))) == 3
    assert lacking(view("Unmask", **updated(*NAMES), revealed=("a", "b"))) == 2
    assert lacking(view("Attest", **updated(*NAMES))) == 0
    proposed = {**updated(*NAMES), "proposal": PROPOSAL}
    assert [lacking(view("Attest", **proposed, attestations=attested(*votes))) for votes in
            ((0, 0), (1, 0), (2, 0), (3, 0), (2, 1), (1, 2), (2, 2))] == [3, 2, 1, 0, 1, 1, 0]  # fmt: skip


def test_a_training_is_finished_for_a_node_once_its_turn_to_settle_the_last_round_has_passed():
    last = view("Final", **updated(*NAMES))
    assert not finished(last, replace(ME, running=False, ripe_ms=TURN_MS - 1))
    assert finished(last, replace(ME, running=False, ripe_ms=TURN_MS))
    assert finished(last, replace(ME, running=False, ripe_ms=5 * TURN_MS))
    assert not finished(last, replace(ME, ripe_ms=TURN_MS))


def complained(*by: str, **fields: Any) -> Round:
    return view("Updates", **shared(*NAMES), complaints={"a": dict.fromkeys(by, False)}, **fields)


def test_a_dealer_answers_a_complaint_before_and_after_its_own_update():
    assert duty(complained("b"), replace(ME, done=SHARED), 0) == (AnswerComplaints(), CommitUpdate())
    committed = complained("b", updates={"a": UPDATE})
    assert duty(committed, replace(ME, done=SHARED | {"masked"}), 0) == (AnswerComplaints(),)


def test_no_complaint_is_answered_twice_nor_more_than_may_be_false():
    assert to_answer(complained("b"), "a") == ("b",)
    assert to_answer(complained("b").model_copy(update={"complaints": {"a": {"b": True}}}), "a") == ()
    assert to_answer(complained("b", "c"), "a") == ()


def test_a_complaint_is_answered_though_the_others_could_make_up_for_it_if_none_withheld_its_share():
    seven = tuple("abcdefg")
    fields = {"cohort": seven, "u2": seven, "threshold": 5, "complaints": {"a": {"b": False}}}
    assert to_answer(view("Updates", **fields), "a") == ("b",)
    assert to_answer(view("Updates", **fields | {"complaints": {"a": {"b": False, "g": False}}}), "a") == ("b", "g")
    three = {"a": {"b": False, "f": False, "g": False}}
    assert to_answer(view("Updates", **fields | {"complaints": three}), "a") == ()


def denied(*places: int, aggregate: str = DIGEST) -> dict[str, Any]:
    return {f"{NAMES[place].upper()}MSP": {"aggregate": aggregate, "code": "FL3042"} for place in places}


def test_when_one_finds_no_state_the_others_look_for_one_and_a_majority_ends_the_attempt():
    own = replace(ME, dropped="FL3010")
    told = view("Attest", **updated(*NAMES), no_state=denied(1))
    assert duty(told, own, 0) == (SeekState(),)
    assert duty(told, replace(own, found=True), 0) == ()
    assert duty(view("Attest", **updated(*NAMES), no_state=denied(0, 1)), own, 0) == ()
    over = view("Attest", **updated(*NAMES), no_state=denied(1, 2, 3))
    assert duty(over, replace(own, ripe_ms=TURN_MS * len(NAMES)), 0) == (Advance(),)
    apart = view("Attest", **updated(*NAMES), no_state={**denied(1, 2), **denied(3, aggregate="cd" * 32)})
    assert duty(apart, replace(own, ripe_ms=TURN_MS * len(NAMES)), 0) == (SeekState(),)


def test_a_proposal_is_attested_though_another_finds_no_state():
    own = replace(ME, dropped="FL3010")
    proposed = view("Attest", **updated(*NAMES), proposal=PROPOSAL, no_state=denied(1))
    assert duty(proposed, own, 0) == (Attest(1),)
    assert duty(view("Attest", **updated(*NAMES), proposal=PROPOSAL, no_state=denied(0)), own, 0) == ()
