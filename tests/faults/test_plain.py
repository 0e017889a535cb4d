"""Four real nodes that show one another their updates; one sends the largest numbers, and no rule follows it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.demo import regulator
from fl_node.demo.federation import Federation, opened
from fl_node.ledger.records import Round
from tests.faults import synthetic
from tests.faults.conftest import network
from tests.faults.stage import NAMES, Nodes, found, last_attempt, start

SHOUTER = "hospital-c"
TRAINING, WATCHED = "alike-and-plain", "alike-from-the-middle-and-plain"

pytestmark = [pytest.mark.lengthy, pytest.mark.timeout(600)]


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    with network(tmp_path, request) as folder:
        yield folder


async def test_t19_one_of_four_that_shouts_moves_neither_median_nor_multi_krum_and_the_audit_makes_both(
    run: Path,
):
    nodes = Nodes(run)
    try:
        for name in NAMES:
            nodes.start(name, SHOWS_UPDATES="1", **({"SHOUTS": "1"} if name == SHOUTER else {}))
        await nodes.ready()
        async with opened(run) as federation:
            await found(federation)
            await federation.decide("set_rules_version", {"version": 2})
            await _vote(federation, "median")
            await start(federation, f"{TRAINING}-1", 1)
            first = await last_attempt(federation.first, f"{TRAINING}-1", 1)
            await _vote(federation, "multi_krum")
            await start(federation, f"{TRAINING}-2", 1)
            second = await last_attempt(federation.first, f"{TRAINING}-2", 1)
            await start(federation, WATCHED, 3)
            for number in (1, 2, 3):
                await last_attempt(federation.first, WATCHED, number)
        assert [list(group) for group in first.groups] == [[name] for name in first.cohort]
        assert _mean(first) == 3  # of 1, 2, 4 and the shouter's: the mean of the middle two
        assert second.proposal
        assert [second.groups[place] for place in second.proposal.outlying] == [(SHOUTER,)]
        assert _mean(second) == pytest.approx(7 / 3, abs=1 / 4)  # of 1, 2 and 4, in whole numbers for four
        verdict = await regulator.audit(run)
        assert verdict.get("ok") is True, verdict.get("failures") or verdict.get("error")
        assert not [gap for gap in verdict["unchecked"] if "sum" in gap["text"]]
        (seen,) = (await regulator.command("anomalies", "--training", WATCHED, *regulator.evidence(run)))["trainings"]
        assert (seen["in_groups"], seen["unreadable"]) == (3, "")
        about = {flag["kind"]: flag["about"] for flag in seen["flags"]}
        assert about["outlying"] == about["norm"] == [SHOUTER]
    finally:
        nodes.close()


async def _vote(federation: Federation, rule: str) -> None:
    settings = {"faulty": 1, "rule": rule, "bucket": 1}
    await federation.decide("set_parameters", {"parameters": {"mode": "plain", "plain": settings}})


def _mean(view: Round) -> float:
    assert (view.phase, view.mode) == ("Final", "plain"), view.void_reason
    assert view.proposal
    assert len(view.proposal.sums) == len(view.survivors) == len(NAMES)
    return float(view.proposal.metrics["mean"]) - synthetic.initial_of(view.training)[0]
