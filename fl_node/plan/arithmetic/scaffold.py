"""SCAFFOLD's control variates: Karimireddy et al., ICML 2020 (arXiv 1910.06378), algorithm 1 with option II.

The server keeps c, in the plan's state; participant i keeps cᵢ, for itself. A local step is y ← y - η(g(y) - cᵢ + c).
After K steps cᵢ changes by Δcᵢ = (x - y)/(Kη) - c. The secure sum has Δcᵢ beside the update, clipped and quantised
like it, and c moves by |S|/N of the mean, for S survivors of N participants.

What a participant adds to its cᵢ is what its slots said, not what it would have said without clipping and rounding: so
c remains the mean of all cᵢ. All of it is doubles, one operation at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.arithmetic import slots
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.state import Arrays, ModelState, own_state
from fl_node.plan.state_codec import encode_state

Doubles = NDArray[np.float64]
Sums = Mapping[str, NDArray[Any]]


def begun(manifest: AveragingManifest, base: ModelState, own: bytes) -> tuple[ModelState, ModelState]:
    """What the local step begins with, and what this participant had kept.

    Args:
        manifest: The plan's.
        base: The state of the round.
        own: What its last round gave this participant to keep; empty before the first.

    Returns:
        The state with what is this participant's own in it: weights that are not shared, and c - cᵢ, which corrects
        each step, in the place of c; and what had been kept, zeros where there was nothing.

    Raises:
        PlanError: FL3020, FL3022 for what was kept.
    """
    kept = own_state(manifest, base, own)
    local = kept.kept if manifest.averaging.local else base.kept
    corrections = [c - one for c, one in zip(base.control, kept.control, strict=True)]
    return replace(base, kept=local, control=corrections), kept


def changes(averaging: Averaging, base: ModelState, trained: Arrays, steps: int) -> list[Doubles]:
    """By how much this participant's control variate changes: nothing where the plan has none.

    Args:
        averaging: The arithmetic's constants.
        base: The state of the round.
        trained: The trained weights after the local step.
        steps: K, how many steps that took.
    """
    if averaging.scaffold is None:
        return []
    length = steps * float(averaging.scaffold.rate)
    pairs = zip(base.trained, trained, base.control, strict=True)
    return [(x.astype(np.float64) - y.astype(np.float64)) / length - c for x, y, c in pairs]


def to_keep(manifest: AveragingManifest, kept: ModelState, moments: Arrays, said: Sums) -> bytes:
    """What a participant keeps for its next round: empty where the plan leaves it nothing.

    Args:
        manifest: The plan's.
        kept: What it had kept.
        moments: Its weights that are not trained, after the local step.
        said: What it put into its slots.
    """
    averaging = manifest.averaging
    control = [one + by for one, by in zip(kept.control, _said(averaging, said, len(kept.control)), strict=True)]
    leaves = ModelState([], moments if averaging.local else [], control=control).leaves()
    return encode_state(leaves) if leaves else b""


def moved(averaging: Averaging, control: Arrays, means: Sequence[Doubles], participants: int) -> Arrays:
    """The control variate c after a round: it moves by the survivors' mean change, as far as they are of all.

    A sum of one is no federation but a model that is trained alone, for comparison: nothing corrects it.
    """
    if averaging.scaffold is None or participants == 1:
        return control
    part = float(min(participants, averaging.scaffold.participants)) / float(averaging.scaffold.participants)
    return [c + mean * part for c, mean in zip(control, means, strict=True)]


def _said(averaging: Averaging, said: Sums, count: int) -> list[Doubles]:
    """The changes that one participant's slots stand for."""
    if averaging.scaffold is None:
        return []
    clip = float(averaging.scaffold.clip)
    return [slots.mean(averaging, said, f"{slots.CONTROL_VALUE}{at}", 1, clip) for at in range(count)]
