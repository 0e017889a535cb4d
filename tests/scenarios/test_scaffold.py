"""SCAFFOLD on a network: each node keeps its own control variate, the members' sum moves the common one."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fl_node.commands.blobs import fetch
from fl_node.demo.federation import opened
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.state import read_state
from fl_node.plan.author import api
from fl_node.plan.container import load_plan
from fl_node.plan.own import UNSETTLED
from fl_node.plan.state_codec import decode_state
from network.folders import folder_of
from tests.faults.conftest import network
from tests.faults.stage import NAMES, last_attempt
from tests.scenarios.shares import PATIENT, ROOT, Stage, begun, derived, start
from tests.unit.plan.arithmetic.scaffold_reference import Doubles, scaffold, unlike, write_regression
from tests.waiting import PATIENCE_S

ROWS = unlike()
ROUNDS = 4
VICTIM = NAMES[2]
pytestmark = [pytest.mark.jax, pytest.mark.lengthy, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A federation of four whose rows follow unlike laws."""
    with network(tmp_path_factory.mktemp("scaffold"), request, **PATIENT | {"updates_ms": 30_000}) as folder:
        write_regression(folder, ROWS)
        with begun(folder, built(folder), {name: folder / f"rows-{at}.csv" for at, name in enumerate(NAMES)}) as stage:
            yield stage


def built(folder: Path) -> Path:
    source, plan = ROOT / "tests" / "unit" / "plan" / "jax" / "sources.py", folder / "controlled.flplan"
    if not plan.exists():
        api.build(f"{source}:controlled", plan, framework="jax")
    return plan


def own(state: bytes) -> Doubles:
    """Return the control variate that a participant keeps."""
    (leaf,) = decode_state(state)
    return np.asarray(leaf.array, np.float64)


async def kept(run: Path, name: str) -> bytes:
    """Return what a node keeps after the last round that counted it, once nothing is open."""
    folder = folder_of(run, name).node(name) / "plans" / "own"
    async with asyncio.timeout(PATIENCE_S):
        while not (files := [*folder.glob("*")]) or any(UNSETTLED in path.name for path in files):  # noqa: ASYNC110  # a file sets no event
            await asyncio.sleep(0.1)
    return max(files, key=lambda path: int(path.name.rpartition("-")[2])).read_bytes()


async def test_control_variates_go_round_past_a_dropout_and_the_audit_makes_each_model_again(stage: Stage):
    run = stage.folder
    manifest = load_plan(built(run)).manifest
    assert isinstance(manifest, AveragingManifest)
    async with opened(run) as federation:
        await start(run, federation, built(run), "controlled", ROUNDS)
        await last_attempt(federation.first, "controlled", 1)
        stage.nodes[VICTIM].send_signal(signal.SIGSTOP)
        try:
            without = await last_attempt(federation.first, "controlled", 3)
        finally:
            stage.nodes[VICTIM].send_signal(signal.SIGCONT)
        rounds = [await last_attempt(federation.first, "controlled", number) for number in range(1, ROUNDS + 1)]
    assert VICTIM not in without.survivors
    states = [read_state(manifest, await fetch(run, NAMES[0], view.state)) for view in rounds]
    expected = scaffold(ROWS, [[NAMES.index(one) for one in view.survivors] for view in rounds])
    for state, weights in zip(states, expected, strict=True):
        assert state.trained[0] == pytest.approx(weights, abs=1e-4)
    owned = [own(await kept(run, name)) for name in NAMES]
    assert min(np.abs(one).max() for one in owned) > 0.01
    assert states[-1].control[0] == pytest.approx(np.mean(owned, axis=0), abs=1e-12)
    await derived(run, ROUNDS)
