"""What the model found, each as a short history of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.model.consortium import Play, participant
from tests.model.expected import LENGTH, SHARES, UPDATES, VOID
from tests.model.federation import Federation
from tests.model.honest import honest_turn


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
