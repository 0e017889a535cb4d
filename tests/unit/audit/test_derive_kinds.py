"""Each step of a plan that needs no framework is made again from its sum, for every kind."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from audit.fabric.state import State
from audit.verify.derive import Blobs, check_states
from audit.verify.verdict import Rule, Unchecked, Verdict
from fl_node.ledger.decimals import decimal
from fl_node.plan.container import Plan, pack_plan
from fl_node.plan.kinds.step import next_state
from tests.unit.plan.conftest import add
from tests.unit.plan.kinds.plans import compiled, manifest_of
from tests.unit.plan.kinds.test_rounds import KINDS_OF, SCHEMA, vectors

every_kind = pytest.mark.parametrize("name", KINDS_OF)
Training = dict[str, Any]


class Ledger:
    """A training of two honest rounds, and its blobs."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.state = folder, State(":memory:")
        self.training: Training = {"training": "t", "plan": self.put(packed(plan)), "rounds": []}
        base = plan.initial_state
        for number in (1, 2):
            made = vectors(plan, base, number)
            total = add(plan.manifest.layout, list(made.values()))
            following, metrics = next_state(manifest_of(plan), base, total, [9] * len(made))
            texts = {name: decimal(value) for name, value in metrics.items()}
            proposal = {"aggregate": self.put(total), "state": self.put(following), "metrics": texts}
            updates = {name: {"examples": 9} for name in made}
            ended = {"round": number, "attempt": 1, "phase": "Final", "survivors": list(made), "updates": updates}
            ended |= {"base_state": hashlib.sha256(base).hexdigest(), "proposal": proposal}
            self.training["rounds"].append(ended)
            event = json.dumps({"training": "t", "round": number, "attempt": 1}).encode()
            self.state.event((number, 0), f"tx{number}", 1, "AMSP", "RoundFinal", event)
            base = following

    def put(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        path = self.folder / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def verdict(self) -> Verdict:
        verdict = Verdict()
        check_states(verdict, self.state, self.training, Blobs(self.folder))
        return verdict


def packed(plan: Plan, version: str = "1") -> bytes:
    manifest = plan.manifest.model_copy(update={"framework_version": version})
    return pack_plan(manifest, {"initial.state": plan.initial_state})


@every_kind
def test_every_state_is_made_again_from_its_sum(tmp_path: Path, name: str):
    verdict = Ledger(tmp_path, compiled(KINDS_OF[name], SCHEMA)).verdict()
    assert (verdict.failures, verdict.unchecked, verdict.held) == ([], [], {Rule.STATE.value: 2})
    assert (verdict.steps, verdict.derived) == (2, 2)


@every_kind
@pytest.mark.parametrize("part", ["state", "metrics"])
def test_what_does_not_follow_from_its_sum_is_found(tmp_path: Path, name: str, part: str):
    ledger = Ledger(tmp_path, compiled(KINDS_OF[name], SCHEMA))
    proposal = ledger.training["rounds"][1]["proposal"]
    proposal[part] = ledger.put(b"another") if part == "state" else {"train/loss": "0"}
    (failure,) = ledger.verdict().failures
    assert "t/2/1" in str(failure)


def test_a_plan_of_an_arithmetic_that_this_program_lacks_is_left_unchecked(tmp_path: Path):
    plan = compiled(KINDS_OF["glm"], SCHEMA)
    ledger = Ledger(tmp_path, plan)
    ledger.training["plan"] = ledger.put(packed(plan, "2"))
    verdict = ledger.verdict()
    assert (verdict.failures, verdict.derived) == ([], 0)
    assert [one.reason for one in verdict.unchecked] == [Unchecked.STATE] * 2
