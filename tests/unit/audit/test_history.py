"""What the audit keeps of writes that later ones replace: small and plain, whatever colluding endorsers write."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from audit.fabric.state import State
from audit.verify.history import MOST_CHARACTERS, history, note_history

OWN = "fedledger"


def action(*writes: tuple[str, bytes], namespace: str = OWN) -> Any:
    made = [SimpleNamespace(key=key, value=value, is_delete=not value) for key, value in writes]
    return SimpleNamespace(rwsets=[(namespace, SimpleNamespace(writes=made))])


def kept(*writes: tuple[str, bytes], namespace: str = OWN) -> list[dict[str, Any]]:
    state = State(":memory:")
    note_history(state, action(*writes, namespace=namespace), OWN, 7, 1000)
    found = history(state)
    state.close()
    return found


def test_a_balance_and_an_outcome_are_kept_with_their_time() -> None:
    outcome, wanted = b'{"outcome":"finished","slash":0}', {"outcome": "finished"}
    assert kept(("\0balance\0AMSP\0", b'{"amount":7}'), ("\0outcome\0t\0" + "1\0" * 2 + "a\0", outcome)) == [
        {"kind": "balance", "parts": ["AMSP"], "block": 7, "time_ms": 1000, "value": {"amount": 7}},
        {
            "kind": "outcome",
            "parts": ["t", "1", "1", "a"],
            "block": 7,
            "time_ms": 1000,
            "value": wanted,
        },
    ]


@pytest.mark.parametrize("value", [b"", b"no json", b"[1]", b"\xff\xfe", b'{"amount":'])
def test_what_is_no_record_is_left_out(value: bytes) -> None:
    assert kept(("\0balance\0AMSP\0", value)) == []


def test_records_that_change_nothing_over_time_and_other_namespaces_are_left_out() -> None:
    assert kept(("\0plan\0ab\0", b"{}"), ("balance", b"{}")) == [
        {"kind": "balance", "parts": [], "block": 7, "time_ms": 1000, "value": {}}
    ]
    assert kept(("\0balance\0AMSP\0", b'{"amount":7}'), namespace="other") == []


def test_texts_of_any_length_and_values_of_any_kind_stay_small_and_plain() -> None:
    value = json.dumps({"phase": "x" * 10_000, "deadline_ms": {"a": 1}}).encode()
    (found,) = kept(("\0phase\0" + "t" * 10_000 + "\0", value))
    assert found["value"] == {"phase": "x" * MOST_CHARACTERS}
    assert found["parts"] == ["t" * MOST_CHARACTERS]
