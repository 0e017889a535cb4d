"""Trees as XGBoost's JSON model, which its `Booster.load_model` reads and predicts with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.data.schema import Schema
from fl_node.plan.kinds.grown import LEAF
from fl_node.plan.kinds.kind import State
from fl_node.plan.kinds.losses import OBJECTIVES, Name
from fl_node.plan.kinds.statistics import feature_names

ROOT = 2147483647
"""What XGBoost writes for the parent of a root."""


def ensemble(name: Name, schema: Schema, state: State, scale: float, quantile: float) -> dict[str, Any]:
    """Returns the model; `scale` turns margins back into the labels' unit."""
    grown = [tree for tree in range(len(state["feature"])) if state["cover"][tree, 0] > 0]
    trees = [_tree(at, state, tree, schema.width, scale) for at, tree in enumerate(grown)]
    parameters = {
        "base_score": _base_score(name, float(state["base"]), scale),
        "boost_from_average": "1",
        "num_class": "0",
        "num_feature": str(schema.width),
        "num_target": "1",
    }
    learner = {
        "attributes": {},
        "feature_names": [_plain(one) for one in feature_names(schema)],
        "feature_types": ["float"] * schema.width,
        "gradient_booster": {
            "model": {
                "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
                "iteration_indptr": list(range(len(trees) + 1)),
                "tree_info": [0] * len(trees),
                "trees": trees,
            },
            "name": "gbtree",
        },
        "learner_model_param": parameters,
        "objective": _objective(name, quantile),
    }
    return {"learner": learner, "version": [2, 1, 0]}


def _plain(name: str) -> str:
    """A feature's name without the characters that XGBoost refuses."""
    return name.replace("[", "(").replace("]", ")").replace("<", "lt")


def _base_score(name: Name, margin: float, scale: float) -> str:
    """The margin to begin with, as the mean that XGBoost takes it from; it reads no more digits than a float has."""
    if name == "binary":
        mean = 1.0 / (1.0 + np.exp(-margin))
    else:
        mean = np.exp(margin) if name == "poisson" else margin * scale
    return f"{mean:.8E}"


def _objective(name: Name, quantile: float) -> dict[str, Any]:
    found: dict[str, Any] = {"name": OBJECTIVES[name]}
    if name in {"binary", "squared"}:
        found["reg_loss_param"] = {"scale_pos_weight": "1"}
    elif name == "poisson":
        found["poisson_regression_param"] = {"max_delta_step": "0.7"}
    else:
        found["quantile_loss_param"] = {"quantile_alpha": f"[{quantile!r}]"}
    return found


def _tree(number: int, state: State, tree: int, width: int, scale: float) -> dict[str, Any]:
    """One tree, its places numbered from the root on, level by level, without those that nothing reaches."""
    chosen = state["feature"][tree]
    order = [0]
    for place in order:
        if chosen[place] != LEAF:
            order += [2 * place + 1, 2 * place + 2]
    at = {place: position for position, place in enumerate(order)}
    split = np.array([chosen[place] != LEAF for place in order])
    value = (state["value"][tree][order] * scale).astype(np.float32)
    return {
        "base_weights": _floats(state["weight"][tree][order] * scale),
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": [0] * len(order),
        "id": number,
        "left_children": [at.get(2 * place + 1, -1) for place in order],
        "loss_changes": _floats(state["gain"][tree][order]),
        "parents": [at[(place - 1) // 2] if place else ROOT for place in order],
        "right_children": [at.get(2 * place + 2, -1) for place in order],
        "split_conditions": _floats(np.where(split, state["threshold"][tree][order], value)),
        "split_indices": [int(max(chosen[place], 0)) for place in order],
        "split_type": [0] * len(order),
        "sum_hessian": _floats(state["cover"][tree][order]),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(width),
            "num_nodes": str(len(order)),
            "size_leaf_vector": "1",
        },
    }


def _floats(array: NDArray[Any]) -> list[float]:
    return [float(value) for value in array.astype(np.float32)]
