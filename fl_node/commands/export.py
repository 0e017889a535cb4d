"""A trained model out of the federation: NumPy, Keras, SavedModel or JSON, with the lineage that proves it."""

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.plan.container import read_plan
from fl_node.plan.frameworks import JAX, TFF, imported_by
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.kinds.step import read_state
from fl_node.plan.model_weights import weights_of
from fl_node.plan.safetensors import to_safetensors

FORMATS: Final = ("numpy", "safetensors", "keras", "savedmodel")
HERE: Final = Path(__file__).resolve().parents[2]
"""The folder that holds the package `fl_node`."""
OF_KINDS: Final = ("json",)
"""The formats of plans that need no framework."""
LINEAGE: Final = "lineage.json"


async def lineage(ledger: Ledger, training: str, round_: int) -> dict[str, Any]:
    """Return where a model comes from: plan, every round that led to it, who survived, who attested.

    Args:
        ledger: Any member's or the regulator's connection.
        training: The training.
        round_: The round whose state is exported; 0 is the last.

    Raises:
        NodeError: FL4502, that round has no result.
    """
    answer = await ledger.lineage(training)
    steps = answer["steps"]
    if round_:
        steps = steps[: 1 + next((i for i, step in enumerate(steps) if step["round"] == round_), -1)]
    if not steps:
        raise NodeError(
            codes.EXPORT_REFUSED, f"{training} has no result of round {round_ or 1}", hint="See `train status`."
        )
    for step in steps:
        made = await ledger.round(training, step["round"], step["attempt"])
        step["attested_by"] = sorted(msp for msp, word in made.attestations.items() if word.agree) if made else []
        step["aggregate"] = made.proposal.aggregate if made and made.proposal else ""
    return {**answer, "channel": ledger.profile.channel, "state": steps[-1]["state"], "steps": steps}


async def export(state: bytes, made_by: dict[str, Any], form: str, out: Path, source: str) -> dict[str, Any]:
    """Write a model and its lineage into a folder; return what was written.

    Args:
        state: The state blob, whose digest is the lineage's.
        made_by: The lineage.
        form: One of FORMATS.
        out: The folder.
        source: FILE.py[:function] that builds the Keras network; "" for NumPy.

    Raises:
        NodeError: FL4502, no such form, or the network does not fit; FL4701, the state is not the lineage's.
    """
    _check_digest(state, made_by)
    if form not in FORMATS:
        raise NodeError(codes.EXPORT_REFUSED, f"{form} is none of {', '.join((*FORMATS, *OF_KINDS))}")
    weights = weights_of(state)
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    arrays = out / "weights.npz"
    await asyncio.to_thread(np.savez, arrays, **weights)
    written = arrays
    if form == "safetensors":
        written = out / "model.safetensors"
        written.write_bytes(to_safetensors(weights))
    elif form != "numpy":
        if not source:
            hint = "Give --source FILE.py:function, the network of the plan's source."
            raise NodeError(codes.EXPORT_REFUSED, "a plan holds computations, not a Keras network", hint=hint)
        written = out / ("model.keras" if form == "keras" else "saved_model")
        await _with_keras(arrays, written, source)
        made_by = {**made_by, "network": {"source": source, "sha256": _source_digest(source)}}
    (out / LINEAGE).write_text(json.dumps(made_by, indent=2) + "\n", encoding="utf-8")
    return {"format": form, "file": str(written), "lineage": str(out / LINEAGE), "state": made_by["state"]}


async def export_kind(plan: bytes, state: bytes, made_by: dict[str, Any], form: str, out: Path) -> dict[str, Any]:
    """Write what a plan that needs no framework found, and its lineage, into a folder; return what was written.

    Args:
        plan: The plan file, whose digest is the lineage's.
        state: The state blob, whose digest is the lineage's.
        made_by: The lineage.
        form: One of OF_KINDS.
        out: The folder.

    Raises:
        NodeError: FL4502, the plan is another one; FL4701, the state is not the lineage's.
        PlanError: FL3002, the plan is not the lineage's.
    """
    _check_digest(state, made_by)
    manifest = read_plan(plan, made_by["plan"]).manifest
    if not isinstance(manifest, KindManifest):
        hint = f"Take --format {', '.join(FORMATS)}."
        raise NodeError(codes.EXPORT_REFUSED, f"{form} is for plans that need no framework", hint=hint)
    found = manifest.kind.export(manifest.schema_, read_state(manifest, state))
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    written = out / "model.json"
    written.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (out / LINEAGE).write_text(json.dumps(made_by, indent=2) + "\n", encoding="utf-8")
    return {"format": form, "file": str(written), "lineage": str(out / LINEAGE), "state": made_by["state"]}


def _check_digest(state: bytes, made_by: dict[str, Any]) -> None:
    if hashlib.sha256(state).hexdigest() != made_by["state"]:
        raise NodeError(
            codes.BLOB_DIFFERS, "the state is not the one that the lineage ends with", where=made_by["state"]
        )


async def _with_keras(arrays: Path, target: Path, source: str) -> None:
    """Let a child process of the source's framework build the network and save it: a node imports none.

    Raises:
        NodeError: FL4502.
        PlanError: FL3047, the framework is not installed.
    """
    framework = imported_by(Path(source.partition(":")[0]))
    own, variables = framework.environment, dict(os.environ)
    if framework not in (TFF, JAX):
        hint = "Take --format numpy: the weights in the model's own order."
        raise NodeError(codes.EXPORT_REFUSED, f"{framework.title} has no Keras network", where=source, hint=hint)
    if own:
        own.require()
        variables |= {**own.settings, "PYTHONPATH": str(HERE)}
    command = (str(own.python if own else sys.executable), "-m", f"fl_node.plan.{framework.word}.export")
    process = await asyncio.create_subprocess_exec(
        *command,
        *(str(arrays), str(target), source),
        env=variables,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, problems = await process.communicate()
    if process.returncode:
        last = problems.decode(errors="replace").strip().splitlines()[-1:]
        raise NodeError(codes.EXPORT_REFUSED, f"the network cannot be saved: {' '.join(last)}", where=source)


def _source_digest(source: str) -> str:
    return hashlib.sha256(Path(source.partition(":")[0]).read_bytes()).hexdigest()
