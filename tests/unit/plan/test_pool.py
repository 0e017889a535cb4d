"""Client work beside the loop: started once an attempt, said to have ended, never waited for."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.blobs.mirror import Mirror
from fl_node.data.errors import DataError, data_error
from fl_node.ledger.records import Round
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.pool import PlanRunner, Workshop
from fl_node.plan.runtime import WorkResult
from tests.unit.round.test_checks import ROUND


def attempt(training: str = "t", number: int = 1) -> Round:
    return ROUND.model_copy(update={"training": training, "attempt": number, "plan": "plan", "base_state": "base"})


class Runner:
    """Works until it is let go."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.manifest = SimpleNamespace(initial_state="base")
        self.go, self.began = threading.Event(), threading.Event()
        self.problem = problem
        self.works = 0

    def initialize(self) -> bytes:
        return b"state"

    def prepare(self, state: bytes) -> None:
        assert state == b"state"

    def work(self, *_: Any) -> WorkResult:
        self.works += 1
        self.began.set()
        self.go.wait(10)
        if self.problem:
            raise self.problem
        return WorkResult(b"vector", 3, {}, 0.0)

    def close(self) -> None:
        self.go.set()


class Blobs:
    """Has every plan."""

    async def get(self, digest: str) -> bytes:
        return digest.encode()

    def keep(self, *digests: str) -> None:
        assert digests


def workshop(folder: Path, runner: Runner) -> Workshop:
    return Workshop(folder, cast("Mirror", Blobs()), folder / "data.csv", lambda *_: cast("PlanRunner", runner))


async def test_work_is_started_once_an_attempt_and_tells_when_it_has_ended(tmp_path: Path):
    runner, told = Runner(), []
    made = workshop(tmp_path, runner)
    made.on_trained = told.append
    task = made.start(attempt())
    assert (made.start(attempt()) is task, made.trained(attempt())) == (True, False)
    runner.go.set()
    assert (await task).examples == 3
    assert (made.trained(attempt()), told, runner.works) == (True, ["t"], 1)
    assert not made.trained(attempt(number=2))
    made.committed(attempt())
    kept = await made.start(attempt())
    assert (kept.vector, kept.examples, made.trained(attempt()), runner.works) == (b"", 3, True, 1)
    await made.close()


async def test_two_trainings_are_served_in_turn_and_a_new_attempt_takes_only_its_own_training_s_place(tmp_path: Path):
    runner = Runner()
    made = workshop(tmp_path, runner)
    first, other = made.start(attempt("a")), made.start(attempt("b"))
    await asyncio.to_thread(runner.began.wait, 5)
    await asyncio.sleep(0.05)
    assert runner.works == 1
    again = made.start(attempt("b", 2))
    runner.go.set()
    assert [(await task).examples for task in (first, again)] == [3, 3]
    assert (other.cancelled(), runner.works) == (True, 2)
    assert [made.trained(attempt(*which)) for which in (("a", 1), ("b", 1), ("b", 2))] == [True, False, True]
    await made.close()


async def test_work_that_fails_has_ended_too_and_its_reason_is_raised_where_it_is_taken(tmp_path: Path):
    runner = Runner(data_error("FL3107", "an unknown label", "data.csv"))
    runner.go.set()
    made = workshop(tmp_path, runner)
    task = made.start(attempt())
    with pytest.raises(Exception, match="FL3107"):
        await task
    assert made.trained(attempt())
    await made.close()


async def test_a_plan_is_ready_once_its_framework_has_started(tmp_path: Path):
    runner = Runner()
    runner.go.set()
    made = workshop(tmp_path, runner)
    assert not made.ready("plan")
    await made.warm("plan")
    assert made.ready("plan")
    assert (tmp_path / "plan.flplan").read_bytes() == b"plan"
    await made.close()


async def test_rows_that_do_not_fit_are_found_before_the_first_round(tmp_path: Path):
    runner = Runner(data_error("FL3107", "an unknown label", "data.csv"))
    runner.go.set()
    made = workshop(tmp_path, runner)
    assert made.unfit("plan") == ""
    with pytest.raises(DataError, match="FL3107"):
        await made.warm("plan")
    assert (made.unfit("plan"), made.ready("plan")) == ("FL3107", True)
    await made.close()


@pytest.mark.parametrize(
    ("code", "unfit"),
    [(code, code) for code in ("FL3043", "FL3046", "FL3047", "FL3004", "FL3060")] + [("FL3041", ""), ("FL3042", "")],
)
async def test_a_plan_that_was_stopped_is_not_trained_again(tmp_path: Path, code: str, unfit: str):
    runner = Runner(plan_error(code, "stopped"))
    runner.go.set()
    made = workshop(tmp_path, runner)
    with pytest.raises(PlanError, match=code):
        await made.start(attempt())
    assert made.unfit("plan") == unfit
    assert made.unfit("another plan") == ""
    await made.close()


async def test_what_a_round_gives_a_participant_to_keep_is_there_in_the_next_one_if_it_counted(tmp_path: Path):
    given = []

    class Keeper(Runner):
        def work(self, *asked: Any) -> WorkResult:
            given.append(asked[1].own)
            return WorkResult(b"vector", 3, {}, 0.0, b"own %d" % len(given))

    made = workshop(tmp_path, Keeper())
    for number, tried, counted in ((1, 1, False), (1, 2, True), (2, 1, False), (2, 2, False), (3, 1, True)):
        view = attempt(number=tried).model_copy(update={"round": number})
        await made.start(view)
        made.settle(view, counted=counted)
    assert given == [b"", b"", b"own 2", b"own 2", b"own 2"]
    await made.close()
