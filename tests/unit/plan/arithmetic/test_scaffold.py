"""SCAFFOLD through slots and sums: what the paper's own algorithm gives, and what a participant keeps for itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from fl_node.plan.arithmetic.averaging import Averaging, Scaffold
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import Goal, calibrated
from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.arithmetic.state import ModelState, first_state, read_state
from fl_node.plan.container import pack_plan, read_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.frames import Message
from fl_node.plan.interface import DataSource, WorkResult
from fl_node.plan.manifest import Quantisation
from fl_node.plan.state_codec import decode_state, encode_state
from tests.unit.plan.arithmetic import models
from tests.unit.plan.arithmetic.scaffold_reference import RATE, STEPS, Rows, pooled, scaffold, stepped, unlike
from tests.unit.plan.conftest import add

SOME = ([0, 1, 2, 3], [0, 1, 2], [1, 2, 3], [0, 1, 2, 3], [0, 2, 3])
"""Who survives each round."""


def plan_of(*, controlled: bool = True, clip: str = "60", zero_above: str | None = None) -> AveragingManifest:
    averaging = Averaging(
        quantisation=Quantisation(bits=24, clip="20", weight_cap=None, zero_above=zero_above),
        scaffold=Scaffold(participants=4, clip=clip, rate=str(RATE)) if controlled else None,
        measured=("loss",),
    )
    return models.described(averaging, state_of(averaging), 0)


def state_of(averaging: Averaging) -> ModelState:
    return first_state([np.zeros(3, np.float32)], [], averaging.server, controlled=averaging.scaffold is not None)


class Numpy(AveragingRuntime):
    """A framework that is a few lines of numpy, in this process; everything else is the node's own."""

    def __init__(self, manifest: AveragingManifest, rows: Sequence[Rows]) -> None:
        state = encode_state(state_of(manifest.averaging).leaves())
        files = {"initial.state": state, "work.stablehlo": b"work", "evaluate.stablehlo": b"measure"}
        super().__init__(read_plan(pack_plan(manifest, files)))
        self._rows = rows

    def call(self, op: str, *blobs: bytes, **header: Any) -> Message:
        assert op == "work"
        base, rows = read_state(self.manifest, blobs[0]), self._rows[int(Path(header["data"]).name)]
        correction = base.control[0] if base.control else np.zeros(3)
        weights = stepped(rows, base.trained[0].astype(float), correction).astype(np.float32)
        found = encode_state(ModelState([weights], []).leaves())
        return Message({"rows": len(rows.sizes), "steps": STEPS, "held": 0, "train": [0.0]}, (found,))


def played(runtime: AveragingRuntime, rounds: Sequence[Sequence[int]]) -> tuple[list[Any], list[bytes]]:
    """The states after each round, and what each participant keeps in the end."""
    state, owned, found = runtime.initialize(), [b""] * 4, []
    for survivors in rounds:
        works: dict[int, WorkResult] = {
            at: runtime.work(state, DataSource(Path(str(at)), owned[at])) for at in survivors
        }
        total = add(runtime.manifest.layout, [work.vector for work in works.values()])
        state = runtime.update(state, total, [work.examples for work in works.values()]).state
        for at, work in works.items():
            owned[at] = work.own
        found.append(read_state(runtime.manifest, state))
    return found, owned


def own(blob: bytes) -> Any:
    (leaf,) = decode_state(blob)
    assert leaf.path == "server/control/0"
    return leaf.array


def test_rounds_with_dropouts_are_the_paper_s_up_to_the_quantisation():
    rows = unlike()
    states, _ = played(Numpy(plan_of(), rows), SOME)
    for found, expected in zip(states, scaffold(rows, SOME), strict=True):
        assert found.trained[0] == pytest.approx(expected, abs=2e-5)


def test_it_finds_the_pooled_fit_of_unlike_participants_where_plain_averages_settle_elsewhere():
    rows, rounds = unlike(), [[0, 1, 2, 3]] * 60
    best = pooled(rows)

    def missed(plan: AveragingManifest) -> float:
        states, _ = played(Numpy(plan, rows), rounds)
        return float(np.linalg.norm(states[-1].trained[0] - best))

    plain, corrected = missed(plan_of(controlled=False)), missed(plan_of())
    assert plain > 0.3
    assert corrected < 0.01 * plain


@pytest.mark.parametrize("clip", ["60", "0.5"])
def test_the_server_s_control_variate_is_the_mean_of_all_participants_own_however_much_was_clipped(clip: str):
    states, owned = played(Numpy(plan_of(clip=clip), unlike()), SOME)
    mean = np.mean([own(blob) for blob in owned], axis=0)
    assert np.abs(mean).max() > 0.01
    assert states[-1].control[0] == pytest.approx(mean, abs=1e-12)


def test_what_is_zeroed_changes_neither_side():
    rows = unlike()
    rows[2] = Rows(rows[2].features * 3, rows[2].sizes * 3)
    runtime = Numpy(plan_of(zero_above="2.9"), rows)
    states, owned = played(runtime, [[0, 1, 2, 3]])
    zeroed = [at for at in range(4) if not own(owned[at]).any()]
    assert 1 <= len(zeroed) <= 3
    assert states[-1].control[0] == pytest.approx(np.mean([own(blob) for blob in owned], axis=0), abs=1e-12)


def test_a_model_that_is_trained_alone_is_corrected_by_nothing():
    rows = unlike()
    alone = [[0]] * 3
    plain, controlled = (played(Numpy(plan_of(controlled=c), rows), alone)[0][-1] for c in (False, True))
    assert not controlled.control[0].any()
    first = Numpy(plan_of(), rows)
    state = first.initialize()
    for _ in alone:
        work = first.work(state, DataSource(Path("0")))
        state = first.update(state, work.vector, [work.examples]).state
    assert read_state(first.manifest, state).trained[0] == pytest.approx(plain.trained[0], abs=1e-5)


def test_what_was_kept_must_be_the_plan_s(tmp_path: Path):
    runtime = Numpy(plan_of(), unlike())
    wrong = encode_state(ModelState([], [], control=[np.zeros(4)]).leaves())
    with pytest.raises(PlanError, match="FL3020: what was kept"):
        runtime.work(runtime.initialize(), DataSource(Path("0"), wrong))


def test_the_change_is_masked_beside_the_update_in_slots_of_its_own():
    layout = plan_of().layout
    values = [(one.name, one.slots, one.max) for one in layout.segments if one.kind == "value"]
    most = 2 * (2**23 - 1)
    assert values == [("value/trainable/0", 3, most), ("value/control/0", 3, most)]
    assert plan_of(controlled=False).canonical().count(b"scaffold") == 0  # older plans keep their bytes


def test_a_plan_that_mixes_it_with_what_spoils_it_is_none():
    quantisation = Quantisation(bits=24, clip="1", weight_cap=64)
    goal = Goal(epsilon="3", rounds=20)
    control = Scaffold(participants=4, rate="0.1")
    base = {"quantisation": quantisation, "measured": ("loss",)}
    for more, why in (
        ({"scaffold": Scaffold(participants=4)}, "needs the rate"),
        ({"scaffold": control, "proximal": "0.1"}, "the place of proximal"),
        ({"scaffold": control, "privacy": calibrated(goal, quantisation, ("loss",), 8)}, "noise of their own"),
    ):
        with pytest.raises(ValidationError, match=why):
            Averaging(**base | more)
    for wrong in ({"participants": 1}, {"participants": 4, "clip": "0"}, {"participants": 4, "rate": "-1"}):
        with pytest.raises(ValidationError):
            Scaffold.model_validate(wrong)
