"""The integer rules give what the rules of the literature give in floating point, up to rounding.

Two oracles: a few lines of numpy by the formulas, and ByzFL, where FEDLEDGER_BYZFL names a Python that has it.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.robust import Rule

Floats = npt.NDArray[np.float64]
SLOTS = 12
WITHIN = 1.5
"""Rounding: half a unit of the mean's own, and what the roots of centred clipping lose."""


def sent(seed: int, most: int) -> tuple[npt.NDArray[np.int64], int]:
    """Updates near one another but for the faulty, and how many of them these are."""
    random = np.random.default_rng(seed)
    count = int(random.integers(5, 14))
    faulty = int(random.integers(1, (count - 1) // 2 + 1))
    centre = random.integers(most // 4, 3 * most // 4, SLOTS)
    updates = centre + random.integers(-most // 8, most // 8, (count, SLOTS))
    updates[:faulty] = random.integers(0, most, (faulty, SLOTS))
    return updates[random.permutation(count)], faulty


def ours(rule: str, faulty: int, updates: npt.NDArray[np.int64], most: int) -> Floats:
    segment = {"name": "v", "kind": "value", "word": 64, "ring": 64, "max": most, "slots": SLOTS}
    layout = Layout.from_fields({"version": 1, "count": None, "segments": [segment]})
    vectors = [layout.pack({"v": update}) for update in updates]
    made = Rule(rule, faulty).combine(layout, vectors, [1] * len(vectors), bytes(32))
    return layout.segments[0].view(made.vector).astype(np.float64) / len(vectors)


def first(updates: Floats) -> tuple[Floats, float]:
    """Where centred clipping starts, and its radius: the median distance from there, the lower one."""
    centre = np.floor(np.median(updates, axis=0) * 2**16) / 2**16
    away = np.sort(np.linalg.norm(updates - centre, axis=1))
    return centre, float(away[(len(away) - 1) // 2])


def trimmed(updates: Floats, faulty: int) -> Floats:
    kept: Floats = np.sort(updates, axis=0)[faulty : len(updates) - faulty]
    return kept.mean(axis=0)


def krum(updates: Floats, faulty: int) -> Floats:
    squares = ((updates[:, np.newaxis] - updates) ** 2).sum(axis=2)
    count = len(updates) - faulty
    chosen = np.argsort(np.sort(squares, axis=1)[:, :count].sum(axis=1), kind="stable")[:count]
    return updates[chosen].mean(axis=0)


def clipped(updates: Floats, _faulty: int) -> Floats:
    centre, radius = first(updates)
    for _ in range(3):
        away = updates - centre
        lengths = np.maximum(np.linalg.norm(away, axis=1), 1e-12)
        centre = centre + (away * np.minimum(1, radius / lengths)[:, np.newaxis]).mean(axis=0)
    return centre


NUMPY: dict[str, Callable[[Floats, int], Floats]] = {
    "median": lambda updates, _: np.median(updates, axis=0),
    "trimmed_mean": trimmed,
    "multi_krum": krum,
    "centred_clipping": clipped,
}


@pytest.mark.parametrize("most", [(1 << 19) - 1, 1 << 45])
@pytest.mark.parametrize("rule", NUMPY)
def test_integer_rules_give_what_their_formulas_give_in_floating_point(rule: str, most: int):
    for seed in range(25):
        updates, faulty = sent(seed, most)
        expected = NUMPY[rule](updates.astype(np.float64), faulty)
        # beyond 2^32 distances see the upper bits alone, and weights have 32
        within = WITHIN + (most / 2**28 if rule == "centred_clipping" else 0)
        assert np.abs(ours(rule, faulty, updates, most) - expected).max() <= within


@pytest.mark.timeout(600)
def test_integer_rules_give_what_byzfl_gives():
    python = os.environ.get("FEDLEDGER_BYZFL")
    if not python:
        pytest.skip("ByzFL is not here: FEDLEDGER_BYZFL names a Python that has it (pip install byzfl==0.0.11)")
    cases, results = [], []
    for rule in NUMPY:
        for seed in range(25):
            case, result = asked(rule, seed)
            cases.append(case)
            results.append(result)
    script = str(Path(__file__).with_name("byzfl_oracle.py"))
    said = subprocess.run([python, script], input=json.dumps(cases), capture_output=True, text=True, check=True).stdout
    for case, expected, result in zip(cases, json.loads(said), results, strict=True):
        assert np.abs(result - np.array(expected)).max() <= WITHIN, case["rule"]


def asked(rule: str, seed: int) -> tuple[dict[str, Any], Floats]:
    """A question to ByzFL, and what the integer rule gives; centred clipping from its own first centre on."""
    most = (1 << 19) - 1
    updates, faulty = sent(seed, most)
    case: dict[str, Any] = {"rule": rule, "faulty": faulty, "vectors": updates.tolist(), "steps": 3}
    result = ours(rule, faulty, updates, most)
    if rule == "centred_clipping":
        centre, case["radius"] = first(updates.astype(np.float64))
        case["vectors"], result = (updates - centre).tolist(), result - centre
    return case, result
