"""Nodes of an earlier commit beside nodes of this one, on one ledger: `--older=FOLDER` names its checkout.

    git worktree add ../earlier v1.0
    pytest tests/faults/test_older.py --older=../earlier

They upgrade one organisation after the other, so that for days some are older than others. What an earlier node sent
and answered over HTTPS is kept, and held against today's in every run: tests/unit/blobs/test_earlier.py.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.demo import regulator
from fl_node.demo.federation import opened
from tests.faults.conftest import network
from tests.faults.stage import NAMES, Nodes, founded, last_attempt, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
OLDER = NAMES[2:]
ROUNDS = 3


@pytest.fixture
def mixed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """Four nodes, two of them of the earlier commit."""
    checkout = request.config.getoption("--older")
    if checkout is None:
        pytest.skip("nodes of an earlier commit take part with --older=FOLDER")
    with network(tmp_path, request) as run, founded(run, dict.fromkeys(OLDER, checkout.resolve())) as nodes:
        yield nodes


async def test_nodes_of_an_earlier_commit_and_of_this_one_end_rounds_together(mixed: Nodes):
    checkout = mixed.checkouts[OLDER[0]]
    asked = [sys.executable, "-c", "import fl_node; print(fl_node.__file__)"]
    imported = subprocess.run(  # noqa: ASYNC221
        asked, cwd=checkout, env={"PYTHONPATH": str(checkout)}, capture_output=True, text=True, check=True
    )
    assert Path(imported.stdout.strip()).is_relative_to(checkout), "the earlier code runs"
    async with opened(mixed.run) as federation:
        await start(federation, "mixed", ROUNDS)
        views = [await last_attempt(federation.first, "mixed", number) for number in range(1, ROUNDS + 1)]
    assert [view.phase for view in views] == ["Final"] * ROUNDS
    assert [set(view.survivors) for view in views] == [set(NAMES)] * ROUNDS, [mixed.log(name)[-3000:] for name in OLDER]
    verdict = await regulator.audit(mixed.run)
    assert verdict.get("ok") is True, verdict.get("failures") or verdict.get("error")
