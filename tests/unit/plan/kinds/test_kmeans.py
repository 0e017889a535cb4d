"""k-means by secure sums moves its centres as k-means of all rows together, and leaves no cluster empty for good."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_node.data.schema import Column, Schema
from fl_node.plan.errors import PlanError
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.source import KMeans
from tests.unit.plan.kinds.plans import compiled, dealt, manifest_of, play

SCHEMA = Schema(columns=(Column(name="x", minimum="-10", maximum="10"), Column(name="y", minimum="-10", maximum="10")))
CENTRES = np.array([[-6.0, -6.0], [6.0, -5.0], [0.0, 6.0]])


def blobs(rows: int, seed: int = 1) -> Rows:
    draw = np.random.default_rng(seed)
    return Rows(np.clip(CENTRES[draw.integers(0, 3, rows)] + draw.normal(0, 0.7, (rows, 2)), -10, 10), None)


def centres(played: object) -> np.ndarray:
    return np.array([[one["centre"]["x"], one["centre"]["y"]] for one in played.found["clusters"]])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 30), number=st.integers(30, 200))
def test_a_round_moves_the_centres_to_the_means_of_all_rows_that_lie_nearest(seed: int, number: int):
    rows = blobs(number, seed)
    plan = compiled(KMeans(clusters=4, seed=seed), SCHEMA)
    before, after = centres(play(plan, dealt(rows, 3), 0)), play(plan, dealt(rows, 3), 1)
    nearest = np.square(rows.features[:, None] - before).sum(-1).argmin(1)
    for cluster, found in enumerate(after.found["clusters"]):
        members = rows.features[nearest == cluster]
        assert found["members"] == len(members)
        if len(members):
            assert centres(after)[cluster] == pytest.approx(members.mean(0), abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_clusters_that_lie_apart_are_found_from_any_seed_though_some_begin_empty(seed: int):
    played = play(compiled(KMeans(clusters=3, seed=seed), SCHEMA), dealt(blobs(300), 4), 20)
    found = centres(played)
    assert played.metrics["clusters/empty"] == 0
    assert played.metrics["clusters/moved"] == 0
    assert np.square(found[:, None] - CENTRES).sum(-1).min(1).max() < 0.1 or played.metrics["train/loss"] < 0.5


def test_an_empty_cluster_takes_a_part_of_the_one_that_is_spread_widest():
    rows = Rows(np.repeat([[9.0, 9.0], [9.0, -9.0]], 20, axis=0), None)
    plan = compiled(KMeans(clusters=2, seed=7), SCHEMA)
    members = [play(plan, dealt(rows, 2), rounds).state["members"].tolist() for rounds in (1, 12)]
    assert sorted(members[-1]) == [20, 20]


def test_the_seed_is_the_plans_and_gives_every_node_the_same_first_centres():
    one, other = (compiled(KMeans(clusters=3, seed=seed), SCHEMA) for seed in (1, 2))
    assert one.initial_state != other.initial_state
    assert manifest_of(one).initial_state == manifest_of(compiled(KMeans(clusters=3, seed=1), SCHEMA)).initial_state


def test_columns_without_a_range_are_refused():
    with pytest.raises(PlanError, match=r"FL3012.*range"):
        compiled(KMeans(clusters=2), Schema(columns=(Column(name="x"),)))
