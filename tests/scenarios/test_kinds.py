"""Plans that need no framework, on one network with four nodes: voted, masked, summed, attested, audited, exported."""

import asyncio
import contextlib
import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from fl_node.demo.federation import Federation, opened
from fl_node.demo.regulator import audit
from fl_node.ledger.records import Round
from fl_node.plan.kinds.compile import compile_kind
from fl_node.plan.kinds.kind import Kind
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.source import Glm, KindPlan
from network.connection import consortium_of
from tests.faults.conftest import network
from tests.faults.stage import NAMES, ended
from tests.unit.plan.kinds.plans import dealt, patients, pooled, schema

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = schema("poisson")
READY_S = 180.0
REGIONS = ("north", "south", "west")
ROWS = patients("poisson", 400)

pytestmark = pytest.mark.timeout(280)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A federation whose four nodes have a share each of the same rows."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(network(tmp_path_factory.mktemp("kinds"), request))
        data = {name: write(folder / f"{name}.csv", rows) for name, rows in zip(NAMES, dealt(ROWS, 4), strict=True)}
        for name, path in data.items():
            command = [sys.executable, "-m", "fl_node", "node", "run", "--org", name, "--run", str(folder)]
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            node = subprocess.Popen([*command, "--data", str(path)], cwd=ROOT, stdout=log, stderr=log)
            stack.callback(node.wait)
            stack.callback(node.terminate)
        asyncio.run(begin(folder, data))
        yield folder


def write(path: Path, rows: Rows) -> Path:
    assert rows.labels is not None
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["age", "pressure", "smoker", "region", "claims", "years"])
        for features, (claims, years) in zip(rows.features.tolist(), rows.labels.tolist(), strict=True):
            region = REGIONS[features[3:].index(1)]
            writer.writerow([*features[:2], int(features[2]), region, int(claims), years])
    return path


async def begin(folder: Path, data: dict[str, Path]) -> None:
    await asyncio.gather(*(until(folder, name, bool) for name in NAMES))
    async with opened(folder) as federation:
        await federation.found()
        await federation.apply(plan_of(folder, "first", Glm(family="poisson")), data)
        await federation.vet()


def plan_of(run: Path, name: str, kind: Kind) -> Path:
    path = run / f"{name}.flplan"
    path.write_bytes(compile_kind(KindPlan(name, SCHEMA, kind)))
    return path


async def until(run: Path, name: str, holds: Any) -> None:
    """Wait until what a node says of itself is as wanted."""
    port = (consortium_of(run).organisation(name).blob_port or 0) + 2
    deadline = time.monotonic() + READY_S
    async with aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with session.get(f"http://127.0.0.1:{port}/health") as response:
                    if holds(await response.json()):
                        return
            assert time.monotonic() < deadline, (run / f"{name}.log").read_text()[-2000:]
            await asyncio.sleep(0.1)


async def train(run: Path, federation: Federation, name: str, kind: Kind, rounds: int) -> list[Round]:
    """Vote for a plan and a training of it, and wait for its rounds."""
    digest = await federation.register(plan_of(run, name, kind))
    await asyncio.gather(*(until(run, one, lambda health: digest in health.get("plans", ())) for one in NAMES))
    await federation.decide("start_training", {"training": name, "plan": digest, "rounds": rounds, "cohort": 4})
    return [await ended(federation.first, name, number) for number in range(1, rounds + 1)]


def exported(run: Path, training: str) -> dict[str, Any]:
    """Return what the command writes as JSON."""
    out = run / f"{training}-out"
    command = [sys.executable, "-m", "fl_node", "model", "export", training, "--out", str(out), "--format", "json"]
    subprocess.run([*command, "--org", NAMES[1], "--run", str(run)], check=True, cwd=ROOT, timeout=120)
    return dict(json.loads((out / "model.json").read_text()))


async def audited(run: Path) -> dict[str, Any]:
    verdict = await audit(run)
    assert verdict["exit"] == 0, verdict
    return verdict


async def test_a_regression_of_four_hospitals_is_that_of_all_their_rows_and_the_audit_derives_each_step(run: Path):
    async with opened(run) as federation:
        rounds = await train(run, federation, "claims", Glm(family="poisson"), 6)
    assert [view.phase for view in rounds] == ["Final"] * 6
    assert {view.survivors for view in rounds} == {NAMES}
    found = exported(run, "claims")
    assert ROWS.labels is not None
    matrix = np.column_stack([np.ones(len(ROWS)), np.delete(ROWS.features, 3, axis=1)])
    coefficients, errors = pooled("poisson", matrix, ROWS.labels[:, 0], np.log(ROWS.labels[:, 1]))
    named = found["coefficients"].values()
    np.testing.assert_allclose([one["estimate"] for one in named], coefficients, atol=1e-6)
    np.testing.assert_allclose([one["standard_error"] for one in named], errors, atol=1e-6)
    assert found["n"] == len(ROWS)
    verdict = await audited(run)
    assert verdict["models"] == {"steps": 6, "derived": 6}
