"""A part of each update travels: which part, that all agree on it, and what follows from its sum."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from fl_node.plan.arithmetic import slots
from fl_node.plan.arithmetic.averaging import Averaging, Compression, Scaffold
from fl_node.plan.arithmetic.chosen import chosen, drawn, gathered, seed_of
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import Goal, calibrated
from fl_node.plan.arithmetic.state import Arrays, ModelState, first_state, read_state
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.arithmetic.work import vector_of
from fl_node.plan.manifest import Quantisation
from fl_node.plan.state_codec import decode_state, encode_state
from fl_node.secagg.layout import Layout
from fl_node.secagg.simulation import session_of, simulate
from tests.unit.plan.arithmetic import models
from tests.unit.plan.arithmetic.test_arithmetic import scalar
from tests.unit.plan.conftest import add

KINDS = ("fedavg", "fedavgm", "fedadam", "fedyogi")
SENT = 4
"""Of the eight numbers of the model."""


def vector(plan: AveragingManifest, state: ModelState, seed: int, rows: int) -> bytes:
    return bytes(vector_of(plan, state, models.worked(state, seed, rows)))


@given(st.integers(1, 3000), st.data())
def test_the_set_is_drawn_without_repetition_and_in_order(total: int, data: st.DataObject):
    count = data.draw(st.integers(1, total))
    places = drawn(total, count, data.draw(st.binary(min_size=32, max_size=32)))
    assert len(places) == count
    assert places[0] >= 0
    assert places[-1] < total
    assert (np.diff(places) > 0).all()


@given(st.integers(1, 500), st.data())
def test_the_set_is_what_the_words_of_its_seed_say(total: int, data: st.DataObject):
    count, seed = data.draw(st.integers(1, total)), data.draw(st.binary(min_size=32, max_size=32))
    stream = hashlib.shake_256(seed).digest(8 * (count + 1))
    words = [int.from_bytes(stream[8 * at : 8 * at + 8], "little") for at in range(count + 1)]
    found = []
    for at in range(count):
        start, end = at * total // count, (at + 1) * total // count
        found.append((start + words[at + 1] % (end - start) + words[0]) % total)
    assert drawn(total, count, seed).tolist() == sorted(found)


@pytest.mark.parametrize(("total", "count"), [(10, 9), (10, 3), (7, 2)])
def test_every_number_travels_equally_often(total: int, count: int):
    draws = 4000
    seeds = [hashlib.sha256(str(at).encode()).digest() for at in range(draws)]
    often = np.bincount(np.concatenate([drawn(total, count, seed) for seed in seeds]), minlength=total)
    share = count / total
    assert abs(often / draws - share).max() < 5 * (share * (1 - share) / draws) ** 0.5


def test_the_set_differs_with_every_tensor_of_the_state_and_from_round_to_round():
    plan = models.compressed("fedadam")
    state = models.first_of(plan)
    leaves = state.leaves()
    seeds = {seed_of(state)}
    for one in leaves:
        moved = [replace(leaf, array=leaf.array + 1) if leaf.path == one.path else leaf for leaf in leaves]
        seeds.add(seed_of(read_state(plan, encode_state(moved))))
    assert len(seeds) == len(leaves) + 1
    nothing = [np.zeros_like(array) for array in state.trained]
    still = models.worked(state, 1, 30)
    still = replace(still, trained=[a + b for a, b in zip(state.trained, nothing, strict=True)], kept=state.kept)
    following, _ = next_state(plan, encode_state(leaves), bytes(vector_of(plan, state, still)), [30])
    assert seed_of(read_state(plan, following)) not in seeds  # a round in which nothing moved draws anew all the same


def test_only_the_share_has_slots():
    plan = models.compressed()
    values = [(one.name, one.slots) for one in plan.layout.segments if one.kind == "value"]
    assert values == [("value/chosen", SENT), ("value/non_trainable/0", 2)]
    assert models.manifest().canonical().count(b"compression") == 0  # older plans keep their bytes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", ["0.001", "0.4", "0.8"])
def test_the_next_state_of_sums_is_that_of_the_clear_updates_to_the_last_bit(kind: str, keep: str):
    plan = models.compressed(kind, keep)
    blob = encode_state(models.first_of(plan).leaves())
    sets = []
    for number in range(3):
        state = read_state(plan, blob)
        sets.append(places_of(plan, state))
        vectors = [vector(plan, state, 10 * number + seed, 30 + seed) for seed in range(3)]
        counts = [30, 31, 32]
        following, metrics = next_state(plan, blob, add(plan.layout, vectors), counts)
        assert following == one_by_one(plan, blob, vectors, counts)
        assert metrics.keys() == set(plan.metrics)
        blob = following
    assert len(set(map(tuple, sets))) > 1


def test_rounds_with_masks_and_a_dropout_give_bit_for_bit_what_rounds_without_give():
    plan = models.compressed("fedadam")
    layout = Layout.from_fields(plan.layout.model_dump(mode="json"))
    masked = plain = encode_state(models.first_of(plan).leaves())
    for number in range(3):
        state = read_state(plan, masked)
        vectors = [vector(plan, state, 10 * number + seed, 30 + seed) for seed in range(4)]
        session = session_of(layout, 4, base_state=hashlib.sha256(masked).digest())
        updates = dict(zip(session.cohort, vectors, strict=True))
        total = bytes(simulate(session, updates, {"updates": [session.cohort[1]]}).vector)
        masked, metrics = next_state(plan, masked, total, [30, 32, 33])
        left = [vectors[at] for at in (0, 2, 3)]
        assert (masked, metrics) == next_state(plan, plain, add(plan.layout, left), [30, 32, 33])
        plain = masked


def places_of(plan: AveragingManifest, state: ModelState) -> list[int]:
    places = chosen(plan.averaging, state)
    assert places is not None
    return list(places.tolist())


def one_by_one(plan: AveragingManifest, blob: bytes, vectors: Sequence[bytes], counts: Sequence[int]) -> bytes:
    """The next state, each number by Python's own doubles from the vectors in the clear."""
    server, q = plan.averaging.server, plan.averaging.quantisation
    leaves = {leaf.path: leaf.array.copy() for leaf in decode_state(blob)}
    weight, half = float(sum(min(count, 64) for count in counts)), slots.half(q.bits)

    def mean(name: str, at: int, clip: float) -> float:
        sums = sum(int(plan.layout.flat.segment(name).view(one)[at]) for one in vectors)
        return (sums - len(counts) * half) * (clip * 64 / half) / weight

    trained = [(at, place) for at, shape in enumerate(models.SHAPES) for place in range(int(np.prod(shape)))]
    for slot, place in enumerate(places_of(plan, read_state(plan, blob))):
        at, inner = trained[place]
        moments = [f"server/{moment}/{at}" for moment in ("first", "second")]
        held = [float(leaves[m].flat[inner]) if m in leaves else 0.0 for m in moments]
        delta, *held = scalar(server, mean("value/chosen", slot, float(q.clip)), *held)
        for moment, value in zip(moments, held, strict=True):
            if moment in leaves:
                leaves[moment].flat[inner] = value
        weights = leaves[f"global_model_weights/trainable/{at}"]
        weights.flat[inner] = float(weights.flat[inner]) + delta
    for inner in range(2):
        weights = leaves["global_model_weights/non_trainable/0"]
        weights.flat[inner] = float(weights.flat[inner]) + mean("value/non_trainable/0", inner, 10.0)
    leaves["server/rounds/0"] += 1
    return encode_state([replace(leaf, array=leaves[leaf.path]) for leaf in decode_state(blob)])


def flat(arrays: Arrays) -> NDArray[Any]:
    return np.concatenate([array.reshape(-1) for array in arrays])


def test_what_travels_is_clipped_to_the_norm_by_itself_and_the_rest_moves_nothing():
    plan = models.compressed()
    state = models.first_of(plan)
    worked, places = models.worked(state, 3, 30), places_of(plan, state)
    steps = [new.astype(float) - old for old, new in zip(state.trained, worked.trained, strict=True)]
    moved = gathered(steps, np.array(places))
    following, metrics = next_state(plan, encode_state(state.leaves()), bytes(vector_of(plan, state, worked)), [30])
    before, after = (flat(arrays) for arrays in (state.trained, models.read(plan, following)))
    still = np.setdiff1d(np.arange(models.NUMBERS), places)
    assert (after[still] == before[still]).all()
    assert (after - before)[places] == pytest.approx(0.5 * moved, abs=1e-4)
    assert metrics["aggregation/clipped"] == 0


def test_every_number_is_learned_in_time():
    """Participants that all want one target reach it, though four of eight numbers travel."""
    plan = models.compressed()
    state = models.first_of(plan)
    target = [np.full(array.shape, 0.25, np.float32) for array in state.trained]
    blob = encode_state(state.leaves())
    for _ in range(60):
        base = read_state(plan, blob)
        worked = [replace(models.worked(base, seed, 30), trained=target) for seed in range(3)]
        vectors = [bytes(vector_of(plan, base, one)) for one in worked]
        blob, _ = next_state(plan, blob, add(plan.layout, vectors), [30, 30, 30])
    assert all(np.abs(array - 0.25).max() < 1e-3 for array in models.read(plan, blob))


def test_noise_and_promise_are_those_of_the_numbers_that_travel():
    quantisation = Quantisation(bits=18, clip="4", weight_cap=64)
    goal = Goal(epsilon="3", rounds=20)
    privacy = calibrated(goal, quantisation, models.MEASURED, SENT)
    averaging = Averaging(
        quantisation=quantisation, measured=models.MEASURED, privacy=privacy, compression=Compression(keep="0.4")
    )
    state = models.first(averaging.server)
    plan = models.described(averaging, first_state(state.trained, [], averaging.server, counted=True), 20)
    assert plan.numbers == SENT
    assert plan.promise is not None


def test_a_plan_that_mixes_it_with_what_it_does_not_bear_is_none():
    fields = models.compressed().averaging.model_dump() | {"scaffold": Scaffold(participants=4, rate="0.1")}
    with pytest.raises(ValidationError, match="control variates"):
        Averaging.model_validate(fields)
    for wrong in ("0", "1", "-0.1", "1.5"):
        with pytest.raises(ValidationError):
            Compression(keep=wrong)


@given(st.integers(1, 10**8), st.integers(1, 999_999))
def test_the_share_is_rounded_up_to_whole_numbers(total: int, millionths: int):
    count = Compression(keep=f"{millionths / 10**6:.6f}").count(total)
    assert count == -(-total * millionths // 10**6)
    assert 1 <= count <= total
