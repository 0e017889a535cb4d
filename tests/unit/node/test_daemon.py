"""The node attends to each training by itself: what goes wrong, or takes long, in one keeps no other waiting."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.context import Context
from fl_node.daemon import Node
from fl_node.errors import reported
from fl_node.ledger import LedgerError
from fl_node.observe import Health
from fl_node.views import Training
from tests.unit.node.test_session import DIGEST


def training(name: str, depth: int = 0) -> Training:
    head = {"round": depth, "state": DIGEST, "depth": depth}
    return Training.model_validate({"training": name, "plan": DIGEST, "rounds": 1, "cohort": 4, "head": head})


class Ledger:
    """Two trainings: the first cannot be read, or does not answer."""

    def __init__(self, odd: Exception | None) -> None:
        self.odd = odd
        self.profile = SimpleNamespace(chaincode="fedledger")
        self.network = SimpleNamespace(chaincode_events=self._events)
        self.opened: asyncio.Queue[str] = asyncio.Queue()
        self.listed = [training("odd"), training("sound")]

    async def trainings(self) -> list[Training]:
        return self.listed

    async def everything(self, _: str) -> list[Any]:
        return []

    async def round(self, name: str) -> None:
        if name == "odd":
            if self.odd:
                raise self.odd
            await asyncio.Event().wait()

    async def move(self, function: str, training: str) -> bool:
        assert function == "OpenRound"
        self.opened.put_nowait(training)
        return True

    async def _events(self, _: str) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield


@contextlib.asynccontextmanager
async def running(ledger: Ledger) -> AsyncIterator[Node]:
    held = SimpleNamespace(
        ledger=ledger,
        store=SimpleNamespace(notes=lambda _: {}),
        config=SimpleNamespace(organisation="hospital-a"),
        consortium=SimpleNamespace(members=[SimpleNamespace(msp_id="AMSP")]),
        msp="AMSP",
        voted={},
        health=Health(),
        workshop=SimpleNamespace(on_trained=None),
    )
    node = Node(cast("Context", held))
    task = asyncio.create_task(node.run())
    yield node
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("odd", [LedgerError("FL0302", "too few candidates"), KeyError("secret"), None])
async def test_a_training_that_cannot_be_read_or_does_not_answer_keeps_no_other_from_its_round(odd: Exception | None):
    ledger = Ledger(odd)
    async with running(ledger):
        assert await asyncio.wait_for(ledger.opened.get(), 5) == "sound"


async def test_a_training_that_is_voted_later_is_attended_to_as_soon_as_the_vote_is_heard():
    ledger = Ledger(None)
    async with running(ledger) as node:
        await ledger.opened.get()
        ledger.listed.append(training("new"))
        node._hear("ProposalExecuted", {"proposal": "x"})
        while (name := await asyncio.wait_for(ledger.opened.get(), 5)) != "new":
            assert name == "sound"


def test_of_an_unforeseen_error_only_type_and_place_are_shown():
    with pytest.raises(KeyError) as caught:
        os.environ["NO SUCH SECRET"]
    report = reported(caught.value)
    assert (report["code"], report["message"].split(":")[0]) == ("FL4010", "KeyError at <frozen os>")
