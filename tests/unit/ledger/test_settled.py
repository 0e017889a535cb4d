"""What is settled in an attempt: a change of any of it is seen, and nothing else is."""

from typing import Any

import pytest
from pydantic import ValidationError

from fl_node.ledger.records import Phase, Round
from fl_node.ledger.settled import REACHED, Settled, settled

ONE, OTHER = "ab" * 32, "cd" * 32
NAMES = ("a", "b", "c", "d")
ATTEMPT: dict[str, Any] = {
    "training": "t", "round": 1, "attempt": 1, "phase": "Attest", "plan": ONE, "base_state": ONE,
    "layout_digest": ONE, "session": ONE, "threshold": 3, "voters": 4, "majority": 3, "cohort": NAMES,
    "members": [{"participant": name, "msp_id": f"{name}MSP", "rows": 5} for name in NAMES],
    "keys": {name: {"seal_key": ONE, "mask_key": ONE} for name in NAMES}, "u1": NAMES,
    "shares": {name: {"seed_commitment": ONE, "shares_root": ONE, "sealed": ONE} for name in NAMES}, "u2": NAMES,
    "updates": {name: {"digest": ONE, "length": 16, "examples": 10} for name in NAMES},
    "survivors": NAMES, "frozen": [{"survivors": NAMES}],
}  # fmt: skip
SETTLED_FROM: list[tuple[Phase, dict[str, Any]]] = [
    ("Keys", {"plan": OTHER}),
    ("Keys", {"base_state": OTHER}),
    ("Keys", {"session": OTHER}),
    ("Keys", {"threshold": 4}),
    ("Keys", {"cohort": NAMES[::-1]}),
    ("Keys", {"members": [{"participant": "a", "msp_id": "bMSP", "rows": 5}]}),
    ("Keys", {"members": [{"participant": name, "msp_id": f"{name}MSP", "rows": 6} for name in NAMES]}),
    ("Keys", {"mode": "robust_groups"}),
    ("Keys", {"robust_groups": {"size": 3}}),
    ("Keys", {"groups": [NAMES[:2], NAMES[2:]]}),
    ("Shares", {"u1": NAMES[:3]}),
    ("Shares", {"keys": ATTEMPT["keys"] | {"a": {"seal_key": OTHER, "mask_key": ONE}}}),
    ("Shares", {"keys": ATTEMPT["keys"] | {"a": {"seal_key": ONE, "mask_key": OTHER}}}),
    ("Updates", {"u2": NAMES[:3]}),
    *(
        ("Updates", {"shares": ATTEMPT["shares"] | {"b": ATTEMPT["shares"]["b"] | {field: OTHER}}})
        for field in ("seed_commitment", "shares_root", "sealed")
    ),
    ("Unmask", {"survivors": NAMES[:3]}),
    ("Unmask", {"left_out": ("a",)}),
    *(
        ("Unmask", {"updates": ATTEMPT["updates"] | {"c": ATTEMPT["updates"]["c"] | changed}})
        for changed in ({"digest": OTHER}, {"length": 20}, {"examples": 11})
    ),
]


def attempt(phase: str, **changes: Any) -> Settled:
    return settled(Round.model_validate(ATTEMPT | {"phase": phase} | changes))


@pytest.mark.parametrize(("since", "changes"), SETTLED_FROM)
def test_a_change_of_anything_settled_is_contradicted_from_its_phase_on(since: Phase, changes: dict[str, Any]):
    for phase in REACHED:
        theirs = attempt("Attest", **changes)  # they may be phases ahead
        settled_by_then = REACHED.index(phase) >= REACHED.index(since)
        if REACHED.index(phase) <= REACHED.index("Attest"):
            assert attempt(phase).agrees(theirs) is not settled_by_then


@pytest.mark.parametrize("phase", REACHED)
def test_what_may_still_change_is_no_contradiction(phase: Phase):
    later = {"deadline_ms": 5, "revealed": NAMES, "complaints": {"a": {"b": False}}, "void_reason": "", "state": ONE}
    assert attempt(phase).agrees(attempt(phase, **later)) is True


def test_one_that_is_behind_or_has_ended_the_attempt_or_knows_another_set_counts_neither_way():
    ours = attempt("Unmask")
    assert ours.agrees(attempt("Updates")) is None
    assert ours.agrees(attempt("Void")) is None
    assert ours.agrees(attempt("Final")) is True
    for frozen in ([], [{"survivors": NAMES[:3]}], [{"survivors": NAMES, "blamed": ["d"]}]):
        assert ours.agrees(attempt("Unmask", frozen=frozen)) is None


def test_one_that_is_behind_contradicts_all_the_same_where_it_was_opened_otherwise():
    assert attempt("Unmask").agrees(attempt("Void", session=OTHER)) is False


def test_an_answer_comes_back_as_it_was_sent_and_another_versions_is_no_answer():
    ours = attempt("Unmask")
    assert Settled.model_validate_json(ours.model_dump_json()) == ours
    with pytest.raises(ValidationError):
        Settled.model_validate({**ours.model_dump(), "version": 2})
    bare = ours.model_copy(update={"digests": {}})  # one who leaves digests out confirms nothing
    assert ours.agrees(bare) is False
