"""Six organisations, one of them suspended: whoever counts a majority counts the same five."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.demo.federation import opened
from tests.faults import synthetic
from tests.faults.conftest import network
from tests.faults.stage import NAMES, Nodes, ended, found, settled, stakes, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SLOW = ("hospital-d", "hospital-e")
SUSPENDED = "hospital-f"
ALL = (*NAMES, "hospital-e", SUSPENDED)
ROUNDS = 3


@pytest.fixture
def six(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """Six nodes, all admitted, of which two never attest in time."""
    with network(tmp_path, request, *ALL[len(NAMES) :]) as run:
        nodes = Nodes(run)
        try:
            for number, name in enumerate(ALL, 1):
                misdeed = {"NEVER_ATTESTS": "1"} if name in SLOW else {}
                nodes.start(name, rows=[number] * synthetic.ROWS, **misdeed)

            async def begin() -> None:
                await nodes.ready(*ALL)
                async with opened(run) as federation:
                    await found(federation)

            asyncio.run(begin())
            yield nodes
        finally:
            nodes.close()


def msp(name: str) -> str:
    return f"Hospital{name[-1].upper()}MSP"


async def test_six_organisations_with_one_suspended_go_on_training_and_nobody_is_slashed(six: Nodes):
    """Three of five agree: a majority. Those that did not attest themselves must take the state for attested too."""
    async with opened(six.run) as federation:
        await federation.decide("suspend", {"organisation": "HospitalFMSP"})
        staked = await stakes(federation.first)
        await start(federation, "six", ROUNDS, cohort=5)
        views = [await ended(federation.first, "six", number) for number in range(1, ROUNDS + 1)]
        await settled(federation.first, "six", ROUNDS)
        flags = [flag for flag in await federation.first.everything("ListFlags") if flag["training"] == "six"]
        assert await stakes(federation.first) == staked, "nobody is slashed"
    assert [(view.phase, view.attempt) for view in views] == [("Final", 1)] * ROUNDS
    assert [(view.voters, view.majority) for view in views] == [(5, 3)] * ROUNDS
    assert [set(view.survivors) for view in views] == [set(ALL) - {SUSPENDED}] * ROUNDS
    for view in views:
        assert view.proposal
        own = {msp(name) for name in ALL if name not in (*SLOW, SUSPENDED)}
        said = set(view.attestations)
        assert said <= own | {msp(view.proposal.proposer)}, "the slow ones attest by proposing alone"
        assert len(said) >= view.majority
        assert all(attestation.agree for attestation in view.attestations.values())
    assert flags == []
    for name in SLOW:
        assert six.logged(name, "dropped out") == []
