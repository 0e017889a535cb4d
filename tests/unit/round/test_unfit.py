"""A node whose plan was stopped at a limit: it leaves the attempt once, with the code, and the others end it."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.unit.round.chain import NAMES, VICTIM
from tests.unit.round.cohort import World, running


@pytest.mark.parametrize("phase", ["Keys", "Updates"])
async def test_a_node_whose_plan_was_stopped_leaves_its_attempt_with_the_code_and_the_others_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
):
    world = World(tmp_path)
    world.nodes[VICTIM].unfit = lambda _: "FL3043" if world.chain.phase in (phase, "Unmask") else ""
    with running(world, monkeypatch), capture_logs() as logs:
        await world.run()
    assert world.chain.phase == "Final"
    assert set(world.chain.fixed["Unmask"]) == set(NAMES) - {VICTIM}
    dropped = [(entry["attempt"], entry["code"]) for entry in logs if entry["event"] == "dropped out"]
    assert dropped == [("t/1/1", "FL3043")]
