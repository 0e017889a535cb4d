"""Trees by secure histograms: as good as XGBoost on all rows together, and XGBoost predicts alike with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.errors import PlanError
from fl_node.plan.kinds.grown import margins
from fl_node.plan.kinds.reading_trees import read_sums, true_sums
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.source import Trees
from fl_node.plan.kinds.step import vector_of
from tests.unit.plan.kinds.plans import Played, compiled, dealt, manifest_of, patients, play, schema

COLUMNS = (
    Column(name="age", minimum="0", maximum="120"),
    Column(name="pressure", minimum="0", maximum="300"),
    Column(name="smoker", type="boolean"),
    Column(name="region", type="category", values=("north", "south", "west")),
)
SIZED = Schema(columns=COLUMNS, label=Label(name="cost", type="float"))


def tumour() -> tuple[Schema, Rows, Rows]:
    """The breast-cancer data: schema, 426 rows to train on, 143 to test."""
    data = load_breast_cancer()
    columns = tuple(
        Column(name=str(name), minimum="0", maximum=f"{values.max() * 1.5:.6g}")
        for name, values in zip(data.feature_names, data.data.T, strict=True)
    )
    order = np.random.default_rng(0).permutation(len(data.data))
    rows = Rows(data.data[order], data.target[order].astype(float))
    rows_of = Schema(columns=columns, label=Label(name="diagnosis", values=("malignant", "benign")))
    return rows_of, rows.take(slice(143, None)), rows.take(slice(143))


def predicted(played: Played, rows: Rows) -> Any:
    kind = manifest_of(played.plan).kind
    assert isinstance(kind, Trees)
    return margins(played.state, rows.features, kind.trees, kind.depth)


@pytest.fixture(scope="module")
def grown() -> tuple[Played, Rows, Rows]:
    rows_of, training, test = tumour()
    kind = Trees(loss_of="binary", trees=12, depth=3, bins=32)
    return play(compiled(kind, rows_of), dealt(training, 4), kind.rounds), training, test


def test_the_trees_of_four_shares_are_those_of_one(grown: tuple[Played, Rows, Rows]):
    played, training, test = grown
    kind = manifest_of(played.plan).kind
    alone = play(played.plan, [training], kind.rounds)
    for name in ("edges", "feature", "threshold"):
        assert np.array_equal(alone.state[name], played.state[name])
    np.testing.assert_allclose(predicted(alone, test), predicted(played, test), atol=1e-6)


def test_every_split_is_the_best_one_of_all_rows(grown: tuple[Played, Rows, Rows]):
    played, training, _ = grown
    state, labels = played.state, training.labels
    assert labels is not None
    mean = 1 / (1 + np.exp(-float(state["base"])))
    gradient, second = mean - labels, np.full(len(labels), mean * (1 - mean))
    assert mean == pytest.approx(labels.mean(), abs=1e-9)

    def gain(feature: int, edge: float) -> float:
        left = training.features[:, feature].astype(np.float32) < np.float32(edge)
        parts = [(gradient[side].sum(), second[side].sum()) for side in (left, ~left)]
        whole = gradient.sum() ** 2 / (second.sum() + 1)
        if min(h for _, h in parts) < 1:
            return -np.inf
        return sum(g * g / (h + 1) for g, h in parts) - whole

    best = max(gain(at, edge) for at, edges in enumerate(state["edges"]) for edge in edges)
    assert float(state["gain"][0, 0]) == pytest.approx(best, rel=1e-6)
    assert gain(int(state["feature"][0, 0]), state["threshold"][0, 0]) == pytest.approx(best, rel=1e-6)


def test_its_auc_is_within_half_a_point_of_pooled_xgboost(grown: tuple[Played, Rows, Rows]):
    played, training, test = grown
    options = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.3, "tree_method": "hist", "max_bin": 32}
    pooled = xgboost.train(options, xgboost.DMatrix(training.features, training.labels), 12)
    theirs = roc_auc_score(test.labels, pooled.predict(xgboost.DMatrix(test.features)))
    ours = roc_auc_score(test.labels, predicted(played, test))
    assert ours > theirs - 0.005


def test_its_auc_is_that_of_a_good_model(grown: tuple[Played, Rows, Rows]):
    played, _, test = grown
    assert roc_auc_score(test.labels, predicted(played, test)) > 0.985


LOSSES = {
    "binary": (Trees(loss_of="binary", trees=4, depth=2), schema("logistic", COLUMNS), "logistic"),
    "squared": (Trees(loss_of="squared", trees=4, depth=3, label_scale="3"), SIZED, "linear"),
    "poisson": (Trees(loss_of="poisson", trees=4, depth=2), schema("poisson", COLUMNS), "poisson"),
    "quantile": (Trees(loss_of="quantile", trees=12, depth=2, quantile="0.8", label_scale="3"), SIZED, "linear"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_gets_smaller_with_every_tree(name: str):
    kind, rows_of, family = LOSSES[name]
    shares, plan = dealt(patients(family, 400), 3), compiled(kind, rows_of)
    losses = [
        play(plan, shares, kind.edge_rounds + trees * kind.depth + 1).metrics["train/loss"]
        for trees in (0, 2, kind.trees)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.parametrize("name", LOSSES)
def test_xgboost_loads_the_export_and_predicts_equally(name: str, tmp_path: Path):
    kind, rows_of, family = LOSSES[name]
    rows = patients(family, 300)
    played = play(compiled(kind, rows_of), dealt(rows, 3), kind.rounds)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(played.found))
    booster = xgboost.Booster(model_file=path)
    table = xgboost.DMatrix(rows.features, feature_names=booster.feature_names)
    ours = predicted(played, rows) * float(kind.label_scale)
    np.testing.assert_allclose(booster.predict(table, output_margin=True), ours, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["binary", "squared"])
def test_the_export_says_of_every_row_what_the_state_says(name: str):
    kind, rows_of, family = LOSSES[name]
    rows = patients(family, 200)
    played = play(compiled(kind, rows_of), dealt(rows, 3), kind.rounds)
    found, ours = json.loads(json.dumps(played.found)), true_sums(kind, played.state, rows.features)
    np.testing.assert_allclose(read_sums(found, rows.features), ours, rtol=1e-6, atol=1e-6)
    found["learner"]["gradient_booster"]["model"]["trees"].pop()
    assert np.abs(read_sums(found, rows.features) - ours).max() > 1e-3


def test_rounds_after_the_last_tree_change_nothing_but_their_number():
    kind, rows_of, family = LOSSES["binary"]
    shares, plan = dealt(patients(family, 100), 3), compiled(kind, rows_of)
    last, after = (play(plan, shares, rounds).state for rounds in (kind.rounds, kind.rounds + 1))
    assert int(after["steps"]) == int(last["steps"]) + 1
    assert all(np.array_equal(last[name], after[name]) for name in last if name != "steps")


def test_the_export_of_trees_that_are_not_whole_yet_is_a_model_too():
    kind, rows_of, family = LOSSES["binary"]
    played = play(compiled(kind, rows_of), dealt(patients(family, 100), 3), kind.edge_rounds + 1)
    (tree,) = played.found["learner"]["gradient_booster"]["model"]["trees"]
    assert tree["left_children"][0] == 1


def test_labels_too_large_for_the_slots_are_refused_and_label_scale_mends():
    rows = patients("linear", 90)
    assert rows.labels is not None
    large = Rows(rows.features, rows.labels * 1e12)
    plain = compiled(Trees(loss_of="squared", trees=1, depth=2), SIZED)
    with pytest.raises(PlanError, match="FL3060"):
        play(plain, dealt(large, 3), 1)
    play(compiled(Trees(loss_of="squared", trees=1, depth=2, label_scale="1e12"), SIZED), dealt(large, 3), 8)


def test_rows_that_are_no_numbers_are_refused():
    kind, rows_of, family = LOSSES["squared"]
    plan, rows = compiled(kind, rows_of), patients(family, 60)
    assert rows.labels is not None
    rows.labels[3] = np.nan
    with pytest.raises(PlanError, match="FL3030"):
        vector_of(manifest_of(plan), plan.initial_state, rows, rows.take(slice(0, 0)))


@pytest.mark.parametrize(
    ("kind", "rows_of", "reason"),
    [
        (Trees(loss_of="binary"), SIZED, "category"),
        (Trees(loss_of="squared", rate="2"), SIZED, "rate"),
        (Trees(loss_of="squared"), Schema(columns=(Column(name="x"),), label=SIZED.label), "range"),
    ],
)
def test_what_trees_cannot_grow_from_is_refused_when_the_plan_is_built(kind: Trees, rows_of: Schema, reason: str):
    with pytest.raises(PlanError, match=f"FL3012.*{reason}"):
        compiled(kind, rows_of)


def walked(model: dict[str, Any], row: Any) -> float:
    """The margin that XGBoost's format gives a row, read by its documented rules."""
    learner = model["learner"]
    mean = float(learner["learner_model_param"]["base_score"])
    link = {"binary:logistic": lambda one: np.log(one / (1 - one)), "count:poisson": np.log}
    total = float(link.get(learner["objective"]["name"], float)(mean))
    for tree in learner["gradient_booster"]["model"]["trees"]:
        at = 0
        while tree["left_children"][at] != -1:
            smaller = np.float32(row[tree["split_indices"][at]]) < np.float32(tree["split_conditions"][at])
            at = tree["left_children" if smaller else "right_children"][at]
        total += tree["split_conditions"][at]
    return total


@pytest.mark.parametrize("name", LOSSES)
def test_the_exported_nodes_and_base_score_give_the_margins_of_the_state(name: str):
    kind, rows_of, family = LOSSES[name]
    rows = patients(family, 60)
    played = play(compiled(kind, rows_of), dealt(rows, 3), kind.rounds)
    model = played.found
    ours = predicted(played, rows) * float(kind.label_scale)
    np.testing.assert_allclose([walked(model, row) for row in rows.features], ours, rtol=1e-5, atol=1e-5)
    digits = model["learner"]["learner_model_param"]["base_score"].partition("E")[0]
    assert len(digits.lstrip("-").replace(".", "")) <= 9, "older releases of XGBoost read no longer number"
