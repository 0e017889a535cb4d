"""Words that are handed to a carrier: what is kept of them, for how long, and who is woken by them."""

import asyncio

import pytest

from fl_node.blobs import words
from fl_node.blobs.words import Turn, Word, Words
from tests.waiting import PATIENCE_S, settle

OTHER, THIRD = "hospital-b", "hospital-c"
TURN = Turn("risk", 3, 1, "CommitShares")


def word(organisation: str, participant: str, proposal: str = "eA==") -> Word:
    return Word(organisation, participant, proposal, "c2lnbmVk")


def names(found: list[Word]) -> list[str]:
    return [f"{each.organisation}/{each.participant}" for each in found]


def test_the_newest_word_of_a_speaker_is_kept_and_comes_last():
    kept = Words(lambda: 0.0)
    for each in (word(OTHER, "p", "old"), word(THIRD, "p"), word(OTHER, "q"), word(OTHER, "p", "new")):
        kept.put(TURN, each)
    assert kept.of(TURN) == [word(THIRD, "p"), word(OTHER, "q"), word(OTHER, "p", "new")]


def test_words_of_another_function_or_attempt_are_others():
    kept = Words(lambda: 0.0)
    kept.put(TURN, word(OTHER, "p"))
    for turn in (TURN._replace(function="Attest"), TURN._replace(attempt=2), TURN._replace(round=4)):
        assert kept.of(turn) == []
        kept.put(turn, word(OTHER, "p", turn.function))
    assert kept.of(TURN) == [word(OTHER, "p")]


def test_words_are_forgotten_after_ten_minutes_and_tell_their_age_until_then():
    now = 100.0
    kept = Words(lambda: now)
    kept.put(TURN, word(OTHER, "p"))
    now += 0.25
    kept.put(TURN, word(OTHER, "q"))
    now = 100.0 + words.KEPT_S - 0.25
    assert [(each.participant, each.age_ms) for each in kept.of(TURN)] == [("p", 599_750), ("q", 599_500)]
    now += 0.25
    assert names(kept.of(TURN)) == ["hospital-b/q"]
    now += 0.25
    assert kept.of(TURN) == []
    assert (kept._turns, dict(kept._places), dict(kept._bytes)) == ({}, {}, {})


def test_of_too_many_words_of_an_organisation_the_oldest_go_and_no_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(words, "MOST_WORDS", 3)
    kept = Words(lambda: 0.0)
    kept.put(TURN, word(THIRD, "p"))
    for number in range(5):
        kept.put(TURN._replace(round=number % 2), word(OTHER, f"p{number}"))
    found = [names(kept.of(turn)) for turn in (TURN, TURN._replace(round=0), TURN._replace(round=1))]
    assert found == [["hospital-c/p"], ["hospital-b/p2", "hospital-b/p4"], ["hospital-b/p3"]]


def test_an_organisation_has_so_many_bytes_and_what_is_replaced_counts_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(words, "MOST_BYTES", 3 * word(OTHER, "p").size)
    kept = Words(lambda: 0.0)
    kept.put(TURN, word(THIRD, "p"))
    for name in ("p", "q", "q", "q", "r"):
        kept.put(TURN, word(OTHER, name))
    assert names(kept.of(TURN)) == ["hospital-c/p", "hospital-b/p", "hospital-b/q", "hospital-b/r"]
    kept.put(TURN, word(OTHER, "s", "longer"))
    assert names(kept.of(TURN)) == ["hospital-c/p", "hospital-b/r", "hospital-b/s"]


def test_who_fills_an_answer_with_rubbish_hides_nobodys_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(words, "ANSWERED", 4 * word(OTHER, "p").size)
    kept = Words(lambda: 0.0)
    for number in range(9):
        kept.put(TURN, word(OTHER, f"p{number}"))
    kept.put(TURN, word(THIRD, "p"))
    assert names(kept.of(TURN)) == ["hospital-b/p0", "hospital-b/p1", "hospital-c/p"]


async def test_who_waits_is_woken_by_enough_words_of_its_own_turn():
    kept = Words(lambda: 0.0)
    kept.put(TURN, word(OTHER, "p"))
    await kept.wait(TURN, 1, PATIENCE_S)
    waiting = [asyncio.create_task(kept.wait(TURN, count, PATIENCE_S)) for count in (2, 3)]
    await settle()
    for put in ((TURN, word(OTHER, "p")), (TURN._replace(attempt=2), word(OTHER, "q"))):
        kept.put(*put)
        await settle()
        assert [task.done() for task in waiting] == [False, False]
    kept.put(TURN, word(THIRD, "p"))
    await settle()
    assert ([task.done() for task in waiting], kept.waiting) == ([True, False], 1)
    kept.wake()
    await asyncio.gather(*waiting)
    assert (kept.waiting, kept._waiting) == (0, {})


async def test_who_waits_for_more_than_come_goes_on_when_its_time_is_over():
    kept = Words()
    await kept.wait(TURN, 1, 0.01)
    assert kept._waiting == {}
