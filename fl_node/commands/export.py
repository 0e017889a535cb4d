"""A trained model out of the federation: NumPy, safetensors, Keras, SavedModel, ONNX or JSON, with its lineage."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.plan.container import read_plan
from fl_node.plan.forms import TARGETS, deviation, source_file, write_forms
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.kinds.reading_trees import read_sums, true_sums
from fl_node.plan.kinds.rows import load_rows
from fl_node.plan.kinds.step import read_state
from fl_node.plan.kinds.trees import Trees
from fl_node.plan.model_weights import weights_of
from fl_node.plan.safetensors import from_safetensors, to_safetensors

FORMATS: Final = ("numpy", "safetensors", "keras", "savedmodel", "onnx")
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
    state: bytes,
    made_by: dict[str, Any],
    form: str,
    out: Path,
    source: str,
    rows: NDArray[np.float32] | None = None,
    frozen: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Write a model and its lineage into a folder; return what was written, and how far the file's outputs lie apart.

    Args:
        state: The state blob, whose digest is the lineage's.
        made_by: The lineage.
        form: One of FORMATS.
        out: The folder.
        source: FILE.py[:function] that builds the Keras network; "" for NumPy.
        rows: Rows on which the file must compute what the network computes; None: nothing is compared.
        frozen: The plan's weights that are in no state (`frozen_of`).

    Raises:
        NodeError: FL4502, no such form, the network does not fit, or the file computes something else; FL4701, the
            state is not the lineage's.
    """
    _check_digest(state, made_by)
    if form not in FORMATS:
        raise NodeError(codes.EXPORT_REFUSED, f"{form} is none of {', '.join((*FORMATS, *OF_KINDS))}")
    weights = weights_of(state) | dict(frozen)
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
        told = (await write_forms(weights, source, [form], out, rows))[form]
        digest = hashlib.sha256(source_file(source).read_bytes()).hexdigest()
        made_by = {**made_by, "network": {"source": source, "sha256": digest}}
    (out / LINEAGE).write_text(json.dumps(made_by | told, indent=2) + "\n", encoding="utf-8")
    return {"format": form, "file": str(written), "lineage": str(out / LINEAGE), "state": made_by["state"], **told}


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
        told = {"compared": len(rows), "deviation": deviation(*sums)}
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
