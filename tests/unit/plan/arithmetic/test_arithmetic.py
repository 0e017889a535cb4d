"""The exact arithmetic: vectors of a second reading, the same bits one by one or in numpy, bounds, refusals."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node.canonical import decode_strict
from fl_node.plan.arithmetic import machine, slots
from fl_node.plan.arithmetic.averaging import Averaging, Server
from fl_node.plan.arithmetic.server import step
from fl_node.plan.arithmetic.state import read_state
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.arithmetic.work import norm, quantised
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.manifest import Quantisation
from fl_node.plan.state_codec import decode_state, encode_state
from tests.unit.plan.arithmetic import models
from tests.unit.plan.conftest import add

VECTORS = Path(__file__).parents[3] / "vectors"
KINDS = ("fedavg", "fedavgm", "fedadam", "fedyogi")
COHORT = st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 200)), min_size=1, max_size=8)
FINITE = st.floats(-1e100, 1e100)


def cases(name: str) -> list[Any]:
    found = decode_strict((VECTORS / f"{name}.json").read_bytes())
    assert isinstance(found, list)
    return [pytest.param(case, id=case["name"]) for case in found]


def doubles(texts: list[str]) -> Any:
    return np.array([float.fromhex(text) for text in texts])


def hexes(array: Any) -> list[str]:
    return [float(value).hex() for value in array]


@pytest.mark.parametrize("case", cases("server_step"))
def test_a_server_moves_every_weight_as_the_second_reading_does_bit_for_bit(case: dict[str, Any]):
    server = Server(**case["server"])
    kept = {"fedavg": (), "fedavgm": ("first",)}.get(server.kind, ("first", "second"))
    moved, after = step(server, doubles(case["delta"]), tuple(doubles(case[name]) for name in kept))
    assert hexes(moved) == case["moved"]
    assert [hexes(array) for array in after] == [case[f"{name}_after"] for name in kept]


@pytest.mark.parametrize("case", cases("quantise"))
def test_an_update_is_clipped_and_quantised_as_the_second_reading_does(case: dict[str, Any]):
    quantisation = Quantisation(bits=case["bits"], clip=case["clip"], weight_cap=case["weight_cap"])
    parts = [doubles(part) for part in case["parts"]]
    values, clipped = quantised(parts, float(case["clip"]), quantisation, case["weight"])
    assert [value.tolist() for value in values] == case["values"]
    assert clipped == case["clipped"]


@pytest.mark.parametrize("case", cases("measure"))
def test_measures_of_any_sign_cross_the_sum_as_the_second_reading_says(case: dict[str, Any]):
    found = [slots.to_slot(float.fromhex(value), "loss") for value in case["values"]]
    assert found == case["slots"]
    assert slots.from_slots(sum(found), len(found), case["rows"]).hex() == case["mean"]


@given(st.lists(FINITE, min_size=1, max_size=50), st.randoms())
def test_a_norm_is_the_exact_sum_of_squares_whatever_the_order(values: list[float], random: Any):
    squares = sum((Fraction(value * value) for value in values), Fraction(0))
    shuffled = random.sample(values, len(values))
    assert norm([np.array(values)]) == norm([np.array(shuffled)[:3], np.array(shuffled)[3:]])
    assert norm([np.array(values)]) == math.sqrt(squares)  # a fraction becomes a double by one rounding


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20), st.integers(1, 64), st.integers(8, 24))
def test_a_quantised_update_is_within_half_a_step_of_the_clipped_one(values: list[float], weight: int, bits: int):
    quantisation = Quantisation(bits=bits, clip="4", weight_cap=64)
    half = slots.half(bits)
    (whole,), _ = quantised([np.array(values)], 4.0, quantisation, weight)
    length = norm([np.array(values)])
    clipped = np.array(values) * min(1.0, 4 / length if length else 1.0)
    assert 0 <= whole.min() <= whole.max() <= 2 * half
    assert np.abs((whole - half) / half * 4 * 64 / weight - clipped).max() <= 4 * 64 / weight / half * 0.5000001


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_state_of_sums_is_that_of_the_clear_updates_to_the_last_bit(kind: str):
    plan = models.manifest(kind)
    state = models.first(plan.averaging.server)
    blob = encode_state(state.leaves())
    for number in range(3):  # the second and third round start from moments that are not the first ones
        vectors = [models.vector(plan, read_state(plan, blob), 10 * number + seed, 30 + seed) for seed in range(3)]
        counts = [30, 31, 32]
        following, metrics = next_state(plan, blob, add(plan.layout, vectors), counts)
        assert following == one_by_one(plan, blob, vectors, counts)
        assert metrics.keys() == set(plan.metrics)
        blob = following


def one_by_one(plan: Any, blob: bytes, vectors: list[bytes], counts: list[int]) -> bytes:
    """The next state, each number by Python's own doubles from the vectors in the clear."""
    server, q = plan.averaging.server, plan.averaging.quantisation
    leaves = {leaf.path: leaf for leaf in decode_state(blob)}
    weight = float(sum(min(count, q.weight_cap) for count in counts))
    after = {path: leaf.array.copy() for path, leaf in leaves.items()}
    half = slots.half(q.bits)
    for path, leaf in leaves.items():
        if not path.startswith("global_model_weights/"):
            continue
        at, trained = path.rsplit("/", 1)[1], path.startswith("global_model_weights/trainable/")
        name = f"value/{'trainable' if trained else 'non_trainable'}/{at}"
        unit = float(q.clip if trained else plan.averaging.moments_clip) * q.weight_cap / half
        sums = [plan.layout.flat.segment(name).view(vector).astype(int) for vector in vectors]
        for place in range(leaf.array.size):
            delta = (sum(int(one[place]) for one in sums) - len(counts) * half) * unit / weight
            if trained:
                moments = [f"server/{moment}/{at}" for moment in ("first", "second")]
                held = [float(after[m].flat[place]) if m in after else 0.0 for m in moments]
                delta, *held = scalar(server, delta, *held)
                for moment, value in zip(moments, held, strict=True):
                    if moment in after:
                        after[moment].flat[place] = value
            after[path].flat[place] = float(leaf.array.flat[place]) + delta
    return encode_state([type(leaf)(path, after[path]) for path, leaf in leaves.items()])


def scalar(server: Server, delta: float, first: float, second: float) -> tuple[float, float, float]:
    rate, momentum, decay = float(server.rate), float(server.momentum), float(server.decay)
    if server.kind == "fedavg":
        return delta * rate, first, second
    if server.kind == "fedavgm":
        first = first * momentum + delta
        return first * rate, first, second
    first = first * momentum + delta * (1 - momentum)
    square = delta * delta
    share = square * (1 - decay)
    if server.kind == "fedadam":
        second = second * decay + share
    else:
        second = second - share * ((second > square) - (second < square))
    return first * rate / (math.sqrt(second) + float(server.floor)), first, second


@given(COHORT, st.randoms())
def test_the_order_of_survivors_changes_no_bit(cohort: list[tuple[int, int]], random: Any):
    plan = models.manifest("fedadam")
    state = models.first(plan.averaging.server)
    blob = encode_state(state.leaves())
    given_order = [models.vector(plan, state, seed, rows) for seed, rows in cohort]
    other = random.sample(range(len(cohort)), len(cohort))
    first = next_state(plan, blob, add(plan.layout, given_order), [rows for _, rows in cohort])
    second = next_state(
        plan, blob, add(plan.layout, [given_order[at] for at in other]), [cohort[at][1] for at in other]
    )
    assert first == second


@given(COHORT)
def test_the_mean_is_that_of_the_clipped_updates_up_to_the_quantisation(cohort: list[tuple[int, int]]):
    plan = models.manifest(cap=None, bits=24)
    state = models.first(plan.averaging.server)
    vectors = [models.vector(plan, state, seed, rows) for seed, rows in cohort]
    after = read_state(
        plan, next_state(plan, encode_state(state.leaves()), add(plan.layout, vectors), [1] * len(cohort))[0]
    )
    steps = [models.worked(state, seed, rows).trained[0].astype(float) - state.trained[0] for seed, rows in cohort]
    assert np.abs(after.trained[0] - (state.trained[0] + 0.5 * np.mean(steps, axis=0))).max() < 1e-5


def test_an_update_that_is_too_long_is_clipped_and_one_far_too_long_counts_as_zeros():
    plan = models.manifest()
    state = models.first(plan.averaging.server)
    blob = encode_state(state.leaves())
    long, absurd = models.vector(plan, state, 1, 10, size=5), models.vector(plan, state, 1, 10, size=1e6)
    after, metrics = next_state(plan, blob, long, [10])
    assert (metrics["aggregation/clipped"], metrics["aggregation/zeroed"]) == (1, 0)
    moved = [a.astype(float) - b for a, b in zip(read_state(plan, after).trained, state.trained, strict=True)]
    assert norm(moved) == pytest.approx(0.5 * 4, rel=1e-3)
    after, metrics = next_state(plan, blob, absurd, [10])
    assert (metrics["aggregation/clipped"], metrics["aggregation/zeroed"]) == (0, 1)
    assert after == blob


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_an_update_that_is_no_number_leaves_no_node(number: float):
    plan = models.manifest()
    state = models.first(plan.averaging.server)
    with pytest.raises(PlanError, match="FL3030"):
        models.vector(plan, state, 1, 10, size=number)
    with pytest.raises(PlanError, match=r"FL3030: .*\(loss\)"):
        slots.to_slot(number, "loss")


@pytest.mark.parametrize(("name", "code"), [("one", "FL3033"), ("value/trainable/0", "FL3032"), ("weight", "FL3034")])
def test_a_sum_that_no_honest_survivors_give_has_no_next_state(name: str, code: str):
    plan = models.manifest()
    state = models.first(plan.averaging.server)
    total = bytearray(models.vector(plan, state, 1, 10))
    plan.layout.flat.segment(name).view(total)[:] = 1 << 20
    with pytest.raises(PlanError, match=code):
        next_state(plan, encode_state(state.leaves()), bytes(total), [10])


def test_a_state_that_is_none_of_the_plan_has_no_successor():
    plan, other = models.manifest("fedavgm"), models.manifest("fedavg")
    blob = encode_state(models.first(other.averaging.server).leaves())
    vector = models.vector(plan, models.first(plan.averaging.server), 1, 10)
    with pytest.raises(PlanError, match="FL3020"):
        next_state(plan, blob, vector, [10])


def test_a_step_beyond_the_largest_float_is_refused():
    plan = models.manifest()
    state = models.first(plan.averaging.server)
    state.trained[0][:] = np.finfo(np.float32).max
    total = bytearray(models.vector(plan, models.first(plan.averaging.server), 1, 10))
    steep = plan.model_copy(update={"averaging": plan.averaging.model_copy(update={"server": Server(rate="1e39")})})
    with pytest.raises(PlanError, match="FL3022"):
        next_state(steep, encode_state(state.leaves()), bytes(total), [10])


def test_without_a_holdout_there_are_no_slots_for_it():
    plan = models.manifest(holdout=0)
    assert not any("evaluation" in segment.name for segment in plan.layout.segments)
    state = models.first(plan.averaging.server)
    _, metrics = next_state(plan, encode_state(state.leaves()), models.vector(plan, state, 1, 10), [10])
    assert metrics.keys() == set(plan.metrics)
    assert not any("evaluation" in name for name in metrics)


def test_a_manifest_reads_back_and_allows_no_deviation():
    plan = models.manifest("fedyogi")
    assert parse_manifest(plan.canonical()) == plan
    assert plan.tolerance == 0
    with pytest.raises(PlanError, match="FL3003: tolerance_e9"):
        parse_manifest(plan.canonical().replace(b'"tolerance_e9":0', b'"tolerance_e9":1'))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"clip":"4"', b'"clip":"0"'),
        (b'"measured":["loss","gain"]', b'"measured":["loss"]'),
        (b'"moments_clip":"10"', b'"moments_clip":null'),
        (b'"kind":"fedyogi"', b'"kind":"fedavg"'),
        (b'"holdout_percent":20', b'"holdout_percent":0'),
        (b'"cap":64', b'"cap":63'),
        (b'"path":"server/second/1"', b'"path":"server/second/2"'),
        (b'"cohort_max":8', b'"cohort_max":1000'),
    ],
)
def test_a_manifest_whose_parts_do_not_follow_from_its_constants_is_refused(old: bytes, new: bytes):
    raw = models.manifest("fedyogi").canonical()
    assert old in raw
    with pytest.raises(PlanError, match="FL3003"):
        parse_manifest(raw.replace(old, new, 1))


@pytest.mark.parametrize(
    "wrong",
    [{"rate": "0"}, {"rate": "nan"}, {"floor": "-1"}, {"momentum": "1"}, {"decay": "1.5"}, {"kind": "sgd"}],
)
def test_a_server_with_constants_that_make_no_sense_is_refused(wrong: dict[str, str]):
    with pytest.raises(ValueError, match=r"Input|above zero|below 1|finite"):
        Server(**wrong)  # type: ignore[arg-type]


def test_measures_have_names_that_differ_and_norms_above_zero():
    q = Quantisation(bits=18, clip="4")
    with pytest.raises(ValueError, match="twice"):
        Averaging(quantisation=q, measured=("loss", "loss"))
    with pytest.raises(ValueError, match="above zero"):
        Averaging(quantisation=q, measured=("loss",), moments_clip="0")


def test_a_process_that_flushes_small_numbers_computes_no_state(monkeypatch: pytest.MonkeyPatch):
    machine.require_ieee()
    monkeypatch.setattr(machine, "_SMALLEST", 0.0)  # what a flushed product compares as: no honest process has it
    monkeypatch.setattr(machine, "_ABOVE_ONE", 1.0)
    with pytest.raises(PlanError, match="FL3049"):
        machine.require_ieee()
