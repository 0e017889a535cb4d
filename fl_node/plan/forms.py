"""A model in forms that need its network's source: SavedModel, Keras, ONNX; a child of its framework makes them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.examples import load_examples
from fl_node.errors import NodeError
from fl_node.plan.exporting import NETWORK, OUTPUTS, ROWS, WEIGHTS
from fl_node.plan.frameworks import JAX, TFF, imported_by
from fl_node.plan.manifest import Manifest
from fl_node.plan.onnx_file import OPSET, outputs_of, write_onnx

TARGETS: Final = {"savedmodel": "saved_model", "keras": "model.keras", "onnx": "model.onnx"}
"""Form → its file or folder, in the order in which a child makes them: what a SavedModel's functions are called depends
on what was traced before."""
TOLERANCE: Final = 1e-5
"""How far outputs of a file may lie from the network's, relative to the largest of them or to 1."""
HERE: Final = Path(__file__).resolve().parents[2]
"""The folder that holds the package `fl_node`."""


async def write_forms(
    weights: Mapping[str, NDArray[Any]],
    source: str,
    forms: Collection[str],
    folder: Path,
    rows: NDArray[np.float32] | None = None,
) -> dict[str, dict[str, Any]]:
    """Write a network with given weights into a folder; return what is to be told of each form.

    The source is executed: give one that was read. The same source, weights, forms and versions give the same bytes.

    Args:
        weights: By name, as `weights_of` gives them.
        source: FILE.py[:function] that builds the network.
        forms: Of TARGETS.
        folder: Where the files go.
        rows: Rows on which each file must compute what the network computes; None: nothing is compared.

    Raises:
        NodeError: FL4502, the network does not fit, has no such form, or a file computes something else.
        PlanError: FL3047, the framework is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="export-") as name:
        scratch, targets = Path(name), {form: folder / TARGETS[form] for form in TARGETS if form in forms}
        np.savez(scratch / WEIGHTS, **dict(weights))
        if rows is not None:
            np.save(scratch / ROWS, rows)
        await _child(source, scratch, targets.values())
        told: dict[str, dict[str, Any]] = {form: {} for form in targets}
        if "onnx" in targets:
            write_onnx(scratch, targets["onnx"])
            told["onnx"]["opset"] = OPSET
        if rows is not None:
            _compare(scratch, targets, rows, told)
        return told


def _compare(
    scratch: Path, targets: Mapping[str, Path], rows: NDArray[np.float32], told: dict[str, dict[str, Any]]
) -> None:
    with np.load(scratch / OUTPUTS) as outputs:
        for form, target in targets.items():
            found = outputs_of(target, rows) if form == "onnx" else outputs[target.name]
            told[form] |= {"compared": len(rows), "deviation": deviation(outputs[NETWORK], found)}


def deviation(wanted: NDArray[Any], found: NDArray[Any]) -> float:
    """Return the largest difference, relative to the largest output or to 1.

    Raises:
        NodeError: FL4502, it is more than TOLERANCE.
    """
    if wanted.shape != found.shape:
        raise NodeError(codes.EXPORT_REFUSED, f"the file's outputs have the shape {found.shape}, not {wanted.shape}")
    apart = float(np.abs(wanted - found).max(initial=0) / max(1, np.abs(wanted).max(initial=0)))
    if not apart <= TOLERANCE:
        raise NodeError(codes.EXPORT_REFUSED, f"the file's outputs lie {apart:.3g} apart, {TOLERANCE} is allowed")
    return apart


def held_out_rows(manifest: Manifest, data: Path) -> NDArray[np.float32]:
    """Return the features of one's own rows that a plan holds out, or of all where it holds none out.

    Raises:
        DataError: the rows do not fit the plan.
    """
    train, held = load_examples(data, manifest.schema_, manifest.batching.holdout_percent)
    return held.features if held.rows else train.features


async def _child(source: str, scratch: Path, targets: Iterable[Path]) -> None:
    """Let a child process build the network and save it: a node imports no framework."""
    framework = imported_by(source_file(source))
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
        *(source, str(scratch), *map(str, targets)),
        env=variables,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, problems = await process.communicate()
    if process.returncode:
        last = problems.decode(errors="replace").strip().splitlines()[-1:]
        raise NodeError(codes.EXPORT_REFUSED, f"the network cannot be saved: {' '.join(last)}", where=source)


def source_file(source: str) -> Path:
    """Return the file of FILE.py[:function]."""
    return Path(source.partition(":")[0])
