"""Canonical JSON and the tagged hash against the shared vectors."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node.canonical import CanonicalError, canonical_json, decode_strict, tagged_hash

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VECTORS = Path(__file__).parents[2] / "vectors"


def cases(name: str) -> list[Any]:
    entries = decode_strict((VECTORS / f"{name}.json").read_bytes())
    return [pytest.param(entry, id=entry["name"]) for entry in entries]


@pytest.mark.parametrize("case", cases("canonical"))
def test_canonical_json_follows_its_vectors(case: dict[str, str]):
    text = bytes.fromhex(case["text"])
    if case["expect"] == "success":
        assert bytes.fromhex(case["canonical"]) == canonical_json(decode_strict(text))
    else:
        with pytest.raises(CanonicalError) as refusal:
            decode_strict(text)
        assert case["expect"] == refusal.value.kind


@pytest.mark.parametrize("case", cases("tagged_hash"))
def test_tagged_hash_follows_its_vectors(case: dict[str, Any]):
    parts = [bytes.fromhex(part) for part in case["parts"]]
    assert case["hash"] == tagged_hash(case["label"], *parts).hex()


def test_values_without_a_canonical_form_are_refused():
    for value, kind in [({1: 2}, "wrong-type"), (1.0, "not-integer"), (b"x", "wrong-type"), ("\ud800", "not-text")]:
        with pytest.raises(CanonicalError) as refusal:
            canonical_json(value)
        assert kind == refusal.value.kind


def test_text_over_the_limit_is_refused():
    with pytest.raises(CanonicalError) as refusal:
        decode_strict(b'"' + b"a" * (1 << 20) + b'"')
    assert refusal.value.kind == "too-large"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | TEXT,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=8,
    )
)
def test_decoding_canonical_bytes_gives_the_value_back(value: Any):
    raw = canonical_json(value)
    assert value == decode_strict(raw)
    assert raw == canonical_json(decode_strict(raw))


def test_the_vectors_equal_what_their_generator_writes():
    command = [sys.executable, str(VECTORS / "generate.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=VECTORS.parents[1])
    assert run.stderr == ""
    assert run.returncode == 0
