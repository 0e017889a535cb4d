"""Figures of a round's groups from their mean updates: lengths, distances, angles, beside the median over groups."""

import math
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from audit.monitor.seen import Group
from fl_node.secagg.layout import Layout

Doubles = NDArray[np.float64]
FEWEST = 3
"""Below this nothing is an outlier: of two groups either may be the strange one."""
TINY = 1e-12


def mean_update(layout: Layout, total: bytes, participants: int) -> Doubles:
    """Returns the mean of a sum's value slots, in parts of the largest that a participant can send, one after another.

    Args:
        layout: The plan's; zero stands in the middle of a value slot, as every plan of updates has it.
        total: The sum's bytes.
        participants: How many updates are in it, ≥ 1.
    """
    parts = [
        (segment.view(total).astype(np.float64) / participants - segment.maximum / 2) / (segment.maximum / 2)
        for segment in layout.segments
        if segment.kind == "value"
    ]
    return np.concatenate(parts)


def figures(
    members: Sequence[tuple[int, tuple[str, ...]]], means: Sequence[Doubles], losses: Sequence[float | None]
) -> tuple[Group, ...]:
    """Returns the figures of each group; none where the groups are fewer than `FEWEST`.

    Args:
        members: Each opened group's number and survivors.
        means: Their mean updates, of equal lengths.
        losses: Their training losses per row.
    """
    if len(means) < FEWEST:
        return ()
    stacked = np.array(means)
    middle = np.median(stacked, axis=0)
    lengths = np.linalg.norm(stacked, axis=1).tolist()
    away = np.linalg.norm(stacked - middle, axis=1).tolist()
    known = [loss for loss in losses if loss is not None]
    return tuple(
        Group(
            place,
            names,
            _ratio(lengths[at], lengths),
            _ratio(away[at], away),
            cosine(stacked[at], middle),
            None if loss is None else _ratio(loss, known),
        )
        for at, ((place, names), loss) in enumerate(zip(members, losses, strict=True))
    )


def cosine(first: Doubles, second: Doubles) -> float:
    """Returns the cosine of the angle between two updates; 0 where one of them is nothing."""
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths > TINY else 0.0


def _ratio(value: float, all_groups: Sequence[float]) -> float:
    """A figure in parts of the median over all groups, which those that are sound hold while they are most."""
    middle = median(all_groups)
    if middle > TINY:
        return value / middle
    return 1.0 if abs(value) <= TINY else math.inf
