"""A plan loaded into a framework's process: reading the rows, and what every framework does with them alike."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node.data.examples import Examples
from fl_node.data.kept import KeptExamples
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.state import ModelState, read_model, read_state

Sums = list[float]
EVALUATION_ROWS: Final = 1024
"""Rows that are measured at once; nothing depends on it but memory."""
NORM_ROWS: Final = 2000
"""Rows whose gradients' norms are looked at, one after the other."""


@dataclass(frozen=True)
class Step:
    """What a local step gave: the model after it, sums of what was measured on the way, training rows, batches."""

    model: bytes
    sums: Sums
    rows: int
    steps: int


class LocalPlan(ABC):
    """A plan that a framework has loaded.

    Args:
        manifest: The plan's.
    """

    def __init__(self, manifest: AveragingManifest) -> None:
        self.manifest = manifest
        self._rows = KeptExamples(manifest.schema_, manifest.batching.holdout_percent)

    def work(self, state: bytes, data: Path) -> Step:
        """Trains on the training rows under a path."""
        return self.train(state, self._rows.load(data)[0])

    def evaluate(self, state: bytes, data: Path) -> tuple[Sums, int]:
        """Measures a state on the hold-out rows under a path; the sums of each measure, and how many rows."""
        rows = self._rows.load(data)[1]
        return self.measure(state, rows), rows.rows

    def measure(self, state: bytes, rows: Examples) -> Sums:
        """Measures a state on rows; the sums of each measure."""
        base = read_state(self.manifest, state)
        sums: list[list[float]] = [[] for _ in self.manifest.averaging.measured]
        for start in range(0, rows.rows, EVALUATION_ROWS):
            part = [column[start : start + EVALUATION_ROWS] for column in columns(rows)]
            for held, value in zip(sums, self.measure_part(base, part), strict=True):
                held.append(float(value))
        return list(map(math.fsum, sums))

    def norms(self, state: bytes, data: Path) -> list[float]:
        """How far training rows move the model, as L2 norms before any clipping of updates.

        Of a plan that clips rows: by the gradient of each row alone, at most of `NORM_ROWS`, chosen by digests.
        Of others: by all rows together, one norm.
        """
        rows = self._rows.load(data)[0]
        alone = range(min(rows.rows, NORM_ROWS)) if self.manifest.averaging.by_record else []
        parts = [_one(rows, at) for at in alone] or [rows]
        before = _flat(read_state(self.manifest, state).trained)
        return [float(np.linalg.norm(_flat(read_model(self.train(state, part).model)[0]) - before)) for part in parts]

    @abstractmethod
    def train(self, state: bytes, rows: Examples) -> Step:
        """Trains on rows: whole batches, then the rest, as often as the plan says."""

    @abstractmethod
    def measure_part(self, base: ModelState, part: list[NDArray[Any]]) -> Any:
        """Measures a state on some rows at once; the sums of each measure."""


def columns(rows: Examples) -> list[NDArray[Any]]:
    """What a program takes of rows: features, and labels where there are any."""
    return [rows.features] if rows.labels is None else [rows.features, rows.labels]


def _flat(arrays: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    return np.concatenate([array.astype(np.float64).reshape(-1) for array in arrays])


def _one(rows: Examples, at: int) -> Examples:
    return Examples(rows.features[at : at + 1], None if rows.labels is None else rows.labels[at : at + 1])
