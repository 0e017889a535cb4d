"""Who carries the words of a phase, when it gathers and carries them, and when a word that was handed is said again."""

from dataclasses import replace
from typing import Any

import pytest

from fl_node.ledger.records import WORDS, Phase, Round
from fl_node.round.duty import HURRY_TURNS, TURN_MS, LocalState, duty
from fl_node.round.effects import (
    AnswerComplaints,
    Attest,
    Carry,
    CommitShares,
    CommitUpdate,
    Drop,
    Effect,
    Gather,
    PublishKeys,
    RevealShares,
    TellDropout,
    Train,
)
from fl_node.round.progress import ENDED_BY_ADVANCE, awaited, carrier, in_turn, lacking, ripe
from tests.unit.round.test_duty import (
    DEADLINE,
    KEYS,
    NAMES,
    PROPOSAL,
    SHARED,
    UPDATE,
    attested,
    keys,
    shared,
    updated,
    view,
)

CARRIER = LocalState("b", "BMSP", frozenset({"keys", "shares", "masked", "reveal"}), dropped="FL3010")
"""The first in order; it has dropped out, so that all that it does is for others."""
SPEAKER = LocalState("c", "CMSP", frozenset({"keys", "shares", "masked", "reveal"}))
FAR = DEADLINE - HURRY_TURNS * TURN_MS - 1
"""The last moment that is not yet close to the deadline."""


def spoken(phase: Phase, *names: str) -> Round:
    """Return an attempt by version 2 in a phase in which some have spoken."""
    fields: dict[Phase, dict[str, Any]] = {
        "Keys": {"keys": dict.fromkeys(names, KEYS)},
        "Shares": shared(*names) | {"u2": ()},
        "Updates": shared(*NAMES) | {"updates": dict.fromkeys(names, UPDATE)},
        "Unmask": updated(*NAMES) | {"revealed": names},
        "Attest": updated(*NAMES) | {"proposal": PROPOSAL, "attestations": attested(len(names))},
    }
    return view(phase, rules=2, **fields[phase])


def carrying(shown: Round, own: LocalState, now_ms: int = 0) -> tuple[Effect, ...]:
    """Return what is due that is a carrier's."""
    return tuple(effect for effect in duty(shown, own, now_ms) if isinstance(effect, Gather | Carry))


@pytest.mark.parametrize("phase", WORDS)
def test_the_first_in_order_carries_the_words_of_every_phase(phase: Phase):
    assert carrier(spoken(phase)) == "b"
    assert carrying(spoken(phase), CARRIER) == (Gather(),)
    for name in "acd":
        other = replace(CARRIER, participant=name, msp=f"{name.upper()}MSP", gathered=4, held_ms=9 * TURN_MS)
        assert carrying(spoken(phase), other, DEADLINE) == ()


@pytest.mark.parametrize("phase", WORDS)
def test_by_version_1_of_the_rules_nobody_carries(phase: Phase):
    shown = spoken(phase).model_copy(update={"rules": 1})
    assert carrier(shown) is None
    assert carrying(shown, replace(CARRIER, gathered=4, held_ms=9 * TURN_MS), DEADLINE) == ()


@pytest.mark.parametrize("phase", ["Final", "Void"])
def test_what_is_over_has_no_carrier(phase: Phase):
    assert carrier(view(phase, rules=2)) is None
    assert carrying(view(phase, rules=2), replace(CARRIER, gathered=4)) == ()


def test_who_has_dropped_out_of_the_attempt_carries_only_where_nobody_is_left():
    later = shared("a", "c", "d")  # b was the first of those drawn
    assert (carrier(view("Shares", rules=2, **keys(*NAMES))), carrier(view("Updates", rules=2, **later))) == ("b", "a")
    assert in_turn(view("Updates", rules=2, **later)) == ["a", "d", "c", "b"]
    assert carrier(view("Unmask", rules=2, **updated("d", "c"))) == "d"
    assert carrier(view("Keys", rules=2, aggregators=())) == "a"
    assert carrier(view("Keys", rules=2, aggregators=(), cohort=())) is None


@pytest.mark.parametrize(
    ("phase", "missing"), [("Keys", 4), ("Shares", 4), ("Updates", 4), ("Unmask", 4), ("Attest", 3)]
)
def test_words_are_carried_as_soon_as_all_are_here_that_the_phase_lacks(phase: Phase, missing: int):
    shown = spoken(phase)
    assert lacking(shown) == missing
    assert carrying(shown, replace(CARRIER, gathered=missing - 1), FAR) == (Gather(),)
    for here in (missing, missing + 1):
        assert carrying(shown, replace(CARRIER, gathered=here), FAR) == (Gather(), Carry(last=True))


@pytest.mark.parametrize("phase", WORDS)
def test_some_words_are_carried_when_the_oldest_has_lain_here_for_a_turn(phase: Phase):
    own = replace(CARRIER, gathered=1)
    for held_ms, due in ((TURN_MS - 1, ()), (TURN_MS, (Carry(last=False),)), (TURN_MS + 1, (Carry(last=False),))):
        assert carrying(spoken(phase), replace(own, held_ms=held_ms), FAR) == (Gather(), *due)


def test_a_carrier_whose_ledger_is_slow_holds_words_for_longer():
    own = replace(CARRIER, gathered=1, held_ms=3 * TURN_MS - 1, turn_ms=3 * TURN_MS)
    assert carrying(spoken("Keys"), own, 0) == (Gather(),)
    assert carrying(spoken("Keys"), replace(own, held_ms=3 * TURN_MS), 0) == (Gather(), Carry(last=False))
    assert Carry(last=False) in carrying(spoken("Keys"), own, DEADLINE - HURRY_TURNS * 3 * TURN_MS)


@pytest.mark.parametrize("phase", WORDS)
def test_close_to_the_deadline_no_word_is_held_up(phase: Phase):
    own = replace(CARRIER, gathered=1)
    assert carrying(spoken(phase), own, FAR) == (Gather(),)
    for now_ms in (FAR + 1, FAR + 2, DEADLINE):
        assert carrying(spoken(phase), own, now_ms) == (Gather(), Carry(last=False))


@pytest.mark.parametrize("phase", WORDS)
def test_where_no_word_lies_here_none_is_carried_however_late_it_is(phase: Phase):
    assert carrying(spoken(phase), replace(CARRIER, held_ms=9 * TURN_MS), DEADLINE + 1) == (Gather(),)


@pytest.mark.parametrize("phase", WORDS)
def test_a_phase_that_lacks_nothing_is_not_gathered_for(phase: Phase):
    shown = spoken(phase, *NAMES)
    assert (lacking(shown), awaited(shown)) == (0, ())
    assert carrying(shown, replace(CARRIER, gathered=1, held_ms=9 * TURN_MS), DEADLINE) == ()


def test_before_there_is_a_proposal_no_attestation_is_gathered():
    shown = view("Attest", rules=2, **updated(*NAMES))
    assert carrying(shown, replace(CARRIER, gathered=4, held_ms=9 * TURN_MS), DEADLINE) == ()


@pytest.mark.parametrize("phase", WORDS)
def test_what_is_carried_comes_after_the_carriers_own_word_and_before_the_end_of_the_phase(phase: Phase):
    own = replace(CARRIER, gathered=1, held_ms=TURN_MS, dropped="")
    names = [type(effect).__name__ for effect in duty(spoken(phase), own, DEADLINE)]
    assert names[-3:] == ["Gather", "Carry", "Advance"]
    assert WORDS[phase] in names[:-3]


def test_what_ends_with_the_transaction_that_brings_the_last_words():
    assert {"Updates", "Unmask", "Attest"} == ENDED_BY_ADVANCE


@pytest.mark.parametrize(
    ("phase", "word", "beside"),
    [
        ("Keys", PublishKeys(), (Train(),)),
        ("Shares", CommitShares(), (Train(),)),
        ("Updates", CommitUpdate(), ()),
        ("Unmask", RevealShares(), ()),
        ("Attest", Attest(1), ()),
    ],
)
def test_a_word_that_was_handed_is_said_again_when_its_time_is_over_and_not_before(
    phase: Phase, word: Effect, beside: tuple[Effect, ...]
):
    shown = spoken(phase)
    assert duty(shown, SPEAKER, 0) == (*beside, word)
    assert duty(shown, replace(SPEAKER, handed=frozenset({WORDS[phase]})), 0) == beside
    others = frozenset(WORDS.values()) - {WORDS[phase]}
    assert duty(shown, replace(SPEAKER, handed=others), 0) == (*beside, word)


def test_who_has_handed_its_update_still_answers_who_complains_of_it():
    shown = view("Updates", rules=2, **shared(*NAMES), complaints={"c": {"a": False}})
    own = replace(SPEAKER, handed=frozenset({"CommitUpdate"}))
    assert duty(shown, own, 0) == (AnswerComplaints(),)


def test_a_word_on_the_ledger_that_the_journal_does_not_know_makes_its_speaker_drop_out_also_where_it_was_carried():
    own = replace(SPEAKER, done=SHARED, handed=frozenset({"CommitUpdate"}))
    assert duty(spoken("Updates", "c"), own, 0) == (Drop("FL4203"),)


LEFT = {"phase": "Updates", "reason": "FL3010", "time_ms": 1}


@pytest.mark.parametrize("phase", ["Keys", "Shares", "Updates", "Unmask"])
def test_who_has_left_says_so_once_where_it_is_waited_for(phase: Phase):
    gone = replace(SPEAKER, dropped="FL3042")
    told = TellDropout("FL3042")
    assert duty(spoken(phase, "a", "b"), gone, 0) == (told,)
    assert duty(spoken(phase, "a", "c"), gone, 0) == ()  # its own word is there
    assert duty(spoken(phase, "a", "b").model_copy(update={"rules": 1}), gone, 0) == ()
    known = Round.model_validate(spoken(phase, "a", "b").model_dump() | {"dropouts": {"c": LEFT}})
    assert duty(known, gone, 0) == ()


def test_who_was_not_asked_and_who_may_still_attest_says_nothing():
    gone = replace(SPEAKER, dropped="FL3042")
    assert duty(view("Updates", rules=2, **shared("a", "b", "d")), gone, 0) == ()
    assert duty(spoken("Attest"), gone, 0) == (Attest(1),)


@pytest.mark.parametrize("phase", ["Keys", "Shares", "Updates", "Unmask"])
def test_nobody_waits_for_who_has_left(phase: Phase):
    some = spoken(phase, "a", "b", "d")
    assert not ripe(some, 0)
    gone = Round.model_validate(some.model_dump() | {"dropouts": {"c": LEFT}})
    assert ripe(gone, 0)
    assert lacking(gone) == 0
    fewer = Round.model_validate(spoken(phase, "a", "d").model_dump() | {"dropouts": {"c": LEFT}})
    assert not ripe(fewer, 0)
    assert awaited(fewer) == ("b",)
    assert carrying(fewer, replace(CARRIER, gathered=1), 0) == (Gather(), Carry(last=True))  # its own is the last
