"""Anyone can draw a cohort again: the rules' draw, a second time and plainly, from what `GetDraw` returns."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fl_node.canonical import tagged_hash

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "selection.json"
CASES = json.loads(VECTORS.read_text())["cases"]
LABEL = "fedledger/v1/draw"
LIMIT = 2**64 - 1


def uniform(*parts: Any) -> Iterator[int]:
    """Yield 64-bit integers from the hash of the parts and a counter."""
    counter = 0
    while True:
        yield int.from_bytes(tagged_hash(LABEL, *parts, counter)[:8], "big")
        counter += 1


def below(source: Iterator[int], n: int) -> int:
    return next(number for number in source if number < LIMIT - LIMIT % n) % n


def weight(candidate: dict[str, Any]) -> int:
    return int(candidate["availability"] * candidate["quality"] * candidate["stake"] * candidate["reputation"])


def draw(case: dict[str, Any]) -> list[str]:
    source = uniform(bytes.fromhex(case["seed"]), case["training"], case["epoch"])
    left = sorted(case["candidates"], key=lambda candidate: str(candidate["participant"]))
    order = []
    while left:
        at = below(source, sum(map(weight, left)))
        for candidate in left:
            at -= weight(candidate)
            if at < 0:
                break
        left.remove(candidate)
        order.append(candidate["participant"])
    return order


def shuffle(case: dict[str, Any]) -> list[str]:
    parts = (bytes.fromhex(case["seed"]), case["training"], case["round"], case["attempt"], "aggregators")
    source, order = uniform(*parts), list(case["order"])
    for i in range(len(order) - 1, 0, -1):
        j = below(source, i + 1)
        order[i], order[j] = order[j], order[i]
    return order


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['candidates'])} candidates")
def test_a_cohort_is_drawn_again_from_its_inputs(case: dict[str, Any]) -> None:
    assert case["order"] == draw(case)
    assert case["aggregators"] == shuffle(case)
