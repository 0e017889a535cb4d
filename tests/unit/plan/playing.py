"""Rounds of plans of this project's arithmetic, played on made-up rows with real secure aggregation."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fl_node.canonical import canonical_json
from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.container import Plan, pack_plan
from fl_node.plan.runtime import DataSource
from fl_node.secagg.layout import Layout
from fl_node.secagg.simulation import session_of, simulate
from tests.unit.plan.conftest import add

ROUNDS = ([0, 1, 2, 3], [0, 2, 3], [1, 2, 3])
"""Who survives each."""


def write_rows(folder: Path) -> Path:
    """Writes files of four participants: columns a, b, c, a label of two kinds, and a size."""
    draw = np.random.default_rng(3)
    for participant in range(4):
        lines = [
            f"{','.join(f'{value:.4f}' for value in row)},{'yes' if row[0] > 0 else 'no'},{row.sum():.4f}"
            for row in draw.normal(size=(23 + participant, 3))
        ]
        text = "\n".join(["a,b,c,kind,size", *lines])
        (folder / f"rows-{participant}.csv").write_text(f"{text}\n")
    return folder


def files(rows: Path) -> list[DataSource]:
    return [DataSource(path) for path in sorted(rows.iterdir())]


def masked_sum(runtime: AveragingRuntime, state: bytes, vectors: list[bytes], survivors: list[int]) -> bytes:
    """The survivors' sum by real secure aggregation; the others drop out after sharing their keys."""
    layout = Layout.parse(canonical_json(runtime.manifest.layout.model_dump(mode="json")))
    digests = {"plan": bytes.fromhex(runtime.digest), "base_state": hashlib.sha256(state).digest()}
    session = session_of(layout, len(vectors), **digests)
    gone = [name for place, name in enumerate(session.cohort) if place not in survivors]
    return bytes(simulate(session, dict(zip(session.cohort, vectors, strict=True)), {"updates": gone}).vector)


def play(runtime: AveragingRuntime, sources: list[DataSource]) -> list[float]:
    """Plays rounds with masks and dropouts; each is bit for bit what it is without masks. Returns the losses."""
    state, losses = runtime.initialize(), []
    runtime.prepare(state)
    for survivors in ROUNDS:
        works = [runtime.work(state, data) for data in sources]
        plain = add(runtime.manifest.layout, [works[at].vector for at in survivors])
        masked = masked_sum(runtime, state, [work.vector for work in works], survivors)
        counts = [works[at].examples for at in survivors]
        result = runtime.update(state, masked, counts)
        assert (result.state, result.metrics) == next_state(runtime.manifest, state, plain, counts)
        assert result.metrics.keys() == set(runtime.manifest.metrics)
        assert runtime.compare_states(result.state, runtime.update(state, plain, counts).state) == 0
        assert result.state != state
        losses.append(result.metrics["train/loss"])
        state = result.state
    return losses


def changed(plan: Plan, folder: Path, programs: Mapping[str, bytes], **changes: object) -> Path:
    """Writes a well-formed plan with other programs or another manifest."""
    held = dict(zip(plan.manifest.entries, plan.computations.values(), strict=True))
    held |= {"initial.state": plan.initial_state, **programs}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in held.items()}
    path = folder / "changed.flplan"
    path.write_bytes(pack_plan(plan.manifest.model_copy(update={"files": digests, **changes}), held))
    return path
