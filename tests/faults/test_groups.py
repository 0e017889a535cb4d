"""Nine real nodes in three groups, one of which sends the largest numbers there are: the model does not follow it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.demo import regulator
from fl_node.demo.federation import opened
from tests.faults import synthetic
from tests.faults.conftest import network
from tests.faults.stage import Nodes, found, last_attempt, start

MORE = tuple(f"hospital-{letter}" for letter in "efghi")
ALL = ("hospital-a", "hospital-b", "hospital-c", "hospital-d", *MORE)
SHOUTER = "hospital-c"
TRAINING = "alike-in-groups"
PATIENT = {"keys_ms": 60_000, "shares_ms": 60_000, "updates_ms": 60_000, "unmask_ms": 60_000, "attest_ms": 60_000}

pytestmark = [pytest.mark.lengthy, pytest.mark.timeout(900)]


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    with network(tmp_path, request, *MORE, **PATIENT) as folder:
        yield folder


async def test_t19_one_of_nine_that_shouts_moves_a_group_and_not_the_model_and_the_audit_makes_it_again(run: Path):
    nodes = Nodes(run)
    try:
        for number, name in enumerate(ALL):
            shouts = {"SHOUTS": "1"} if name == SHOUTER else {}
            nodes.start(name, rows=[number + 1] * synthetic.ROWS, **shouts)
        await nodes.ready(*ALL)
        async with opened(run) as federation:
            await found(federation)
            await federation.decide("set_rules_version", {"version": 2})
            settings = {"size": 3, "faulty": 1, "rule": "trimmed_mean"}
            await federation.decide(
                "set_parameters", {"parameters": {"mode": "robust_groups", "robust_groups": settings}}
            )
            await start(federation, TRAINING, 2, cohort=len(ALL))
            for number in (1, 2):
                view = await last_attempt(federation.first, TRAINING, number)
                assert view.phase == "Final"
                assert sorted(name for group in view.groups for name in group) == list(ALL)
                assert view.proposal
                opened_groups = [group for group in view.groups if set(group) <= set(view.survivors)]
                assert len(view.proposal.sums) == len(opened_groups)
                base = synthetic.initial_of(TRAINING) if number == 1 else _state(run, view.base_state)
                assert 1 <= float(view.proposal.metrics["mean"]) - base[0] <= len(ALL)
        verdict = await regulator.audit(run)
        assert verdict.get("ok") is True, verdict.get("failures") or verdict.get("error")
        assert not [gap for gap in verdict["unchecked"] if "sum" in gap["text"]]
    finally:
        nodes.close()


def _state(run: Path, digest: str) -> bytes:
    return next(run.glob(f"**/{digest[:2]}/{digest}")).read_bytes()
