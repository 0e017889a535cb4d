"""The examples of the sectors: their plans build, and read every row that `plan shares` deals."""

import json
from pathlib import Path

import pytest

from fl_node.data.profile import profile
from fl_node.examples.claims_schema import SCHEMA
from fl_node.examples.packaged import PACKAGED, packaged_rows
from fl_node.examples.shares import write_shares
from fl_node.plan.author import api
from fl_node.plan.container import load_plan
from fl_node.plan.frameworks import JAX
from tests.unit.plan.conftest import ROOT, in_environment

EXAMPLES = ROOT / "fl_node" / "examples"
pytestmark = pytest.mark.lengthy
NAMES = ("insurer-a", "insurer-b", "insurer-c", "insurer-d")


def test_the_regression_of_claims_learns_from_what_is_dealt(tmp_path: Path):
    paths = write_shares("claims", tmp_path / "shares", NAMES)
    found = [profile(path, SCHEMA) for path in paths.values()]
    assert sum(each.rows for each in found) == 20_186 - 20_186 * 25 // 100
    assert found[0].rows > 1.5 * found[-1].rows
    plan = api.build(EXAMPLES / "claims_kinds.py")
    trial = api.try_plan(plan, list(paths.values()), rounds=5)
    curve = trial.curve("evaluation/loss")
    assert curve[-1] < curve[0]


def test_the_trees_of_credit_learn_from_what_is_dealt(tmp_path: Path):
    paths = write_shares("credit", tmp_path / "shares", NAMES)
    trial = api.try_plan(api.build(EXAMPLES / "credit_kinds.py"), list(paths.values()), rounds=10)
    curve = trial.curve("evaluation/loss")
    assert curve[-1] < curve[0]


@pytest.mark.jax
def test_the_networks_build_and_read_the_rows_of_their_examples(tmp_path: Path):
    names = ["claims_jax", "credit_jax", "demand_jax", "digits_jax"]
    for name in names:
        (tmp_path / f"{name}.py").write_text((EXAMPLES / f"{name}.py").read_text())
    assert json.loads(in_environment(JAX, "tests.unit.plan.author.builds", tmp_path, *names)) == dict.fromkeys(
        names, "built"
    )
    for name in names:
        schema = load_plan(tmp_path / f"{name}.flplan").manifest.schema_
        paths = write_shares(name.removesuffix("_jax"), tmp_path / name, NAMES)
        assert all(profile(path, schema, 20).rows > 100 for path in paths.values())
        assert not api.inspect(tmp_path / f"{name}.flplan")["warnings"]


@pytest.mark.parametrize("example", PACKAGED)
def test_packaged_rows_are_complete_numbers_with_labels(example: str):
    columns, numbers, labels = packaged_rows(example)
    assert len(numbers) == len(labels) > 9_999
    assert {len(row) for row in numbers} == {len(columns)}
