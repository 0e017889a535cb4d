"""Plans that need no framework, on one network with four nodes: voted, masked, summed, attested, audited, exported."""

import asyncio
import csv
import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_node.demo.federation import Federation, opened
from fl_node.ledger.records import Round
from fl_node.plan.kinds.compile import compile_kind
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.source import Glm, KindPlan, Trees
from fl_node.plan.kinds.step import next_state, vector_of
from tests.faults.conftest import network
from tests.faults.stage import NAMES, ended, last_attempt
from tests.scenarios.shares import PATIENT, ROOT, Stage, begun, derived, start
from tests.unit.plan.conftest import add
from tests.unit.plan.kinds.plans import compiled, dealt, manifest_of, patients, pooled
from tests.unit.plan.kinds.test_rounds import KINDS_OF, SCHEMA

REGIONS = ("north", "south", "west")
ROWS = patients("poisson", 400)
VICTIM = NAMES[2]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A federation whose four nodes have a share each of the same rows."""
    with network(tmp_path_factory.mktemp("kinds"), request, **PATIENT) as folder:
        data = {name: write(folder / f"{name}.csv", rows) for name, rows in zip(NAMES, dealt(ROWS, 4), strict=True)}
        with begun(folder, written(folder, KindPlan("first", SCHEMA, KINDS_OF["glm"])), data) as stage:
            yield stage


def write(path: Path, rows: Rows) -> Path:
    assert rows.labels is not None
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["age", "pressure", "smoker", "region", "claims", "years"])
        for features, (claims, years) in zip(rows.features.tolist(), rows.labels.tolist(), strict=True):
            region = REGIONS[features[3:].index(1)]
            writer.writerow([*features[:2], int(features[2]), region, int(claims), years])
    return path


def written(run: Path, plan: KindPlan) -> Path:
    path = run / f"{plan.name}.flplan"
    path.write_bytes(compile_kind(plan))
    return path


async def train(run: Path, federation: Federation, name: str, rounds: int) -> list[Round]:
    """Vote for a kind's plan and a training of it, and wait for its rounds."""
    await start(run, federation, written(run, KindPlan(name, SCHEMA, KINDS_OF[name])), name, rounds)
    return [await last_attempt(federation.first, name, number) for number in range(1, rounds + 1)]


def exported(run: Path, training: str) -> dict[str, Any]:
    """Return what the command writes as JSON."""
    out = run / f"{training}-out"
    command = [sys.executable, "-m", "fl_node", "model", "export", training, "--out", str(out), "--format", "json"]
    subprocess.run([*command, "--org", NAMES[1], "--run", str(run)], check=True, cwd=ROOT, timeout=120)
    return dict(json.loads((out / "model.json").read_text()))


def made_again(name: str, rounds: list[Round]) -> list[str]:
    """Return the digests of the states that the survivors' rows give without masks and without a network."""
    plan = compiled(KINDS_OF[name], SCHEMA)
    manifest, state, shares = manifest_of(plan), plan.initial_state, dict(zip(NAMES, dealt(ROWS, 4), strict=True))
    nobody, digests = ROWS.take(slice(0, 0)), []
    for view in rounds:
        vectors = [vector_of(manifest, state, shares[one], nobody) for one in view.survivors]
        state, _ = next_state(manifest, state, add(manifest.layout, vectors), [1] * len(vectors))
        digests.append(hashlib.sha256(state).hexdigest())
    return digests


async def test_a_regression_of_four_hospitals_is_that_of_all_their_rows_and_the_audit_derives_each_step(stage: Stage):
    async with opened(stage.folder) as federation:
        rounds = await train(stage.folder, federation, "glm", 5)
    found = exported(stage.folder, "glm")
    assert ROWS.labels is not None
    matrix = np.column_stack([np.ones(len(ROWS)), np.delete(ROWS.features, 3, axis=1)])
    coefficients, errors = pooled("poisson", matrix, ROWS.labels[:, 0], np.log(ROWS.labels[:, 1]))
    named = found["coefficients"].values()
    np.testing.assert_allclose([one["estimate"] for one in named], coefficients, atol=1e-6)
    np.testing.assert_allclose([one["standard_error"] for one in named], errors, atol=1e-6)
    assert found["n"] == len(ROWS)
    await derived(stage.folder, len(rounds))


@pytest.mark.lengthy
async def test_other_kinds_are_trained_at_once_to_the_bits_of_the_plain_sums(stage: Stage):
    numbers = {"statistics": 2, "kmeans": 3, "trees": 2}
    async with opened(stage.folder) as federation:
        trainings = [train(stage.folder, federation, name, number) for name, number in numbers.items()]
        found = dict(zip(numbers, await asyncio.gather(*trainings), strict=True))
    for name, rounds in found.items():  # not so a regression: a BLAS sums its products as it likes
        assert [view.state for view in rounds] == made_again(name, rounds), name


@pytest.mark.lengthy
async def test_trees_grow_to_the_last_one_though_a_node_is_held_still_and_the_survivors_rows_give_every_state(
    stage: Stage,
):
    kind = KINDS_OF["trees"]
    assert isinstance(kind, Trees)
    async with opened(stage.folder) as federation:
        await start(
            stage.folder, federation, written(stage.folder, KindPlan("whole", SCHEMA, kind)), "whole", kind.rounds
        )
        await last_attempt(federation.first, "whole", 2)
        stage.nodes[VICTIM].send_signal(signal.SIGSTOP)
        try:
            without = await last_attempt(federation.first, "whole", 4)
        finally:
            stage.nodes[VICTIM].send_signal(signal.SIGCONT)
        rounds = [await last_attempt(federation.first, "whole", number) for number in range(1, kind.rounds + 1)]
    assert VICTIM not in without.survivors
    assert [view.phase for view in rounds] == ["Final"] * kind.rounds
    assert [view.state for view in rounds] == made_again("trees", rounds)
    model = exported(stage.folder, "whole")
    assert len(model["learner"]["gradient_booster"]["model"]["trees"]) == kind.trees


@pytest.mark.lengthy
async def test_sums_that_no_model_follows_from_end_the_attempt_void_by_everybodys_word(stage: Stage):
    """Slots for a thousand participants with a wide range are too coarse for a millionth (FL3062)."""
    plan = KindPlan("coarse", SCHEMA, Glm(family="poisson", magnitude_bits=44), cohort_max=1000)
    async with opened(stage.folder) as federation:
        await start(stage.folder, federation, written(stage.folder, plan), "coarse", 1)
        first = await ended(federation.first, "coarse", 1)
    assert (first.phase, first.void_reason) == ("Void", "FL0432")
