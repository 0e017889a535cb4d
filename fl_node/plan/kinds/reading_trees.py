"""What an exported ensemble says of rows, read from its JSON alone: to hold against the state that it was made of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.kinds.grown import Doubles, margins
from fl_node.plan.kinds.kind import State
from fl_node.plan.kinds.trees import Trees


def read_sums(model: dict[str, Any], features: Doubles) -> Doubles:
    """Return what the trees of XGBoost's JSON add up to for each row, without the base score."""
    total = np.zeros(len(features))
    for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
        total = total + _leaves(tree, features.astype(np.float32))
    return np.asarray(total)


def _leaves(tree: dict[str, Any], values: NDArray[np.float32]) -> Doubles:
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    conditions = np.array(tree["split_conditions"], np.float32)
    which, row = np.array(tree["split_indices"]), np.arange(len(values))
    at = np.zeros(len(values), np.int64)
    for _ in range(len(left)):
        inner = left[at] >= 0
        if not inner.any():
            break
        goes_left = values[row, which[at]] < conditions[at]
        at = np.where(inner, np.where(goes_left, left[at], right[at]), at)
    return conditions[at].astype(np.float64)


def true_sums(kind: Trees, state: State, features: Doubles) -> Doubles:
    """Return the same as the federation computes it, in the labels' unit."""
    found = margins(state, features, kind.trees, kind.depth) - float(state["base"])
    return np.asarray(found * float(kind.label_scale))
