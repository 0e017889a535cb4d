"""A participant leaves its word to the carrier of the phase, and says it alone where that does not help in time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.errors import NodeError, RefusalError
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Phase, Round
from fl_node.round.duty import TURN_MS, LocalState, duty
from fl_node.round.effects import Attest
from fl_node.round.speaking import PATIENCE_TURNS, LeftBlob, Speaking, SpeakingDependencies
from tests.unit.round.test_duty import DIGEST, NAMES, PROPOSAL, keys, shared, updated, view

MEMBERS = {"members": [{"participant": name, "msp_id": f"{name.upper()}MSP", "rows": 10} for name in NAMES]}
NOW_MS = 1_000_000
FAR_MS = NOW_MS + 60_000
WORD = {"proposal": "c2FpZA==", "signature": "c2lnbmVk"}


@dataclass
class World:
    """Node c of four, whose organisations are called hospital-a … hospital-d; its clock stands still."""

    me: str = "c"
    msp: str = "CMSP"
    members: str = "abcd"
    seconds: float = 0.0
    silent: bool = False
    handed: list[tuple[str, str, Any]] = field(default_factory=list)
    alone: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    signed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def consortium(self) -> Any:
        members = [SimpleNamespace(name=f"hospital-{one}", msp_id=f"{one.upper()}MSP") for one in self.members]
        return SimpleNamespace(members=members)

    @property
    def ledger(self) -> Any:
        return self

    handing = ledger

    async def word(self, function: str, **arguments: Any) -> dict[str, str]:
        self.signed.append((function, arguments))
        return dict(WORD)

    async def submit(self, function: str, **arguments: Any) -> None:
        self.alone.append((function, arguments))

    async def hand(self, organisation: str, path: str, word: dict[str, str], _: float) -> None:
        self.handed.append((organisation, path, word))
        if self.silent:
            raise NodeError("FL4008", "it takes no words")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr("fl_node.round.speaking.time", SimpleNamespace(monotonic=lambda: made.seconds))
    monkeypatch.setattr("fl_node.round.speaking.now_ms", lambda: NOW_MS + int(made.seconds * 1000))
    return made


@pytest.fixture
def speaking(world: World) -> Speaking:
    return Speaking(cast("SpeakingDependencies", world))


def shown(phase: Phase = "Updates", **fields: Any) -> Round:
    """Return an attempt by version 2 of the rules; its carrier is b."""
    facts: dict[Phase, dict[str, Any]] = {
        "Keys": {},
        "Shares": keys(*NAMES),
        "Updates": shared(*NAMES),
        "Unmask": updated(*NAMES),
        "Attest": updated(*NAMES) | {"proposal": PROPOSAL},
    }
    return view(phase, **{"rules": 2, "deadline_ms": FAR_MS, **MEMBERS, **facts[phase], **fields})


@pytest.mark.parametrize(
    ("phase", "function"),
    [
        ("Keys", "PublishKeys"),
        ("Shares", "CommitShares"),
        ("Updates", "CommitUpdate"),
        ("Unmask", "RevealShares"),
        ("Attest", "Attest"),
    ],
)
async def test_a_word_is_signed_and_handed_to_the_organisation_of_the_phases_carrier(
    world: World, speaking: Speaking, phase: Phase, function: str
):
    at = shown(phase)
    await speaking.say(at, function, {"digest": DIGEST})
    assert world.signed == [(function, {**at.ref, "digest": DIGEST})]
    assert world.handed == [("hospital-b", f"t/1/1/{function}/c", WORD)]
    assert world.alone == []
    assert speaking.handed(at) == {function}
    assert speaking.ever_handed(at, function)


async def test_the_next_in_order_gets_the_words_where_the_first_has_dropped_out(world: World, speaking: Speaking):
    await speaking.say(shown(**shared("a", "c", "d")), "CommitUpdate", {})
    assert [organisation for organisation, _, _ in world.handed] == ["hospital-a"]


async def test_a_carrier_hands_its_own_word_to_its_own_service(world: World, speaking: Speaking):
    world.me = "b"
    await speaking.say(shown(), "CommitUpdate", {})
    assert [place for *place, _ in world.handed] == [["hospital-b", "t/1/1/CommitUpdate/b"]]


def alone_by_version_1() -> Round:
    return shown(rules=1)


def of_an_earlier_phase() -> Round:
    return shown("Shares")


def whose_carrier_is_nobodys_member() -> Round:
    return shown(members=[one for one in MEMBERS["members"] if one["participant"] != "b"])


def that_is_on_the_ledger_already() -> Round:
    return shown(updates={"c": {"digest": DIGEST, "length": 16, "examples": 10}})


@pytest.mark.parametrize(
    "case",
    [alone_by_version_1, of_an_earlier_phase, whose_carrier_is_nobodys_member, that_is_on_the_ledger_already],
)
async def test_a_word_is_said_alone_at_once_where_nobody_carries_it(
    world: World, speaking: Speaking, case: Callable[[], Round]
):
    at = case()
    await speaking.say(at, "CommitUpdate", {"digest": DIGEST})
    assert (world.handed, world.alone) == ([], [("CommitUpdate", {**at.ref, "digest": DIGEST})])
    assert speaking.handed(at) == frozenset()
    assert not speaking.ever_handed(at, "CommitUpdate")


async def test_a_word_is_said_alone_where_the_carriers_organisation_is_no_member_any_more(
    world: World, speaking: Speaking
):
    world.members = "acd"
    await speaking.say(shown(), "CommitUpdate", {})
    assert (world.handed, len(world.alone)) == ([], 1)


async def test_a_word_that_the_carrier_does_not_take_is_said_alone_at_once(world: World, speaking: Speaking):
    world.silent = True
    await speaking.say(shown(), "CommitUpdate", {"digest": DIGEST})
    assert (len(world.handed), len(world.alone)) == (1, 1)
    assert speaking.handed(shown()) == frozenset()


async def test_t2_a_carrier_that_answers_nothing_may_still_have_the_word(world: World, speaking: Speaking):
    world.silent = True
    await speaking.say(shown(), "CommitUpdate", {"digest": DIGEST})
    assert speaking.ever_handed(shown(), "CommitUpdate")
    assert not speaking.ever_handed(shown(attempt=2), "CommitUpdate")


async def test_what_cannot_be_signed_is_not_said_alone_either(world: World, speaking: Speaking):
    async def word(*_: object, **__: object) -> None:
        raise NodeError("FL4007", "it cannot be logged")

    world.word = word  # type: ignore[assignment, method-assign]
    with pytest.raises(NodeError, match="FL4007"):
        await speaking.say(shown(), "CommitUpdate", {})
    assert (world.handed, world.alone, speaking.ever_handed(shown(), "CommitUpdate")) == ([], [], False)


async def test_a_word_is_left_to_a_carrier_once_and_said_alone_the_second_time(world: World, speaking: Speaking):
    for times in (0, 1, 2):
        await speaking.say(shown(), "CommitUpdate", {"digest": DIGEST})
        assert (len(world.handed), len(world.alone)) == (1, times)


async def test_who_says_it_alone_does_so_in_its_own_way_where_it_has_one(world: World, speaking: Speaking):
    own = []

    async def alone() -> None:
        own.append("by the holders")
        raise LedgerError("FL0501", "a blob is missing")

    world.silent = True
    with pytest.raises(LedgerError, match="FL0501"):
        await speaking.say(shown(), "CommitUpdate", {}, alone)
    assert (own, world.alone) == (["by the holders"], [])


@pytest.mark.parametrize(
    ("left_ms", "pace", "patience_s"),
    [
        (60_000, 1.0, PATIENCE_TURNS * TURN_MS / 1000),
        (60_000, 2.5, 2.5 * PATIENCE_TURNS * TURN_MS / 1000),
        (4_000, 1.0, 2.0),
        (4_000, 2.5, 2.0),
        (0, 1.0, 0.0),
        (-4_000, 1.0, 0.0),
    ],
    ids=["some turns", "at the ledger's pace", "half of what is left", "at most that", "nothing left", "too late"],
)
async def test_a_carrier_has_some_turns_and_no_more_than_half_of_what_is_left_to_the_deadline(
    world: World, speaking: Speaking, left_ms: int, pace: float, patience_s: float
):
    at, speaking.pace = shown(deadline_ms=NOW_MS + left_ms), pace
    await speaking.say(at, "CommitUpdate", {})
    world.seconds = max(0.0, patience_s - 0.001)
    assert speaking.handed(at) == ({"CommitUpdate"} if patience_s else frozenset())
    for world.seconds in (patience_s, patience_s + 0.001, patience_s + 100):
        assert speaking.handed(at) == frozenset()
        assert speaking.ever_handed(at, "CommitUpdate")


async def test_a_dropout_that_reveals_speaks_alone_for_nobody_waits_for_it(world: World, speaking: Speaking):
    at = shown("Unmask", **updated("a", "b", "d") | {"u2": NAMES})
    await speaking.say(at, "RevealShares", {"shares": []})
    assert (world.handed, world.alone) == ([], [("RevealShares", {**at.ref, "shares": []})])


async def test_who_is_not_in_the_cohort_hands_its_organisations_attestation_too(world: World, speaking: Speaking):
    await speaking.say(shown("Attest", **updated("a", "b", "d")), "Attest", {"number": 1})
    assert [place for *place, _ in world.handed] == [["hospital-b", "t/1/1/Attest/c"]]
    other = shown("Attest", cohort=("a", "b", "d"), aggregators=("b", "a", "d"))
    await speaking.say(other, "Attest", {"number": 2})
    assert len(world.handed) == 2


async def test_the_first_proposals_attestation_does_not_hold_the_seconds(world: World, speaking: Speaking):
    first = shown("Attest")
    second = shown("Attest", proposal={**PROPOSAL, "number": 2})
    own = LocalState("c", "CMSP", dropped="FL3010")
    await speaking.say(first, "Attest", {"number": 1})
    assert duty(first, replace(own, handed=speaking.handed(first)), NOW_MS) == ()
    assert duty(second, replace(own, handed=speaking.handed(second)), NOW_MS) == (Attest(2),)
    await speaking.say(second, "Attest", {"number": 2})
    assert (len(world.handed), world.alone) == (2, [])
    assert duty(second, replace(own, handed=speaking.handed(second)), NOW_MS) == ()


async def test_the_words_of_one_attempt_hold_up_no_other(world: World, speaking: Speaking):
    await speaking.say(shown(), "CommitUpdate", {})
    assert speaking.handed(shown(attempt=2)) == frozenset()
    await speaking.say(shown(attempt=2), "CommitUpdate", {})
    assert [path for _, path, _ in world.handed] == ["t/1/1/CommitUpdate/c", "t/1/2/CommitUpdate/c"]


async def test_an_attempt_that_is_over_is_forgotten_and_no_other(world: World, speaking: Speaking):
    for attempt in (1, 2):
        await speaking.say(shown(attempt=attempt), "CommitUpdate", {})
    speaking.forget(shown("Keys"))
    assert speaking.handed(shown()) == frozenset()
    assert not speaking.ever_handed(shown(), "CommitUpdate")
    assert speaking.handed(shown(attempt=2)) == {"CommitUpdate"}
    assert speaking.ever_handed(shown(attempt=2), "CommitUpdate")


class Leaving:
    """Where a blob is left; a failure of it."""

    def __init__(self, failure: NodeError | None = None) -> None:
        self.failure = failure
        self.left: list[str] = []

    async def leave(self, organisation: str) -> None:
        self.left.append(organisation)
        if self.failure:
            raise self.failure


async def test_a_blob_is_left_with_the_carrier_before_the_word_that_names_it(world: World, speaking: Speaking):
    leaving = Leaving()
    await speaking.say(shown("Shares"), "CommitShares", {}, blob=LeftBlob(DIGEST, leaving.leave))
    assert leaving.left == ["hospital-b"]
    assert world.handed == [("hospital-b", "t/1/1/CommitShares/c", {**WORD, "blob": DIGEST})]
    assert world.alone == []


async def test_who_takes_no_blob_gets_no_word_and_is_not_asked_again(world: World, speaking: Speaking):
    leaving = Leaving(NodeError("FL4703", "its disk is full"))
    await speaking.say(shown("Shares"), "CommitShares", {}, blob=LeftBlob(DIGEST, leaving.leave))
    assert (world.handed, [function for function, _ in world.alone]) == ([], ["CommitShares"])
    assert not speaking.ever_handed(shown("Shares"), "CommitShares")


async def test_what_must_not_leave_is_said_neither_to_a_carrier_nor_alone(world: World, speaking: Speaking):
    leaving = Leaving(RefusalError("FL4203", "restored from a snapshot"))
    with pytest.raises(RefusalError):
        await speaking.say(shown("Updates"), "CommitUpdate", {}, blob=LeftBlob(DIGEST, leaving.leave))
    assert (world.handed, world.alone) == ([], [])
