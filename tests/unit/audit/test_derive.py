"""Whether models follow from their sums: exact plans are computed again, others are said to be attested."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from audit.evidence.blobs import gather
from audit.fabric.state import State
from audit.verify.derive import Blobs, check_states
from audit.verify.verdict import ATTESTED, Rule, Unchecked, Verdict
from fl_node.ledger.decimals import decimal
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import Goal, calibrated
from fl_node.plan.arithmetic.state import read_state
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.manifest import Quantisation
from fl_node.plan.state_codec import decode_state, encode_state
from fl_node.privacy.integers import Account, Numbers
from tests.unit.plan.arithmetic import models
from tests.unit.plan.conftest import add

ROWS = {"a": 30, "b": 45, "c": 12}
KEPT_TFF = Path(__file__).parents[1] / "plan" / "kept" / "tumour-tff.flplan"
Training = dict[str, Any]


class Place:
    """A folder of blobs and a training of two rounds whose models were made honestly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "blobs"
        self.plan = self.made()
        base = encode_state(models.first_of(self.plan).leaves())
        self.state = State(":memory:")
        self.training: Training = {"training": "t", "plan": self.put(models.packed(self.plan)), "rounds": []}
        for number in (1, 2):
            base = self.round(number, base)

    def made(self) -> AveragingManifest:
        return models.manifest("fedadam")

    def put(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        path = self.folder / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def take(self, name: str) -> None:
        (self.folder / name[:2] / name).unlink()

    def round(self, number: int, base: bytes) -> bytes:
        weights = read_state(self.plan, base)
        vectors = [models.vector(self.plan, weights, 7 * number + rows, rows) for rows in ROWS.values()]
        total = add(self.plan.layout, vectors)
        state, metrics = next_state(self.plan, base, total, list(ROWS.values()))
        proposal = {
            "aggregate": self.put(total),
            "state": self.put(state),
            "metrics": {name: decimal(value) for name, value in metrics.items()},
        }
        made = {"round": number, "attempt": 1, "phase": "Final", "base_state": hashlib.sha256(base).hexdigest()}
        updates = {name: {"examples": rows} for name, rows in ROWS.items()}
        self.training["rounds"].append(
            {"training": "t", **made, "survivors": list(ROWS), "updates": updates, "proposal": proposal}
        )
        payload = json.dumps({"training": "t", "round": number, "attempt": 1}).encode()
        self.state.event((10 * number, 0), f"tx{number}", 1, "AMSP", "RoundFinal", payload)
        return state

    def verdict(self) -> Verdict:
        verdict = Verdict()
        check_states(verdict, self.state, self.training, Blobs(self.folder))
        return verdict


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_models_of_an_exact_plan_are_made_again_from_their_sums(place: Place) -> None:
    verdict = place.verdict()
    assert (verdict.failures, verdict.unchecked, verdict.held) == ([], [], {Rule.STATE.value: 2})
    assert (verdict.steps, verdict.derived) == (2, 2)
    assert verdict.beyond[0].startswith("Of 2 steps from a sum to the next model the audit made 2 again, bit for bit.")
    assert verdict.as_json()["models"] == {"steps": 2, "derived": 2}


def last_bit(place: Place) -> None:
    """Whoever attested, the state that everybody goes on from has another last bit in one weight."""
    proposal = place.training["rounds"][0]["proposal"]
    path = place.folder / proposal["state"][:2] / proposal["state"]
    altered = bytearray(path.read_bytes())
    altered[-1 - 8 * 8] ^= 1
    leaves = decode_state(bytes(altered))
    proposal["state"] = place.put(encode_state(leaves))
    place.training["rounds"][1]["base_state"] = proposal["state"]


def another_state(place: Place) -> None:
    place.training["rounds"][0]["proposal"]["state"] = "00" * 32


def another_metric(place: Place) -> None:
    place.training["rounds"][0]["proposal"]["metrics"]["train/loss"] = "0.1"


def a_metric_more(place: Place) -> None:
    place.training["rounds"][0]["proposal"]["metrics"]["luck"] = "1"


def other_counts(place: Place) -> None:
    place.training["rounds"][0]["updates"]["b"]["examples"] = 46


def no_sum(place: Place) -> None:
    place.training["rounds"][0]["proposal"]["aggregate"] = place.put(b"no sum")


@pytest.mark.parametrize("tamper", [last_bit, another_state, another_metric, a_metric_more, other_counts, no_sum])
def test_a_tampered_model_is_found_whoever_attested_it(tamper: Callable[[Place], None], place: Place) -> None:
    tamper(place)
    first = place.verdict().failures[0]
    assert (first.code, first.block) == (Rule.STATE.value, 10)
    assert first.text.startswith("t/1/1: ")


@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        (lambda place: place.training["rounds"][0]["proposal"]["aggregate"], "t/1/1 was not made again: its sum"),
        (lambda place: place.training["rounds"][1]["base_state"], "t/2/1 was not made again: its base state"),
    ],
)
def test_what_is_not_at_hand_is_said_to_be_unchecked(lacking: Callable[[Place], str], why: str, place: Place) -> None:
    place.take(lacking(place))
    verdict = place.verdict()
    assert [(one.reason, why in one.text) for one in verdict.unchecked] == [(Unchecked.STATE, True)]
    assert (verdict.failures, verdict.held, verdict.derived) == ([], {Rule.STATE.value: 1}, 1)


def test_a_plan_that_cannot_be_read_leaves_its_models_unchecked(place: Place) -> None:
    place.training["plan"] = place.put(b"a plan of a later version")
    verdict = place.verdict()
    assert [one.reason for one in verdict.unchecked] == [Unchecked.STATE]
    assert (verdict.steps, verdict.derived) == (2, 0)


def test_a_plan_of_tensorflow_federated_is_said_to_be_attested(place: Place) -> None:
    place.training["plan"] = place.put(KEPT_TFF.read_bytes())
    verdict = place.verdict()
    assert (verdict.unchecked, verdict.failures, verdict.derived) == ([], [], 0)
    assert verdict.beyond[0] == ATTESTED


def test_without_the_plan_file_its_models_are_said_to_be_attested(place: Place) -> None:
    place.take(place.training["plan"])
    verdict = place.verdict()
    assert (verdict.unchecked, verdict.failures, verdict.beyond[0]) == ([], [], ATTESTED)


def test_an_altered_copy_of_a_blob_is_none(place: Place, tmp_path: Path) -> None:
    name = place.training["rounds"][0]["proposal"]["aggregate"]
    (place.folder / name[:2] / name).write_bytes(b"altered")
    found = gather([place.folder], tmp_path / "gathered")
    assert Blobs(found).get(name) is None
    assert Blobs(None).get(name) is None


class Compressed(Place):
    """Two rounds in which half of the numbers travel."""

    def made(self) -> AveragingManifest:
        return models.compressed("fedadam")


def test_models_of_parts_of_updates_are_made_again_and_a_tampered_one_is_found(tmp_path: Path) -> None:
    place = Compressed(tmp_path)
    verdict = place.verdict()
    assert (verdict.failures, verdict.unchecked, verdict.derived) == ([], [], 2)
    last_bit(place)
    assert [one.code for one in place.verdict().failures][:1] == [Rule.STATE.value]


class Private(Place):
    """Two rounds of a plan with noise, and an attempt between them that ended Void once its survivors were frozen."""

    def __init__(self, folder: Path) -> None:
        goal = Goal(epsilon="3", rounds=2)
        quantisation = Quantisation(bits=18, clip="4", weight_cap=64)
        privacy = calibrated(goal, quantisation, models.MEASURED, models.NUMBERS)
        self.private = Averaging(quantisation=quantisation, measured=models.MEASURED, privacy=privacy)
        super().__init__(folder)

    def made(self) -> AveragingManifest:
        return models.private(self.private)


def test_the_privacy_that_each_participant_spent_is_added_up_over_frozen_attempts(tmp_path: Path) -> None:
    place = Private(tmp_path)
    verdict = place.verdict()
    (spent,) = verdict.privacy
    assert (spent.unit, spent.delta, spent.colluders) == ("record", "0.00001", 1)
    assert spent.participants == {name: pytest.approx(3, abs=0.01) for name in ROWS}
    frozen = {**place.training["rounds"][0], "attempt": 2, "phase": "Void", "survivors": ["a", "b", "c", "d"]}
    place.training["rounds"].append(frozen)
    (more,) = place.verdict().privacy
    assert 3 < more.participants["a"] < 4.5
    assert more.participants["d"] < 3
    assert "every record of a 3." in more.text
    assert verdict.as_json()["privacy"][0]["participants"].keys() == set(ROWS)


def test_a_plan_without_noise_spends_no_privacy_that_could_be_told(place: Place) -> None:
    assert place.verdict().privacy == []


def counted(place: Private) -> None:
    """What the ledger holds where the plan is registered under version 2 of the rules, honestly."""
    promise = place.plan.registered
    rounds = len(place.training["rounds"])
    accounts = {name: sum([promise.loss(len(ROWS))] * rounds, Account()) for name in ROWS}
    place.training |= {"promise": asdict(promise), "accounts": accounts}


def test_the_ledgers_accounts_are_derived_again_and_shown(tmp_path: Path) -> None:
    place = Private(tmp_path)
    before = place.verdict().privacy
    counted(place)
    verdict = place.verdict()
    assert (verdict.failures, verdict.held[Rule.PRIVACY.value]) == ([], 1)
    (spent,) = verdict.privacy
    assert (spent.participants, spent.ledger, before[0].ledger) == (before[0].participants, True, False)
    assert "the ledger keeps the accounts" in spent.text


def test_without_the_plan_file_the_ledgers_own_numbers_tell(tmp_path: Path) -> None:
    place = Private(tmp_path)
    counted(place)
    place.take(place.training["plan"])
    verdict = place.verdict()
    assert (verdict.failures, verdict.held[Rule.PRIVACY.value]) == ([], 1)
    assert verdict.privacy[0].participants == {name: pytest.approx(3, abs=0.01) for name in ROWS}


def less_told(place: Private) -> None:
    place.training["accounts"]["b"] = Account(1, 1)


def nobodys_account(place: Private) -> None:
    place.training["accounts"]["e"] = Account(1)


def no_account(place: Private) -> None:
    del place.training["accounts"]["c"]


def a_round_more(place: Private) -> None:
    place.training["rounds"].append({**place.training["rounds"][0], "attempt": 2, "phase": "Void"})


def another_promise(place: Private) -> None:
    place.training["promise"]["squared_e15"] -= 2
    promise = Numbers(**place.training["promise"])
    place.training["accounts"] = {name: sum([promise.loss(len(ROWS))] * 2, Account()) for name in ROWS}


def no_promise(place: Private) -> None:
    place.training |= {"promise": asdict(Numbers()), "accounts": {}}


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (less_told, "of b, the ledger's account says Account(squared_e15=1"),
        (nobodys_account, "the rounds told Account(squared_e15=0, slack_e15=0) of e"),
        (no_account, "of c, the ledger's account says Account(squared_e15=0"),
        (a_round_more, "of a, the ledger's account says"),
        (another_promise, "its plan is registered with the promise"),
        (no_promise, "its plan is registered with the promise Numbers(unit=''"),
    ],
)
def test_an_account_that_does_not_follow_is_found(tamper: Callable[[Private], None], said: str, tmp_path: Path) -> None:
    place = Private(tmp_path)
    counted(place)
    tamper(place)
    first = place.verdict().failures[0]
    assert (first.code, said in first.text) == (Rule.PRIVACY.value, True), first.text
