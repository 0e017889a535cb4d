"""A plan that takes more than it may on one node: it is stopped there, and every round ends Final for the others."""

from pathlib import Path

import pytest

from fl_node.demo.federation import opened
from tests.faults.stage import NAMES, Nodes, start, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STOPPED_AT = "hospital-d"


@pytest.mark.parametrize(("deed", "code"), [("allocate", "FL3043"), ("loop", "FL3044")])
async def test_a_plan_that_is_stopped_at_a_limit_drops_its_node_out_and_the_round_and_other_trainings_go_on(
    run: Path, nodes: Nodes, deed: str, code: str
):
    await nodes.ready()
    nodes.stop(STOPPED_AT)
    nodes.start(STOPPED_AT, OVERREACHES=deed)
    await nodes.ready(STOPPED_AT)
    training, beside = f"overreaching-{deed}", f"beside-{deed}"
    others = set(NAMES) - {STOPPED_AT}
    async with opened(run) as federation:
        await start(federation, training, 2)
        await until(federation.first, training, lambda view: view.round == 2)
        await start(federation, beside, 20)
        last = (await until(federation.first, training, lambda view: view.round == 2 and view.phase == "Final")).view
        await until(federation.first, beside, lambda view: STOPPED_AT in view.survivors and view.phase == "Final")
        await federation.decide("stop_training", {"training": beside})
    assert set(last.survivors) == others
    dropped = {str(line["attempt"]): line["code"] for line in nodes.logged(STOPPED_AT, "dropped out")}
    assert dropped[f"{training}/2/1"] == code
    told = nodes.logged(STOPPED_AT, "this plan is trained here no more")
    assert ("warning", code) in [(line["level"], line["code"]) for line in told]
    nodes.stop(STOPPED_AT)
    nodes.start(STOPPED_AT)
