"""What a carrier gathered it puts into one transaction; whatever lies among the words stops none of the others."""

from collections.abc import AsyncIterator

import pytest

from fl_node.errors import NodeError
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Phase
from fl_node.round import carrying
from fl_node.round.carrying import MOST_BYTES, PATIENT_TRIES, Carrying
from tests.unit.round.carriage import QUICK_MS, SLOW_MS, World, carriage, heard
from tests.unit.round.test_duty import DIGEST, NAMES, PROPOSAL, UPDATE
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


async def test_words_are_carried_in_order_of_arrival_as_they_were_signed(world: World, carrier: Carrying):
    at = shown("Keys")
    for name in "cab":
        world.say(name, f"{name} speaks", at)
    await heard(carrier, at, 3)
    assert await carrier.carry(at, last=False)
    given = [{"proposal": f"{name} speaks", "signature": f"signature of {name} speaks"} for name in "cab"]
    assert world.submitted == [{**at.ref, "function": "PublishKeys", "words": given}]
    assert world.told == ["t"]


async def test_where_nothing_lies_here_nothing_is_submitted(world: World, carrier: Carrying):
    at = shown("Keys")
    assert (carrier.gathered(at), await carrier.carry(at, last=True)) == ((0, 0), False)
    carrier.gather(at)
    await settle()
    assert (carrier.gathered(at), await carrier.carry(at, last=True)) == ((0, 0), False)
    assert world.submitted == []


@pytest.mark.parametrize(
    ("name", "by"),
    [("nobody", "a"), ("b", "a"), ("e", "e"), ("b", "stranger"), ("d", "d")],
    ids=["unknown", "another organisation's", "not drawn", "of no member", "has spoken"],
)
async def test_a_word_that_nobody_waits_for_is_not_carried(world: World, carrier: Carrying, name: str, by: str):
    at = shown("Updates", updates={"d": UPDATE})
    world.say(name, "rubbish", at, by=by)
    for other in "abc":
        world.say(other, other, at)
    await heard(carrier, at, 3)
    assert await carrier.carry(at, last=True)
    assert world.carried == [["a", "b", "c"]]


async def test_the_newest_word_of_a_speaker_is_carried(world: World, carrier: Carrying):
    at = shown("Keys")
    world.say("a", "first", at)
    world.say("b", "b", at)
    world.say("a", "second", at)
    await heard(carrier, at, 2)
    assert await carrier.carry(at, last=False)
    assert world.carried == [["b", "second"]]


async def test_of_an_organisation_one_attestation_is_carried_the_newest(world: World, carrier: Carrying):
    at = shown("Attest", attestations={"DMSP": {"state": DIGEST, "agree": True}})
    world.say("a", "by a", at)
    world.say("a-two", "by a second participant", at, by="a")
    world.say("b", "by b", at)
    world.say("d", "attested already", at)
    world.say("x", "by a stranger", at, by="stranger")
    await heard(carrier, at, 2)
    assert await carrier.carry(at, last=False)
    assert [sorted(words) for words in world.carried] == [["by a second participant", "by b"]]


async def test_an_organisation_of_which_nobody_was_drawn_attests_through_the_carrier_too(
    world: World, carrier: Carrying
):
    at = shown("Attest")
    world.say("e", "by e", at)
    await heard(carrier, at, 1)
    assert await carrier.carry(at, last=False)
    assert world.carried == [["by e"]]


async def test_a_word_that_does_not_come_any_more_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, world: World, carrier: Carrying
):
    """Three words lie here when the fourth member leaves: the question for four would be answered an hour later."""
    monkeypatch.setattr(carrying, "LISTEN_MS", SLOW_MS)
    at = shown("Updates")
    carrier.gather(at)
    await settle()
    for name in "abc":
        world.say(name, name, at)
    await settle()
    assert carrier.gathered(at) == (0, 0)
    left = shown("Updates", dropouts={"d": {"phase": "Updates", "reason": "FL3010", "time_ms": 1}})
    await heard(carrier, left, 3)
    assert await carrier.carry(left, last=True)
    assert world.carried == [["a", "b", "c"]]
    assert world.submitted[0]["from"] == "Updates"


async def test_attestations_that_were_carried_are_not_carried_again_for_the_next_proposal(
    world: World, carrier: Carrying
):
    first, second = shown("Attest"), shown("Attest", proposal={**PROPOSAL, "number": 2})
    for name in "abc":
        world.say(name, f"{name} on the first", first)
    await heard(carrier, first, 3)
    assert await carrier.carry(first, last=True)
    carrier.gather(second)
    assert carrier.gathered(second) == (0, 0)
    world.say("b", "b on the second", second)
    await until(lambda: carrier.gathered(second)[0] == 1)
    assert await carrier.carry(second, last=False)
    assert world.carried[1:] == [["b on the second"]]


async def test_words_that_were_carried_are_not_carried_again_while_the_own_peer_does_not_show_them(
    world: World, carrier: Carrying
):
    at = shown("Keys")
    world.say("a", "a", at)
    await heard(carrier, at, 1)
    assert await carrier.carry(at, last=False)
    assert carrier.gathered(at) == (0, 0)
    assert not await carrier.carry(at, last=False)
    assert len(world.submitted) == 1


async def test_words_that_are_refused_are_left_out_and_the_rest_is_carried_at_once(world: World, carrier: Carrying):
    at = shown("Updates")
    for name in NAMES:
        world.say(name, name, at)
    await heard(carrier, at, 4)
    world.refusals = [LedgerError("FL0702", "word 2: not signed"), LedgerError("FL0410", "word 0: done already")]
    assert await carrier.carry(at, last=True)
    assert world.carried == [["a", "b", "c", "d"], ["a", "b", "d"], ["b", "d"]]
    assert ["from" in argument for argument in world.submitted] == [True, False, False], "two are missing now"
    assert carrier.gathered(at) == (0, 0)


async def test_where_every_word_is_refused_nothing_is_carried(world: World, carrier: Carrying):
    at = shown("Keys")
    for name in "ab":
        world.say(name, name, at)
    await heard(carrier, at, 2)
    world.refusals = [LedgerError("FL0408", "word 0: another phase")] * 2
    assert not await carrier.carry(at, last=False)
    assert world.carried == [["a", "b"], ["b"]]
    assert not await carrier.carry(at, last=False)
    assert len(world.submitted) == 2


async def test_another_word_of_one_that_was_refused_is_carried(world: World, carrier: Carrying):
    at = shown("Keys")
    world.say("a", "bad", at)
    await heard(carrier, at, 1)
    world.refusals = [LedgerError("FL0702", "word 0: not signed")]
    assert not await carrier.carry(at, last=False)
    world.say("a", "good", at)
    world.say("b", "b", at)
    await heard(carrier, at, 2)
    assert await carrier.carry(at, last=False)
    assert world.carried == [["bad"], ["good", "b"]]


@pytest.mark.parametrize("code", ["FL0501", "FL0901"])
async def test_a_word_whose_blob_endorsers_do_not_have_yet_is_tried_a_few_times(
    world: World, carrier: Carrying, code: str
):
    at = shown("Updates")
    for name in "ab":
        world.say(name, name, at)
    await heard(carrier, at, 2)
    world.refusals = [LedgerError(code, "word 1: later perhaps")] * PATIENT_TRIES
    for tries in range(1, PATIENT_TRIES):
        assert not await carrier.carry(at, last=False)
        assert world.carried == [["a", "b"]] * tries
        assert carrier.gathered(at)[0] == 2
    assert await carrier.carry(at, last=False)
    assert world.carried == [["a", "b"]] * PATIENT_TRIES + [["a"]]


async def test_a_word_whose_blob_comes_in_time_is_carried_with_the_others(world: World, carrier: Carrying):
    at = shown("Updates")
    for name in NAMES:
        world.say(name, name, at)
    await heard(carrier, at, 4)
    world.refusals = [LedgerError("FL0501", "word 1: a blob is missing")] * (PATIENT_TRIES - 1)
    outcomes = [await carrier.carry(at, last=True) for _ in range(PATIENT_TRIES)]
    assert outcomes == [False] * (PATIENT_TRIES - 1) + [True]
    assert world.submitted[-1]["from"] == "Updates"


@pytest.mark.parametrize(
    "error",
    [
        LedgerError("FL0408", "another phase"),
        LedgerError("FL4401", "not committed after 45 s"),
        LedgerError("FL0702", "a word 0: that is not how it begins"),
        LedgerError("FL0702", "word 1: there is none"),
        LedgerError("FL0702", f"word {'9' * 5000}: there is none"),
    ],
    ids=["the attempt's", "no answer", "another text", "the word after the last", "no number of a word"],
)
async def test_an_error_that_names_none_of_the_words_is_raised_and_leaves_none_out(
    world: World, carrier: Carrying, error: LedgerError
):
    at = shown("Keys")
    world.say("a", "a", at)
    await heard(carrier, at, 1)
    world.refusals = [error]
    with pytest.raises(LedgerError, match=error.code):
        await carrier.carry(at, last=False)
    assert carrier.gathered(at)[0] == 1
    assert await carrier.carry(at, last=False)


@pytest.mark.parametrize(("phase", "ends"), [("Keys", False), ("Shares", False), ("Unmask", True), ("Updates", True),
                                              ("Attest", True)])  # fmt: skip
async def test_the_last_words_end_the_phases_whose_end_is_recorded_and_no_other(
    world: World, carrier: Carrying, phase: Phase, *, ends: bool
):
    at = shown(phase)
    for name in NAMES:
        world.say(name, name, at)
    await heard(carrier, at, 4)
    assert await carrier.carry(at, last=True)
    assert world.submitted[0].get("from") == (phase if ends else None)


@pytest.mark.parametrize("phase", ["Updates", "Attest"])
async def test_words_that_are_not_the_last_end_no_phase(world: World, carrier: Carrying, phase: Phase):
    at = shown(phase)
    world.say("a", "a", at)
    await heard(carrier, at, 1)
    assert await carrier.carry(at, last=False)
    assert "from" not in world.submitted[0]


async def test_words_too_large_for_one_transaction_go_in_several_and_the_last_ends_the_phase(
    world: World, carrier: Carrying
):
    at = shown("Updates")
    half = MOST_BYTES // 2 - len("signature of ")
    for name in NAMES:
        world.say(name, name * (half // 2), at)
    await heard(carrier, at, 4)
    assert [await carrier.carry(at, last=True) for _ in range(3)] == [True, True, False]
    assert [[word[0] for word in words] for words in world.carried] == [["a", "b"], ["c", "d"]]
    assert ["from" in argument for argument in world.submitted] == [False, True]


async def test_one_word_that_is_larger_than_that_is_carried_by_itself(world: World, carrier: Carrying):
    at = shown("Keys")
    world.say("a", "a" * (MOST_BYTES + 1), at)
    world.say("b", "b", at)
    await heard(carrier, at, 2)
    assert [await carrier.carry(at, last=False) for _ in range(3)] == [True, True, False]
    assert [len(words) for words in world.carried] == [1, 1]


async def test_blobs_left_with_words_are_brought_to_all_before_the_words_are_carried(world: World, carrier: Carrying):
    at = shown("Shares")
    world.say("a", "a", at, blob="1" * 64)
    world.say("c", "c", at)
    await heard(carrier, at, 2)
    assert await carrier.carry(at, last=False)
    world.say("d", "d", at, blob="2" * 64)
    await heard(carrier, at, 1)
    assert await carrier.carry(at, last=False)
    assert world.passed_on == [{"1" * 64}, {"2" * 64}]
    assert world.carried == [["a", "c"], ["d"]]


async def test_who_took_the_blobs_endorses_the_words(world: World, carrier: Carrying):
    world.takers = ("hospital-a", "hospital-b", "hospital-e")
    at = shown("Shares")
    world.say("a", "a", at, blob="1" * 64)
    await heard(carrier, at, 1)
    await carrier.carry(at, last=False)
    (asked,) = world.asked
    assert (asked[0], set(asked)) == ("BMSP", {"AMSP", "BMSP", "EMSP"})


async def test_words_without_blobs_are_endorsed_by_anybody(world: World, carrier: Carrying):
    at = shown("Keys")
    world.say("a", "a", at)
    await heard(carrier, at, 1)
    await carrier.carry(at, last=False)
    assert (world.asked, world.passed_on) == ([()], [])


async def test_where_too_few_take_the_blobs_nothing_is_carried_and_all_are_brought_again(
    world: World, carrier: Carrying
):
    at = shown("Shares")
    world.say("a", "a", at, blob="1" * 64)
    await heard(carrier, at, 1)
    world.takers = ("hospital-b",)
    with pytest.raises(NodeError):
        await carrier.carry(at, last=False)
    assert world.submitted == []
    world.takers = ("hospital-a", "hospital-b", "hospital-c")
    assert await carrier.carry(at, last=False)
    assert world.passed_on == [{"1" * 64}, {"1" * 64}]
