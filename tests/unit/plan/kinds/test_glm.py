"""Regression by Newton steps equals the fit of all rows together, and says with a code where it cannot."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.errors import PlanError
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.source import Glm
from fl_node.plan.kinds.step import vector_of
from tests.unit.plan.kinds.plans import NUMBERS, compiled, dealt, manifest_of, patients, play, pooled, schema

FAMILIES = ("linear", "logistic", "poisson")
NAMES = ["(intercept)", "age", "pressure", "smoker", "region=south", "region=west"]


def whole(family: str, rows: Rows) -> tuple[Any, Any, Any]:
    """The model matrix in the file's own units, labels and offsets."""
    assert rows.labels is not None
    kept = np.delete(rows.features, 3, axis=1)
    matrix = np.column_stack([np.ones(len(rows)), kept])
    if family == "poisson":
        return matrix, rows.labels[:, 0], np.log(rows.labels[:, 1])
    return matrix, rows.labels, np.zeros(len(rows))


def estimates(found: dict[str, Any]) -> tuple[Any, Any]:
    named = found["coefficients"].values()
    return np.array([one["estimate"] for one in named]), np.array([one["standard_error"] for one in named])


@pytest.mark.parametrize("family", FAMILIES)
def test_coefficients_and_standard_errors_are_those_of_the_pooled_fit_to_a_millionth(family: str):
    rows = patients(family, 600)
    played = play(compiled(Glm(family=family), schema(family)), dealt(rows, 4), 9)
    found = played.found
    assert list(found["coefficients"]) == NAMES
    assert (found["n"], found["rounds"]) == (600, 9)
    assert found["step"] < 1e-7
    for ours, theirs in zip(estimates(found), pooled(family, *whole(family, rows)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 30), rows=st.integers(60, 300), family=st.sampled_from(FAMILIES))
def test_any_rows_that_determine_a_fit_give_the_pooled_one(seed: int, rows: int, family: str):
    made = patients(family, rows, seed)
    matrix, labels, offset = whole(family, made)
    played = play(compiled(Glm(family=family), schema(family)), dealt(made, 3), 12)
    for ours, theirs in zip(estimates(played.found), pooled(family, matrix, labels, offset), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_the_shares_of_the_rows_do_not_matter():
    rows = patients("logistic", 200)
    plan = compiled(Glm(family="logistic"), schema("logistic"))
    one, many = (estimates(play(plan, dealt(rows, n), 8).found) for n in (1, 5))
    np.testing.assert_allclose(one, many, rtol=1e-6, atol=1e-6)


def test_an_offset_is_a_column_with_the_coefficient_one():
    made = patients("poisson", 300)
    assert made.labels is not None
    columns = (*NUMBERS, Column(name="lag", minimum="-2", maximum="2"))
    rows_of = Schema(columns=columns, label=Label(name="claims", type="count"))
    rows = Rows(np.column_stack([made.features, np.log(made.labels[:, 1])]), made.labels[:, 0])
    ours = estimates(play(compiled(Glm(family="poisson", offset="lag"), rows_of), dealt(rows, 3), 9).found)
    theirs = estimates(play(compiled(Glm(family="poisson"), schema("poisson")), dealt(made, 3), 9).found)
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7)


def test_large_labels_are_scaled_and_come_back_in_their_own_unit():
    made = patients("linear", 200)
    assert made.labels is not None
    rows = Rows(made.features, made.labels * 1e6)
    plain = compiled(Glm(family="linear"), schema("linear"))
    with pytest.raises(PlanError, match="FL3060"):
        play(plain, dealt(rows, 3), 1)
    ours = estimates(play(compiled(Glm(family="linear", label_scale="1e6"), schema("linear")), dealt(rows, 3), 3).found)
    for mine, theirs in zip(ours, pooled("linear", *whole("linear", rows)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_without_an_intercept_a_model_has_none():
    rows = patients("linear", 200)
    found = play(compiled(Glm(family="linear", intercept=False), schema("linear")), dealt(rows, 3), 3).found
    matrix, labels, offset = whole("linear", rows)
    for ours, theirs in zip(estimates(found), pooled("linear", matrix[:, 1:], labels, offset), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_columns_that_follow_from_one_another_are_refused_with_the_columns_name():
    columns = (*NUMBERS, Column(name="again", minimum="0", maximum="120"))
    made = patients("linear", 100)
    rows = Rows(np.column_stack([made.features, made.features[:, 0]]), made.labels)
    with pytest.raises(PlanError, match=r"FL3061.*again"):
        play(compiled(Glm(family="linear"), schema("linear", columns)), dealt(rows, 3), 1)


def test_fewer_rows_than_coefficients_are_refused():
    with pytest.raises(PlanError, match="FL3061"):
        play(compiled(Glm(family="linear"), schema("linear")), dealt(patients("linear", 6), 3), 1)


def test_slots_too_coarse_for_a_millionth_are_refused():
    plan = compiled(Glm(family="logistic", magnitude_bits=44), schema("logistic"), cohort=1000)
    with pytest.raises(PlanError, match="FL3062"):
        play(plan, dealt(patients("logistic", 300), 3), 1)


def test_classes_that_a_column_separates_show_by_steps_that_stay_long_until_rounding_would_show():
    made = patients("logistic", 120)
    rows = Rows(made.features, (made.features[:, 0] > 50).astype(float))
    plan = compiled(Glm(family="logistic"), schema("logistic"))
    found = play(plan, dealt(rows, 3), 12).found
    assert all(np.isfinite(estimates(found)[0]))
    assert found["step"] > 1
    with pytest.raises(PlanError, match="FL3062"):
        play(plan, dealt(rows, 3), 40)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_no_numbers_are_refused(value: float):
    made = patients("linear", 30)
    made.features[3, 1] = value
    plan = compiled(Glm(family="linear"), schema("linear"))
    with pytest.raises(PlanError, match="FL3030"):
        vector_of(manifest_of(plan), plan.initial_state, made, made.take(slice(0, 0)))


def test_what_is_held_out_is_measured_and_trains_nothing():
    rows, held = patients("poisson", 200), patients("poisson", 40, seed=9)
    plan = compiled(Glm(family="poisson"), schema("poisson"), holdout=20)
    played = play(plan, dealt(rows, 3), 6, dealt(held, 3))
    without = play(compiled(Glm(family="poisson"), schema("poisson")), dealt(rows, 3), 6)
    assert estimates(played.found)[0].tolist() == estimates(without.found)[0].tolist()
    assert played.metrics["evaluation/num_examples"] == 40
    assert played.metrics.keys() == {*without.metrics, "evaluation/loss", "evaluation/num_examples"}


@pytest.mark.parametrize(
    ("kind", "rows_of", "reason"),
    [
        (Glm(family="logistic"), schema("linear"), "category"),
        (Glm(family="linear"), schema("poisson"), "exposure"),
        (Glm(family="poisson", offset="region"), schema("poisson"), "region"),
        (Glm(family="linear", label_scale="0"), schema("linear"), "label_scale"),
        (Glm(family="linear"), schema("linear", [Column(name="note", type="text", length=3)]), "text"),
    ],
)
def test_a_schema_that_the_family_cannot_use_is_refused_when_the_plan_is_built(kind: Glm, rows_of: Schema, reason: str):
    with pytest.raises(PlanError, match=f"FL3012.*{reason}"):
        compiled(kind, rows_of)
