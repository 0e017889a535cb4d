"""Complaints about sealed shares between live nodes: an honest dealer answers, one that cannot loses the attempt."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.demo.federation import opened
from tests.faults.stage import NAMES, Nodes, ended, start, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
DEALER, ACCUSER = "hospital-a", "hospital-b"


@contextlib.contextmanager
def dishonest(nodes: Nodes, name: str, **misdeed: str) -> Iterator[None]:
    nodes.stop(name)
    nodes.start(name, **misdeed)
    try:
        yield
    finally:
        nodes.kill(name)
        nodes.start(name)


async def test_a_false_complaint_is_answered_and_nobody_is_left_out(run: Path, nodes: Nodes):
    await nodes.ready()
    with dishonest(nodes, ACCUSER, COMPLAINS_OF=DEALER):
        await nodes.ready(ACCUSER)
        async with opened(run) as federation:
            await start(federation, "accused", 1)
            view = await ended(federation.first, "accused", 1)
            flags = [flag for flag in await federation.first.everything("ListFlags") if flag["training"] == "accused"]
    await nodes.ready(ACCUSER)
    assert (view.phase, view.survivors) == ("Final", NAMES), view.void_reason
    assert view.complaints == {DEALER: {ACCUSER: True}}
    answered = [line for line in nodes.logged(DEALER, "a complaint is answered") if line["attempt"] == view.name]
    assert [line["to"] for line in answered] == [ACCUSER]
    assert flags == []


async def test_a_dealer_that_cannot_answer_voids_the_attempt_before_any_reveal(run: Path, nodes: Nodes):
    await nodes.ready()
    with dishonest(nodes, DEALER, GARBLES_FOR=ACCUSER):
        await nodes.ready(DEALER)
        async with opened(run) as federation:
            await start(federation, "garbled", 1)
            first = await ended(federation.first, "garbled", 1)
    async with opened(run) as federation:
        last = await until(federation.first, "garbled", lambda view: view.phase == "Final")
        flags = [flag for flag in await federation.first.everything("ListFlags") if flag["training"] == "garbled"]
    await nodes.ready(DEALER)
    assert (first.phase, first.void_reason, first.revealed) == ("Void", "FL0431", ())
    assert first.complaints == {DEALER: {ACCUSER: False}}
    assert {flag["participant"] for flag in flags if flag["attempt"] == 1} == {DEALER}
    assert last.view.cohort == NAMES, "nothing is proven of the dealer, and without it there is no cohort"
    # The dealer's node is started again meanwhile: on a busy machine it may be too late for this attempt.
    assert set(last.view.survivors) >= set(NAMES) - {DEALER}
