"""What the model found, each as a short history of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.model.consortium import Play, participant
from tests.model.expected import LENGTH, SHARES, UPDATES, VOID
from tests.model.federation import Federation
from tests.model.honest import drive, honest_turn, settle_seals


@pytest.fixture
def federation(binary: Path, blobs: Path) -> Iterator[Callable[..., Federation]]:
    made: list[Federation] = []

    def make(members: int, *adversaries: int, cohort: int = 0) -> Federation:
        made.append(Federation(binary, blobs, members, adversaries, cohort))
        return made[-1]

    yield make
    for one in made:
        one.close()


def opened(fed: Federation) -> Play:
    training = fed.trainings["one"]
    assert fed.open(training, fed.honest[0]) == ""
    assert training.play is not None
    return training.play


def at(fed: Federation, play: Play, phase: str) -> None:
    """All do what is due until a phase begins."""
    while play.expected.phase != phase:
        honest_turn(fed, play)
        for place in fed.adversaries:
            name = participant(place)
            {"Keys": fed.publish_keys, "Shares": fed.commit_shares, "Updates": fed.commit_update}[play.expected.phase](
                play, name
            )
        assert fed.advance(play, fed.honest[0])


def test_a_dealer_that_may_not_answer_so_many_complaints_is_no_dropout(federation: Callable[..., Federation]):
    fed = federation(5, 3, 4)
    play = opened(fed)
    at(fed, play, UPDATES)
    for accuser in (3, 4):
        fed.complain(play, participant(accuser), participant(0))
    fed.answer(play, participant(0), participant(3))  # refused: too many complain
    fed.now += LENGTH[SHARES]
    fed.advance(play, 1)
    assert (play.expected.phase, play.expected.code) == (VOID, "FL0431")


@pytest.mark.parametrize(
    ("members", "bad", "way"),
    [
        (5, 1, "spoil"),
        (6, 1, "commitment"),
        (7, 2, "unseal"),
        (7, 2, "spoil"),
        (7, 2, "commitment"),
        (10, 3, "spoil"),
    ],
)
def test_bad_dealers_one_after_another_cost_an_attempt_each_and_no_vote(
    federation: Callable[..., Federation], members: int, bad: int, way: str
):
    fed = federation(members, *range(members - bad, members))
    for attempt in range(bad + 1):
        drive(fed, opened(fed), [way] + ["honest"] * (bad - 1), attempt)
    assert fed.trainings["one"].finals


def test_a_roll_back_to_the_head_draws_from_those_who_are_active_then(federation: Callable[..., Federation]):
    fed = federation(5)
    training = fed.trainings["one"]
    drive(fed, opened(fed), ["honest"])
    assert fed.bench(4, fed.honest)
    drive(fed, opened(fed), ["honest"])  # the epoch's last round, which fixes the next one's candidates
    assert fed.bench(3, fed.honest)
    assert fed.bench(4, fed.honest)
    assert fed.open(training, 0) == "FL0301"
    assert fed.roll_back(training, 2, fed.honest)
    answer = fed.open(training, 0)
    if answer == "FL0114":
        fed.give_beacon(fed.honest)
        answer = fed.open(training, 0)
    assert answer == ""


def test_a_dealer_and_one_that_withholds_its_share_do_not_void_a_frozen_attempt(
    federation: Callable[..., Federation],
):
    fed = federation(7, 5, 6)
    play = opened(fed)
    dealer, accomplice, victim = participant(5), participant(6), participant(0)
    at(fed, play, SHARES)
    for name in play.expected.u1:
        fed.commit_shares(play, name, unsealed=[victim] if name == dealer else [])
    assert fed.advance(play, 0)
    for name in play.expected.u2:
        fed.commit_update(play, name)
    settle_seals(fed, play, [victim])  # it complains, with reason
    while not fed.advance(play, 0):
        fed.now += LENGTH[SHARES]
    if play.expected.phase == VOID:
        return  # before any reveal: the dealer has not answered
    others = [name for name in play.expected.u2 if name != dealer]
    for name in play.expected.u2:
        fed.reveal(play, name, others if name in {dealer, accomplice} else None)
    fed.now += LENGTH[UPDATES]
    fed.advance(play, 0)
    assert play.expected.phase != VOID, f"{play.expected.code}, {play.expected.missed}, {play.expected.blamed}"
