"""A trained model out of the federation: NumPy, safetensors, Keras, SavedModel, ONNX or JSON, with its lineage."""

import asyncio
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.commands.onnx_file import OPSET, outputs_of, write_onnx
from fl_node.data.examples import load_examples
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.plan.container import read_plan
from fl_node.plan.exporting import OUTPUTS, ROWS
from fl_node.plan.frameworks import JAX, TFF, imported_by
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.kinds.reading_trees import read_sums, true_sums
from fl_node.plan.kinds.rows import load_rows
from fl_node.plan.kinds.step import read_state
from fl_node.plan.kinds.trees import Trees
from fl_node.plan.model_weights import weights_of
from fl_node.plan.safetensors import from_safetensors, to_safetensors

FORMATS: Final = ("numpy", "safetensors", "keras", "savedmodel", "onnx")
TARGETS: Final = {"keras": "model.keras", "savedmodel": "saved_model", "onnx": "model.onnx"}
"""The files and folders of those that need the network's source."""
TOLERANCE: Final = 1e-5
"""How far outputs of a file may lie from the network's, relative to the largest of them or to 1."""
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


async def export(
    state: bytes, made_by: dict[str, Any], form: str, out: Path, source: str, rows: NDArray[np.float32] | None = None
) -> dict[str, Any]:
    """Write a model and its lineage into a folder; return what was written, and how far the file's outputs lie apart.

    Args:
        state: The state blob, whose digest is the lineage's.
        made_by: The lineage.
        form: One of FORMATS.
        out: The folder.
        source: FILE.py[:function] that builds the Keras network; "" for NumPy.
        rows: Rows on which the file must compute what the network computes; None: nothing is compared.

    Raises:
        NodeError: FL4502, no such form, the network does not fit, or the file computes something else; FL4701, the
            state is not the lineage's.
    """
    _check_digest(state, made_by)
    if form not in FORMATS:
        raise NodeError(codes.EXPORT_REFUSED, f"{form} is none of {', '.join((*FORMATS, *OF_KINDS))}")
    weights = weights_of(state)
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    arrays = out / "weights.npz"
    await asyncio.to_thread(np.savez, arrays, **weights)
    written, told = arrays, {}
    if form == "safetensors":
        written = out / "model.safetensors"
        written.write_bytes(to_safetensors(weights))
        _check_same(weights, from_safetensors(written.read_bytes()))
    elif form != "numpy":
        if not source:
            hint = "Give --source FILE.py:function, the network of the plan's source."
            raise NodeError(codes.EXPORT_REFUSED, "a plan holds computations, not a Keras network", hint=hint)
        written = out / TARGETS[form]
        told = await _from_source(arrays, written, source, rows)
        made_by = {**made_by, "network": {"source": source, "sha256": _source_digest(source)}}
    (out / LINEAGE).write_text(json.dumps(made_by | told, indent=2) + "\n", encoding="utf-8")
    return {"format": form, "file": str(written), "lineage": str(out / LINEAGE), "state": made_by["state"], **told}


def held_out_rows(plan: bytes, data: Path) -> NDArray[np.float32]:
    """Return the features of one's own rows that a plan holds out, or of all where it holds none out.

    Raises:
        DataError: the rows do not fit the plan.
    """
    manifest = read_plan(plan).manifest
    train, held = load_examples(data, manifest.schema_, manifest.batching.holdout_percent)
    return held.features if held.rows else train.features


async def _from_source(arrays: Path, target: Path, source: str, rows: NDArray[np.float32] | None) -> dict[str, Any]:
    """Write the network of a source with its weights; return on how many rows its outputs were compared, and how."""
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        scratch = Path(folder)
        if rows is not None:
            np.save(scratch / ROWS, rows)
        await _with_keras(arrays, target, source, scratch)
        told = {}
        if target.suffix == ".onnx":
            write_onnx(scratch, target)
            told["opset"] = OPSET
        if rows is None:
            return told
        with np.load(scratch / OUTPUTS) as outputs:
            wanted = outputs["network"]
            found = outputs["again"] if target.suffix != ".onnx" else outputs_of(target, rows)
        return told | {"compared": len(rows), "deviation": _deviation(wanted, found)}


def _deviation(wanted: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the largest difference, relative to the largest output or to 1; at most TOLERANCE."""
    if wanted.shape != found.shape:
        raise NodeError(codes.EXPORT_REFUSED, f"the file's outputs have the shape {found.shape}, not {wanted.shape}")
    apart = float(np.abs(wanted - found).max(initial=0) / max(1, np.abs(wanted).max(initial=0)))
    if not apart <= TOLERANCE:
        raise NodeError(codes.EXPORT_REFUSED, f"the file's outputs lie {apart:.3g} apart, {TOLERANCE} is allowed")
    return apart


def _check_same(wanted: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> None:
    same = wanted.keys() == found.keys() and all(np.array_equal(wanted[name], found[name]) for name in wanted)
    if not same:
        raise NodeError(codes.EXPORT_REFUSED, "the file read again holds other weights")


async def export_kind(
    plan: bytes, state: bytes, made_by: dict[str, Any], form: str, out: Path, data: Path | None = None
) -> dict[str, Any]:
    """Write what a plan that needs no framework found, and its lineage, into a folder; return what was written.

    Args:
        plan: The plan file, whose digest is the lineage's.
        state: The state blob, whose digest is the lineage's.
        made_by: The lineage.
        form: One of OF_KINDS.
        out: The folder.
        data: Own rows: on their hold-out exported trees must say what the state's say; None: nothing is compared.

    Raises:
        NodeError: FL4502, the plan is another one, or the file says something else; FL4701, the state is another one.
        PlanError: FL3002, the plan is not the lineage's.
    """
    _check_digest(state, made_by)
    manifest = read_plan(plan, made_by["plan"]).manifest
    if not isinstance(manifest, KindManifest):
        hint = f"Take --format {', '.join(FORMATS)}."
        raise NodeError(codes.EXPORT_REFUSED, f"{form} is for plans that need no framework", hint=hint)
    known = read_state(manifest, state)
    found = manifest.kind.export(manifest.schema_, known)
    told: dict[str, Any] = {}
    if data is not None and isinstance(manifest.kind, Trees):
        rows = _held_rows(manifest, data)
        sums = (true_sums(manifest.kind, known, rows), read_sums(json.loads(json.dumps(found)), rows))
        told = {"compared": len(rows), "deviation": _deviation(*sums)}
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    written = out / "model.json"
    written.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (out / LINEAGE).write_text(json.dumps(made_by | told, indent=2) + "\n", encoding="utf-8")
    return {"format": form, "file": str(written), "lineage": str(out / LINEAGE), "state": made_by["state"], **told}


def _held_rows(manifest: KindManifest, data: Path) -> NDArray[np.float64]:
    """Return the features of the rows that a plan holds out, or of all where it holds none out."""
    train, held = load_rows(data, manifest.schema_, manifest.batching.holdout_percent)
    return held.features if len(held) else train.features


def _check_digest(state: bytes, made_by: dict[str, Any]) -> None:
    if hashlib.sha256(state).hexdigest() != made_by["state"]:
        raise NodeError(
            codes.BLOB_DIFFERS, "the state is not the one that the lineage ends with", where=made_by["state"]
        )


async def _with_keras(arrays: Path, target: Path, source: str, scratch: Path) -> None:
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
        *(str(arrays), str(target), source, str(scratch)),
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
