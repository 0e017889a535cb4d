"""One organisation whose peer endorses anything: what it signs alone never commits, and its node's lie is on record."""

import dataclasses
from typing import Any

import pytest

from gateway.errors import CommitError, EndorseError
from network import processes
from network.build import build_chaincode
from network.plan import Plan
from tests.scenarios.federation import Federation
from tests.scenarios.rounds import Attempt


async def test_one_dishonest_organisations_endorsement_is_not_enough(federation: Federation) -> None:
    await federation.ready(rounds=1)
    attempt = await Attempt.open(federation, "tumour")
    await attempt.keys_and_shares()
    await attempt.updates()
    await attempt.unmask()
    liar = await attempt.aggregator()
    serve_dishonestly(federation, liar)
    lie = attempt.lie()
    await _its_own_peer_endorses_and_nothing_comes_of_it(federation, liar, lie)
    for honest in federation.members:
        if honest != liar:
            await _refused(federation, liar, lie, [liar, honest])
    assert (await attempt.view())["proposal"] is None
    await _is_reported(attempt, liar, lie)
    await attempt.finish()


def serve_dishonestly(federation: Federation, organisation: str) -> None:
    """Put a process that endorses anything in the place of an organisation's chaincode process."""
    name = f"chaincode-{organisation}"
    program = str(build_chaincode("./cmd/dishonest"))
    process = dataclasses.replace(Plan.read(federation.run).process(name), command=(program,))
    processes.stop(federation.run, name)
    offset = processes.log_size(federation.run, name)
    processes.start(federation.run, process)
    processes.wait_ready(federation.run, process, 30, offset)


async def _its_own_peer_endorses_and_nothing_comes_of_it(federation: Federation, liar: str, lie: bytes) -> None:
    contract = federation.contracts[liar, "node"]
    proposal = contract.proposal("ProposeAggregate", lie, endorsing_organizations=[federation.msp(liar)])
    transaction = await proposal.endorse()
    assert b'"number":1' in transaction.result
    with pytest.raises(CommitError) as refusal:
        await contract.submit("ProposeAggregate", lie, endorsing_organizations=[federation.msp(liar)], retry=False)
    assert "ENDORSEMENT_POLICY_FAILURE" in str(refusal.value)


async def _refused(federation: Federation, liar: str, lie: bytes, endorsers: list[str]) -> None:
    contract = federation.contracts[liar, "node"]
    named = [federation.msp(name) for name in endorsers]
    with pytest.raises(EndorseError) as refusal:
        await contract.submit("ProposeAggregate", lie, endorsing_organizations=named, retry=False)
    assert refusal.value.chaincode_code == "FL0503"


async def _is_reported(attempt: Attempt, liar: str, lie: bytes) -> None:
    await attempt.report_lie(liar, lie)
    flags: list[Any] = (await attempt.federation.query("ListFlags"))["items"]
    assert [(flag["participant"], flag["kind"]) for flag in flags] == [(liar, "refused-payload")]
