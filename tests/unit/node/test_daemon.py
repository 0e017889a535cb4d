"""The node's loop outlives what goes wrong in one training."""

import os
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.context import Context
from fl_node.daemon import Node, reported
from fl_node.ledger import LedgerError
from fl_node.observe import Health


class Ledger:
    """Two trainings, the first of which cannot be read."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.read: list[str] = []

    async def trainings(self) -> list[Any]:
        return [SimpleNamespace(training=name) for name in ("broken", "sound")]

    async def everything(self, _: str) -> list[Any]:
        return []

    async def round(self, training: str) -> None:
        self.read.append(training)
        if training == "broken":
            raise self.error

    async def submit(self, function: str, **_: Any) -> None:
        self.read.append(function)


def node(ledger: Ledger) -> Node:
    store = SimpleNamespace(notes=lambda _: {})
    config = SimpleNamespace(organisation="hospital-a")
    workshop = SimpleNamespace(on_trained=None)
    held = SimpleNamespace(ledger=ledger, store=store, config=config, health=Health(), workshop=workshop)
    return Node(cast("Context", held))


async def test_a_training_that_cannot_be_read_keeps_no_other_from_its_round():
    for error in (LedgerError("FL0302", "too few candidates"), KeyError("secret"), ValueError("secret")):
        ledger = Ledger(error)
        assert await node(ledger)._look() is True
        assert ledger.read == ["broken", "sound", "OpenRound"]


def test_of_an_unforeseen_error_only_type_and_place_are_shown():
    with pytest.raises(KeyError) as caught:
        os.environ["NO SUCH SECRET"]
    report = reported(caught.value)
    assert (report["code"], report["message"].split(":")[0]) == ("FL4010", "KeyError at <frozen os>")
