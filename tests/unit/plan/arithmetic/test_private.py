"""Plans with noise: what it hides, what it costs, and that it is only noise."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fl_node.canonical import canonical_json
from fl_node.plan.arithmetic import slots
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import TAIL, Goal, Privacy, calibrated, round_loss, sensitivity, spent
from fl_node.plan.arithmetic.state import ModelState
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.arithmetic.work import Worked, vector_of
from fl_node.plan.build import build
from fl_node.plan.cli import asked_goal, promised
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.manifest import Quantisation
from fl_node.plan.state_codec import encode_state
from tests.unit.plan.arithmetic import models
from tests.unit.plan.conftest import add

GOAL = Goal(epsilon="3", rounds=20)
BY_RECORD = Quantisation(bits=18, clip="4", weight_cap=64)
BY_PARTICIPANT = Quantisation(bits=18, clip="4")
ROWS = 40


def still(size: int) -> bytes:
    """Random bytes with which the sampler draws only zeros: no remainder, no whole part, sign plus."""
    return b"\x00" * size if size % 8 else (b"\xff" * 8) * (size // 8)


def averaging(goal: Goal, quantisation: Quantisation) -> Averaging:
    privacy = calibrated(goal, quantisation, models.MEASURED, models.NUMBERS)
    return Averaging(quantisation=quantisation, measured=models.MEASURED, privacy=privacy)


@pytest.fixture(scope="module", params=["record", "participant"])
def plan(request: pytest.FixtureRequest) -> AveragingManifest:
    goal = GOAL.model_copy(update={"unit": request.param})
    return models.private(averaging(goal, BY_RECORD if request.param == "record" else BY_PARTICIPANT))


def base(plan: AveragingManifest) -> ModelState:
    return models.first_of(plan)


def worked(plan: AveragingManifest, seed: int, size: float = 0.1, loss: float = 1.0) -> Worked:
    state, draw = base(plan), np.random.default_rng(seed)
    trained = [(a + draw.normal(size=a.shape) * size).astype(a.dtype) for a in state.trained]
    measures = [loss * ROWS, 0.5 * ROWS]
    return Worked(trained, [], ROWS, 10, {"train": measures, "evaluation": [loss * 10, 5.0]})


def vector(plan: AveragingManifest, seed: int, **more: Any) -> bytes:
    return vector_of(plan, ModelState(base(plan).trained, []), worked(plan, seed, **more))


def values(plan: AveragingManifest, raw: bytes) -> np.ndarray[Any, Any]:
    tensors = plan.layout.unpack(raw, 1)
    kinds = [segment.kind for segment in plan.layout.segments]
    return np.concatenate([t.reshape(-1) for t, kind in zip(tensors, kinds, strict=True) if kind == "value"])


def test_every_call_gives_other_noise_of_the_agreed_deviation(plan: AveragingManifest):
    assert plan.averaging.privacy
    drawn = np.array([values(plan, vector(plan, 1)) for _ in range(200)], dtype=np.float64)
    deviation = (drawn - drawn.mean(axis=0)).std()
    assert deviation == pytest.approx(plan.averaging.privacy.scale, rel=0.15)


def test_the_sum_of_noisy_vectors_is_the_mean_update_plus_noise(plan: AveragingManifest):
    """Averaged over many draws the step is the one without noise."""
    assert plan.averaging.privacy
    state = encode_state(base(plan).leaves())
    moved = []
    for _ in range(100):
        vectors = [vector(plan, seed) for seed in range(4)]
        following, metrics = next_state(plan, state, add(plan.layout, vectors), [ROWS] * 4)
        assert metrics["aggregation/clipped"] == 0
        moved.append(np.concatenate([a.reshape(-1) for a in models.read(plan, following)]))
    start = np.concatenate([a.reshape(-1) for a in base(plan).trained])
    steps = [worked(plan, seed).trained for seed in range(4)]
    exact = np.mean([np.concatenate([a.reshape(-1) for a in one]) for one in steps], axis=0) - start
    found = np.array(moved, dtype=np.float64) - start
    assert np.abs(found.mean(axis=0) - exact).max() < 6 * found.std() / math.sqrt(len(moved)) + 1e-4


def test_no_count_tells_that_an_update_was_clipped(plan: AveragingManifest):
    raw = vector(plan, 3, size=50.0)
    assert plan.layout.flat.segment(slots.CLIPPED).view(raw)[0] == 0
    assert plan.layout.flat.segment(slots.ZEROED).view(raw)[0] == 0


def test_a_measure_beyond_its_limit_counts_as_the_limit(plan: AveragingManifest):
    assert plan.averaging.privacy
    name, scale = "metric/train/loss", plan.averaging.privacy.measured_scales[0]
    slot = plan.layout.flat.segment(name).view(vector(plan, 1, loss=1e9))[0]
    most = 4 * (ROWS * plan.batching.epochs if plan.averaging.by_record else 1)
    assert abs((int(slot) - slots.OFFSET) - most * 2**16) <= TAIL * scale


@given(
    epsilon=st.sampled_from(["0.5", "1", "3", "8"]),
    rounds=st.integers(1, 500),
    survivors=st.integers(2, 12),
    colluders=st.integers(0, 1),
    unit=st.sampled_from(["record", "participant"]),
)
def test_the_noise_keeps_the_goal_and_is_not_a_percent_larger_than_it_must_be(
    epsilon: str, rounds: int, survivors: int, colluders: int, unit: Any
):
    goal = Goal(epsilon=epsilon, rounds=rounds, survivors=survivors, colluders=colluders, unit=unit)
    quantisation = BY_RECORD if unit == "record" else BY_PARTICIPANT
    found = calibrated(goal, quantisation, ("loss",), 1000)
    assert spent(found, quantisation, 1000, rounds) <= float(epsilon)
    less = found.model_copy(
        update={
            "scale": int(found.scale * 0.97),
            "measured_scales": tuple(int(scale * 0.97) for scale in found.measured_scales),
        }
    )
    assert spent(less, quantisation, 1000, rounds) > float(epsilon)


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_replacing_one_row_changes_a_vector_by_no_more_than_the_sensitivity(seed: int, rows: int):
    """Rows' parts of at most the clipping norm, their mean as the update; the noise is left out."""
    draw = np.random.default_rng(seed)
    quantisation = BY_RECORD
    parts = draw.normal(size=(rows + 1, models.NUMBERS))
    parts *= float(quantisation.clip) / np.linalg.norm(parts, axis=1, keepdims=True)

    def quantised(kept: Any) -> Any:
        half = slots.half(quantisation.bits)
        mean = parts[kept].sum(axis=0) / rows
        return np.rint(mean * (half / float(quantisation.clip) * min(rows, 64) / 64))

    whole = list(range(rows))
    distance = np.linalg.norm(quantised(whole) - quantised([*whole[1:], rows]))
    assert distance <= sensitivity(quantisation, "record", models.NUMBERS)


def test_fewer_survivors_or_more_rounds_cost_more():
    privacy = calibrated(GOAL, BY_RECORD, ("loss",), 100)
    assert round_loss(privacy, BY_RECORD, 100, 1).squared > round_loss(privacy, BY_RECORD, 100, 2).squared
    assert spent(privacy, BY_RECORD, 100, 21) > spent(privacy, BY_RECORD, 100, 20)


@pytest.mark.parametrize(
    ("goal", "quantisation", "said"),
    [
        (GOAL, Quantisation(bits=18, clip="4", weight_cap=8, zero_above="9"), "zero_above"),
        (GOAL, Quantisation(bits=18, clip="4"), "weight_cap"),
        (GOAL.model_copy(update={"unit": "participant"}), BY_RECORD, "weight_cap"),
        (GOAL.model_copy(update={"measured_max": {"f1": "1"}}), BY_RECORD, "f1"),
        (Goal(epsilon="0.000001", rounds=1000), Quantisation(bits=24, clip="4", weight_cap=1), "no slot takes"),
    ],
)
def test_a_plan_that_cannot_be_private_so_is_refused(goal: Goal, quantisation: Quantisation, said: str):
    with pytest.raises(PlanError, match=said) as refusal:
        calibrated(goal, quantisation, ("loss",), 100)
    assert refusal.value.code == "FL3050"


def test_a_manifest_whose_noise_does_not_fit_its_constants_is_refused():
    privacy = calibrated(GOAL, BY_RECORD, ("loss",), 100)
    with pytest.raises(ValidationError, match="each measure has"):
        Averaging(quantisation=BY_RECORD, measured=("loss", "gain"), privacy=privacy)
    with pytest.raises(ValidationError, match="zero_above"):
        Averaging(quantisation=BY_RECORD.model_copy(update={"zero_above": "3"}), measured=("loss",), privacy=privacy)
    with pytest.raises(ValidationError, match="without a bound"):
        Averaging(quantisation=BY_RECORD, measured=("loss",), privacy=privacy, moments_clip="1")


@pytest.mark.parametrize("change", [{"colluders": 3}, {"epsilon": "0"}, {"delta": "1"}])
def test_a_goal_out_of_range_is_refused(change: dict[str, Any]):
    with pytest.raises(ValidationError):
        Goal(**({"epsilon": "3", "rounds": 20} | change))


def test_noise_is_part_of_the_manifest(plan: AveragingManifest):
    again = parse_manifest(plan.canonical())
    assert isinstance(again, AveragingManifest)
    assert isinstance(again.averaging.privacy, Privacy)
    assert again.canonical() == plan.canonical()


def test_people_read_what_is_promised(plan: AveragingManifest):
    said = promised(plan)
    assert said.startswith(("ε = 3, δ = 0.00001 for every ", "ε = 2.99, δ"))
    assert f"every {plan.averaging.privacy.goal.unit} over 20 rounds" in said  # type: ignore[union-attr]
    assert promised(models.manifest()) == ""


def test_a_goal_comes_from_options_and_a_wrong_one_is_refused_with_a_code():
    assert asked_goal(None, 1e-5, 40, "record", 3, 1) is None
    goal = asked_goal(2.5, 1e-7, 40, "participant", 20, 2)
    assert goal == Goal(epsilon="2.5", delta="0.0000001", rounds=40, unit="participant", survivors=20, colluders=2)
    for wrong in ((0.0, 1e-5, 40, "record", 3, 1), (1.0, 1e-5, 40, "row", 3, 1), (1.0, 1e-5, 40, "record", 3, 3)):
        with pytest.raises(PlanError) as refusal:
            asked_goal(*wrong)
        assert refusal.value.code == "FL3050"


def test_a_framework_whose_plans_get_no_noise_refuses_a_goal_before_it_starts():
    with pytest.raises(PlanError, match="TensorFlow Federated get no noise") as refusal:
        build("no.py", goal=GOAL)
    assert refusal.value.code == "FL3050"


def test_a_manifest_that_reads_a_protected_row_twice_a_round_is_refused():
    """The noise is for one reading: each more would add the row's part to the sum again."""
    fields = models.private(averaging(GOAL, BY_RECORD)).model_dump(mode="json", by_alias=True)
    fields["batching"]["epochs"] = 2
    with pytest.raises(PlanError, match="epochs is 1") as refusal:
        parse_manifest(canonical_json(fields))
    assert refusal.value.code == "FL3003"
