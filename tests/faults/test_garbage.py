"""A participant whose update lies within every range and is garbage all the same: no round waits for ever."""

from pathlib import Path

import pytest

from fl_node.demo.federation import opened
from tests.faults import synthetic
from tests.faults.stage import Nodes, ended, start, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
GARBLER = "hospital-c"


async def garbling(nodes: Nodes, kind: str) -> None:
    nodes.stop(GARBLER)
    nodes.start(GARBLER, GARBAGE=kind)
    await nodes.ready(GARBLER)


async def honest_again(nodes: Nodes) -> None:
    nodes.stop(GARBLER)
    nodes.start(GARBLER)
    await nodes.ready(GARBLER)


@pytest.mark.parametrize(("kind", "code"), [("raises", "FL3042"), ("no number", "FL3022"), ("overweight", "FL3034")])
async def test_a_sum_that_no_state_follows_from_voids_by_a_majority_and_the_next_attempt_works(
    run: Path, nodes: Nodes, kind: str, code: str
):
    await nodes.ready()
    training = "garbage-" + kind.replace(" ", "-")
    await garbling(nodes, kind)
    async with opened(run) as federation:
        await start(federation, training, 1)
        first = await ended(federation.first, training, 1)
        await honest_again(nodes)
        final = await until(federation.first, training, lambda view: view.phase == "Final")
        flags = [flag for flag in await federation.first.everything("ListFlags") if flag["training"] == training]
    assert (first.phase, first.void_reason) == ("Void", "FL0432")
    assert len({word.aggregate for word in first.no_state.values()}) == 1
    assert {word.code for word in first.no_state.values()} == {code}
    assert len(first.no_state) >= first.majority
    assert ("garbage", "") in {(flag["kind"], flag["participant"]) for flag in flags if flag["attempt"] == 1}
    assert {flag["kind"] for flag in flags if flag["attempt"] == 1} == {"garbage"}, "nobody is blamed"
    assert final.view.survivors == first.survivors


async def test_half_a_row_in_a_count_slot_is_rounded_down_alike_by_nodes_and_endorsers(run: Path, nodes: Nodes):
    await nodes.ready()
    await garbling(nodes, "half a row")
    async with opened(run) as federation:
        await start(federation, "half-a-row", 1)
        view = await ended(federation.first, "half-a-row", 1)
    await honest_again(nodes)
    assert view.phase == "Final", view.void_reason
    assert view.proposal
    assert view.proposal.examples == 4 * synthetic.ROWS
