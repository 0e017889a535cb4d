"""What boosted trees by secure sums are worth on the bank's example, beside XGBoost on all rows together.

    pip install --no-deps xgboost-cpu
    python benchmarks/trees.py [--participants 4] [--splits 5] [--json]

Both grow as many trees, as deep, with as many bins and the same constants. Measured is the area under the ROC curve on
test rows that nobody trained on. Goal: federated within half a point of XGBoost.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xgboost
from sklearn.metrics import roc_auc_score

from fl_node.examples.credit_kinds import plan as credit
from fl_node.examples.shares import _write_csv, deal
from fl_node.plan.author.trial import summed
from fl_node.plan.container import read_plan
from fl_node.plan.kinds.compile import compile_kind
from fl_node.plan.kinds.grown import margins
from fl_node.plan.kinds.rows import Rows, load_rows
from fl_node.plan.kinds.source import Trees
from fl_node.plan.kinds.step import next_state, read_state, vector_of

GOAL = 0.5
"""Points."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    started = time.perf_counter()
    found = [measured(arguments.participants, split) for split in range(arguments.splits)]
    names = ("federated", "xgboost")
    means = {name: round(statistics.fmean(each[name] for each in found), 5) for name in names}
    means["best_alone_of_each_split"] = round(statistics.fmean(max(each["alone"]) for each in found), 5)
    means["behind_points"] = round(100 * (means["xgboost"] - means["federated"]), 3)
    within = means["behind_points"] <= GOAL
    figures = {"splits": found, "mean": means, "within": within, "seconds": round(time.perf_counter() - started, 1)}
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    print("AUC on the test rows\nsplit  federated  xgboost  alone")
    for at, each in enumerate(found):
        alone = "  ".join(f"{value:.4f}" for value in each["alone"])
        print(f"{at:5}     {each['federated']:.4f}   {each['xgboost']:.4f}  {alone}")
    print(means, "within" if within else "not within", f"{figures['seconds']} s")


def measured(participants: int, split: int) -> dict[str, Any]:
    plan = credit()
    shares, rest = deal("credit", participants, split)
    with TemporaryDirectory(prefix="fedledger-trees-") as scratch:
        paths = [_write_csv(Path(scratch) / str(at), each) for at, each in enumerate((*shares, rest))]
        *rows, test = [load_rows(path, plan.schema, 0)[0] for path in paths]
    assert isinstance(plan.kind, Trees)
    everything = Rows(*(np.concatenate([getattr(each, name) for each in rows]) for name in ("features", "labels")))
    alone = [area(grown([each]), plan.kind, test) for each in rows]
    return {
        "federated": area(grown(rows), plan.kind, test),
        "xgboost": beside(plan.kind, everything, test),
        "alone": alone,
    }


def grown(participants: list[Rows]) -> Any:
    """The state after all rounds, in which everybody takes part: the nodes' arithmetic."""
    plan = read_plan(compile_kind(credit()))
    state, manifest = plan.initial_state, plan.manifest
    for _ in range(manifest.kind.rounds):
        vectors = [vector_of(manifest, state, rows, rows.take(slice(0))) for rows in participants]
        counts = [manifest.layout.rows(vector) for vector in vectors]
        state, _ = next_state(manifest, state, summed(manifest.layout, vectors), counts)
    return read_state(manifest, state)


def area(state: Any, kind: Trees, test: Rows) -> float:
    return float(roc_auc_score(test.labels, margins(state, test.features, kind.trees, kind.depth)))


def beside(kind: Trees, rows: Rows, test: Rows) -> float:
    """XGBoost's, with the same constants."""
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": kind.depth,
        "max_bin": kind.bins,
        "eta": float(kind.rate),
        "lambda": float(kind.ridge),
        "min_child_weight": float(kind.least),
        "gamma": float(kind.gain),
        "nthread": 1,
    }
    booster = xgboost.train(settings, xgboost.DMatrix(rows.features, rows.labels), num_boost_round=kind.trees)
    return float(roc_auc_score(test.labels, booster.predict(xgboost.DMatrix(test.features))))


if __name__ == "__main__":
    main()
