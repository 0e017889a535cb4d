"""A carrier listens for the words of its phase, for no longer, and whatever comes beside them."""

import base64
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.blobs.words import ANSWERED, Word, Words
from fl_node.blobs.words_service import MOST_COUNT
from fl_node.ledger.records import Round
from fl_node.round import carrying
from fl_node.round.carrying import Carrying
from tests.unit.round.carriage import QUICK_MS, SLOW_MS, World, carriage, heard, listening
from tests.unit.round.test_duty import KEYS, view
from tests.unit.round.test_speaking import shown
from tests.waiting import settle, until


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(carrying, "LISTEN_MS", QUICK_MS)
    return World()


@pytest.fixture
async def carrier(world: World) -> AsyncIterator[Carrying]:
    async with carriage(world) as made:
        yield made


async def test_as_many_words_are_waited_for_as_the_phase_lacks(
    world: World, carrier: Carrying, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(carrying, "LISTEN_MS", SLOW_MS)
    at = shown("Keys", keys={"d": KEYS})
    carrier.gather(at)
    await settle()
    assert world.questions == [("t/1/1/PublishKeys", 3)]
    for name in "abc":
        world.say(name, name, at)
        await settle()
    assert carrier.gathered(at)[0] == 3
    assert world.questions[1:] == [("t/1/1/PublishKeys", 4)], "one question brings all three"


async def test_the_oldest_word_says_for_how_long_they_have_been_held(
    world: World, carrier: Carrying, monkeypatch: pytest.MonkeyPatch
):
    clock = SimpleNamespace(s=100.0)
    monkeypatch.setattr(carrying, "time", SimpleNamespace(monotonic=lambda: clock.s))
    world.kept = Words(lambda: clock.s)
    at = shown("Keys", keys={"d": KEYS, "a": KEYS})
    world.say("b", "b", at)
    clock.s += 0.75
    world.say("c", "c", at)
    clock.s += 0.5
    await heard(carrier, at, 2)
    clock.s += 0.25
    assert carrier.gathered(at) == (2, 1500)
    assert carrier.gathered(shown("Keys", keys=dict.fromkeys("abd", KEYS))) == (1, 750)


async def rubbish_asked_for(world: World, carrier: Carrying, text: str, pieces: int) -> int:
    """Return how often words are asked for when one organisation fills the service, and a word comes after that."""
    at = shown("Keys")
    for piece in range(pieces):
        world.say(f"nobody-{piece}", f"{text} {piece}", at, by="d")
    carrier.gather(at)
    await settle()
    asked = len(world.questions)
    assert world.told == []
    world.say("a", "a speaks", at)
    await until(lambda: carrier.gathered(at)[0] == 1)
    assert world.told == ["t"]
    return asked


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("rubbish", 3), ("rubbish", 4), ("rubbish", MOST_COUNT + 1), ("r" * (ANSWERED // 4), 8)],
    ids=["fewer than the phase lacks", "as many", "more than can be waited for", "more than an answer holds"],
)
async def test_rubbish_neither_hides_a_word_nor_is_asked_for_over_and_over(
    world: World, carrier: Carrying, monkeypatch: pytest.MonkeyPatch, text: str, pieces: int
):
    monkeypatch.setattr(carrying, "LISTEN_MS", 500)
    assert await rubbish_asked_for(world, carrier, text, pieces) <= 2


@pytest.mark.parametrize("after", [shown("Shares"), shown("Keys", attempt=2), view("Final"), view("Void")])
async def test_who_sees_that_the_phase_is_another_listens_for_its_words_no_longer(
    world: World, carrier: Carrying, after: Round
):
    at = shown("Keys")
    carrier.gather(at)
    await settle()
    assert listening() == 1
    assert carrier.gathered(after) == (0, 0)
    await settle()
    assert listening() == 0
    world.say("a", "too late", at)
    await settle()
    assert (world.told, await carrier.carry(at, last=False)) == ([], False)


async def test_who_carries_the_next_phase_too_listens_for_that_ones_words_alone(world: World, carrier: Carrying):
    for at in (shown("Keys"), shown("Shares"), shown("Shares")):
        carrier.gather(at)
        await settle()
        assert listening() == 1
    assert [path for path, _ in world.questions] == ["t/1/1/PublishKeys", "t/1/1/CommitShares"]


async def test_trainings_are_listened_for_apart_and_one_that_is_over_no_longer(world: World, carrier: Carrying):
    one, two = shown("Keys"), shown("Keys", training="u")
    carrier.gather(one)
    carrier.gather(two)
    await settle()
    assert listening() == 2
    carrier.forget("t")
    carrier.forget("never heard of")
    await settle()
    assert listening() == 1
    world.say("a", "a", two)
    await heard(carrier, two, 1)
    assert carrier.gathered(one) == (0, 0)


async def test_a_node_that_closes_listens_for_nothing(world: World, carrier: Carrying):
    for training in ("t", "u"):
        carrier.gather(shown("Keys", training=training))
    await settle()
    assert len(world.questions) == 2
    await carrier.close()
    assert listening() == 0


async def test_a_service_that_fails_does_not_end_the_listening(
    world: World, carrier: Carrying, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(carrying, "LISTEN_MS", 100)
    at = shown("Keys")
    world.failing = True
    carrier.gather(at)
    await settle()
    assert len(world.questions) == 1, "it is not asked again and again without a pause"
    await until(lambda: len(world.questions) == 3)
    world.failing = False
    world.say("a", "a", at)
    await until(lambda: carrier.gathered(at)[0] == 1)
    assert world.told == ["t"]


async def test_an_odd_answer_does_not_end_the_listening(world: World, carrier: Carrying):
    right, odd = world.words, [cast("Any", None), [cast("Any", object())]]

    async def words(path: str, count: int, wait_ms: int) -> list[Word]:
        return odd.pop() if odd else await right(path, count, wait_ms)

    world.words = words  # type: ignore[method-assign]
    at = shown("Keys")
    world.say("a", base64.b64encode(b"a").decode(), at)
    await heard(carrier, at, 1)
    assert odd == []
