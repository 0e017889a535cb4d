"""Every decoder of outside bytes, briefly: `python -m tests.fuzz.run` takes as long as one likes."""

import random
import time
from pathlib import Path

import pytest

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS

SECONDS = 2.0
"""At most so long for each target: twenty add two thirds of a minute to `scripts/test`."""
INPUTS = 3000
CASES = sorted((Path(__file__).parent / "cases").iterdir())
"""Inputs that were faults once, named TARGET-what."""


@pytest.mark.parametrize("name", TARGETS)
def test_the_bytes_that_are_changed_are_good_ones(name: str):
    assert TARGETS[name].seeds
    TARGETS[name].run(TARGETS[name].seeds[0])


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_read_or_refused_with_a_code(name: str):
    target, until = TARGETS[name], time.monotonic() + SECONDS
    for seed in range(INPUTS):
        if time.monotonic() > until:
            break
        target.try_one(mutated(target.seeds, random.Random(f"{name} {seed}")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_a_fault_once_is_read_or_refused_with_a_code(case: Path):
    TARGETS[case.name.partition("-")[0]].try_one(case.read_bytes())
