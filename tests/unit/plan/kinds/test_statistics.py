"""Statistics by secure sums are those of all rows together, of time series under the schema that the windows have."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_node.data.profile import profile
from fl_node.data.schema import Column, Label, Schema, Window
from fl_node.plan.errors import PlanError
from fl_node.plan.kinds.rows import Rows, load_rows
from fl_node.plan.kinds.source import Statistics
from fl_node.plan.standardising import standardising_constants
from tests.unit.plan.kinds.plans import compiled, dealt, play

SCHEMA = Schema(
    columns=(
        Column(name="age", minimum="0", maximum="100"),
        Column(name="visits", type="integer", minimum="0", maximum="50"),
        Column(name="region", type="category", values=("north", "south")),
    )
)


def rows(number: int, seed: int = 3) -> Rows:
    draw = np.random.default_rng(seed)
    numbers = [draw.uniform(20, 90, number), draw.poisson(4, number).astype(float)]
    return Rows(np.column_stack([*numbers, np.eye(2)[draw.integers(0, 2, number)]]), None)


def test_counts_means_deviations_and_histograms_are_those_of_all_rows_after_one_round():
    made = rows(500)
    found = play(compiled(Statistics(bins=5), SCHEMA), dealt(made, 4), 1).found
    assert found["n"] == 500
    for at, (name, column) in enumerate(found["columns"].items()):
        values = made.features[:, at]
        assert (column["mean"], column["deviation"]) == pytest.approx((values.mean(), values.std()), abs=1e-6), name
        counts, _ = np.histogram(values, np.array(column["histogram"]["edges"]))
        assert column["histogram"]["counts"] == counts.tolist(), name


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 30), number=st.integers(8, 80), part=st.sampled_from(["0.01", "0.25", "0.5", "0.9"]))
def test_a_quantile_lies_in_its_bounds_after_every_round_and_they_get_closer(seed: int, number: int, part: str):
    made = rows(number, seed)
    plan, last = compiled(Statistics(bins=0, quantiles=(part,), steps=8), SCHEMA), np.inf
    exact = np.quantile(made.features, float(part), axis=0, method="inverted_cdf")
    for rounds in (1, 2, 4):
        state = play(plan, dealt(made, 3), rounds).state
        low, high = state["low"][:, 0], state["high"][:, 0]
        assert ((low < exact) | (exact == 0)).all()
        assert (exact <= high).all()
        assert (high - low).max() < last
        last = (high - low).max()
    assert last == pytest.approx(100 / 8**4)


def test_its_constants_standardise_a_training_plan():
    made = rows(300)
    played = play(compiled(Statistics(), SCHEMA), dealt(made, 3), 1)
    constants = standardising_constants(SCHEMA, played.states[-1])
    assert constants.keys() == {"age", "visits"}
    assert float(constants["age"]["mean"]) == pytest.approx(made.features[:, 0].mean(), rel=1e-5)
    assert float(constants["visits"]["deviation"]) == pytest.approx(made.features[:, 1].std(), rel=1e-5)


def test_of_time_series_it_describes_the_rows_under_the_schema_and_digest_of_the_plan_that_reads_windows(
    tmp_path: Path,
):
    windowed = Schema(
        columns=(Column(name="sales", minimum="0", maximum="99"),),
        label=Label(name="sales", type="count"),
        window=Window(time="week", unit="integer", history=3, horizon=1),
    )
    path = tmp_path / "weeks.csv"
    path.write_text("week,sales\n" + "".join(f"{week},{week * 7 % 50}\n" for week in range(20)))
    plan = compiled(Statistics(), windowed)
    loaded, _ = load_rows(path, windowed, 0, steps=True)
    state = play(plan, [loaded], 1).states[-1]
    weeks = np.array([week * 7 % 50 for week in range(20)], float)
    constants = standardising_constants(windowed, state)
    assert float(constants["sales"]["mean"]) == pytest.approx(weeks.mean(), rel=1e-5)
    standardised = windowed.model_copy(
        update={"columns": (Column(name="sales", **constants["sales"], minimum="0", maximum="99"),)}
    )
    assert profile(path, windowed).schema_digest == plan.manifest.schema_digest == standardised.digest()


@pytest.mark.parametrize(
    ("kind", "columns", "reason"),
    [
        (Statistics(), (Column(name="age"),), "range"),
        (Statistics(quantiles=("1.5",)), (Column(name="age", minimum="0", maximum="1"),), "quantiles"),
    ],
)
def test_what_it_cannot_describe_is_refused_when_the_plan_is_built(
    kind: Statistics, columns: tuple[Column, ...], reason: str
):
    with pytest.raises(PlanError, match=f"FL3012.*{reason}"):
        compiled(kind, Schema(columns=columns))
