"""The documented protocol against the real rules: safety on every step, liveness from the states that are reached."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.consortium import Consortium
from tests.model.federation import Federation
from tests.model.honest import STRATEGIES, finish
from tests.model.machine import Protocol

SHORT = settings(
    max_examples=40,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

ENDS = {
    "Attest to Final",
    "Attest to Void FL0428",
    "Keys to Void FL0420",
    "Unmask to Void FL0427",
    "Updates to Void FL0424",
    "Updates to Void FL0431",
    "recovered",
}
"""What the histories must come to, or they are too tame to show anything."""


@pytest.fixture
def reached() -> Iterator[dict[str, int]]:
    """What the histories of one test come to; shown by pytest -s."""
    Consortium.reached.clear()
    yield Consortium.reached
    for what, times in sorted(Consortium.reached.items()):
        print(f"{times:7} {what}")  # noqa: T201


def test_random_histories_go_as_documented_and_an_honest_majority_ends_every_training(
    binary: Path, blobs: Path, reached: dict[str, int]
):
    long = settings.default.max_examples >= settings.get_profile("model").max_examples
    run_state_machine_as_test(lambda: Protocol(binary, blobs), settings=settings.default if long else SHORT)
    assert set(reached) >= ENDS, ENDS - set(reached)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("members", "adversaries", "rules"), [(4, 1, 1), (5, 1, 2), (6, 2, 1), (7, 3, 1), (7, 3, 2)])
def test_three_rounds_end_whatever_the_adversaries_keep_doing(
    binary: Path, blobs: Path, reached: dict[str, int], members: int, adversaries: int, rules: int, strategy: str
):
    fed = Federation(binary, blobs, members, range(members - adversaries, members))
    if rules > 1:
        fed.change_rules(fed.honest)
    training = fed.trainings["one"]
    for _ in range(3):
        if not training.stopped:
            finish(fed, training, [strategy])
    fed.close()
    assert len(training.finals) == 3 or (training.stopped and len(fed.honest) < 4)
    if (strategy, members, rules) == ("complain", 7, 2):
        assert reached["kept out in version 2"]
