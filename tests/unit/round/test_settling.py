"""Rewards are folded in the background: once a process for each round, and again where the ledger does not answer."""

import asyncio
from typing import Any, cast

import pytest

from fl_node.ledger.client import Ledger, LedgerError
from fl_node.round import settling
from fl_node.round.settling import Settling
from tests.unit.round.test_checks import ROUND
from tests.waiting import settle

SECOND = ROUND.model_copy(update={"round": 2})


class Asked:
    """A ledger that answers each Settle with the next of some codes, and at last with success."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.rounds: list[int] = []

    async def submit(self, function: str, *, training: str, round: int) -> None:  # noqa: A002  # the argument's name
        assert (function, training) == ("Settle", "t")
        self.rounds.append(round)
        if self.codes:
            raise LedgerError(self.codes.pop(0), "not settled")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PAUSE_S", 0)


def settling_over(ledger: Asked) -> Settling:
    return Settling(cast("Ledger", cast("Any", ledger)))


async def test_a_round_and_the_one_before_it_are_settled_once():
    ledger = Asked()
    made = settling_over(ledger)
    for view in (ROUND, ROUND, SECOND, SECOND):
        made.start(view)
        await settle()
    assert ledger.rounds == [1, 2]


async def test_where_a_node_missed_a_round_it_settles_it_with_the_next():
    ledger = Asked()
    settling_over(ledger).start(SECOND)
    await settle()
    assert ledger.rounds == [1, 2]


async def test_a_round_that_somebody_has_settled_is_not_settled_again():
    ledger = Asked()
    made = settling_over(ledger)
    made.settled("t", 1)
    made.start(SECOND)
    await settle()
    assert ledger.rounds == [2]


@pytest.mark.parametrize(
    ("codes", "tries"),
    [
        ((), 1),
        (("FL0606",), 1),
        (("FL4005",), 2),
        (("FL4401", "FL0606"), 2),
        (("FL4005",) * 4, 5),
        (("FL4005",) * 9, 5),
    ],
)
async def test_settling_is_tried_five_times_or_until_somebody_has_done_it(codes: tuple[str, ...], tries: int):
    ledger = Asked(*codes)
    settling_over(ledger).start(ROUND)
    await settle()
    assert ledger.rounds == [1] * tries


async def test_settling_that_is_under_way_ends_with_the_node(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settling, "PAUSE_S", 3600)
    ledger = Asked("FL4005")
    made = settling_over(ledger)
    made.start(ROUND)
    await settle()
    await asyncio.wait_for(made.close(), 5)
    assert ledger.rounds == [1]
