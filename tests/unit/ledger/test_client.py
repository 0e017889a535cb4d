"""The contract over the gateway: what a node is told when its word does not reach the ledger."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from fl_node.ledger import client
from fl_node.ledger.client import Ledger, LedgerError
from gateway import ValidationCode
from gateway.errors import EndorseError, ErrorDetail, StatusCode


class Contract:
    """Never has an answer, or has one error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def submit(self, *_: Any, **__: Any) -> bytes:
        if self.error:
            raise self.error
        await asyncio.Event().wait()
        return b""


def over(contract: Contract) -> Ledger:
    network = SimpleNamespace(contract=lambda _: contract)
    profile = SimpleNamespace(channel="fedchannel", chaincode="fedledger")
    return Ledger(SimpleNamespace(network=lambda _: network), profile)  # type: ignore[arg-type]


async def test_t25_a_transaction_that_is_not_committed_in_time_raises_an_alarm(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "COMMIT_ALARM_S", 0.05)
    with pytest.raises(LedgerError) as caught:
        await over(Contract()).submit("CommitUpdate", training="t")
    assert (caught.value.code, caught.value.where) == ("FL4401", "CommitUpdate")
    assert "censorship" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("request unauthorized due to incorrect timestamp 2026-11-23T20:51:50Z, peer time …", "FL4004"),
        ("error validating proposal: access denied: channel [fedchannel] creator org [X]", "FL4003"),
        ("FL0408: round 1 is in phase Updates", "FL0408"),
        ("connection refused", "FL4005"),
    ],
)
async def test_what_a_peer_refuses_has_a_code_that_says_whose_fault_it_is(said: str, code: str):
    error = EndorseError("failed", code=StatusCode.ABORTED, details=(ErrorDetail("peer0", "AMSP", said),))
    with pytest.raises(LedgerError) as caught:
        await over(Contract(error)).submit("CommitUpdate")
    assert caught.value.code == code


class Staged(Contract):
    """Endorses what it is asked, and commits it as told."""

    def __init__(self, committed: ValidationCode) -> None:
        super().__init__()
        self.ordered = 0
        self._status = SimpleNamespace(successful=committed is ValidationCode.VALID, code=committed)

    def proposal(self, *_: Any) -> Any:
        return self

    async def endorse(self) -> Any:
        return SimpleNamespace(result=b'{"number":3}', submit=self._submit)

    async def _submit(self) -> Any:
        self.ordered += 1
        return self

    async def status(self) -> Any:
        return self._status


@pytest.mark.parametrize(
    ("code", "valid"), [(ValidationCode.VALID, True), *((code, False) for code in client.OVERTAKEN)]
)
async def test_an_endorsed_transaction_is_ordered_when_it_is_told_to_be(code: ValidationCode, valid: bool):
    contract = Staged(code)
    endorsed = await over(contract).endorsed("ProposeAggregate", training="t")
    assert (endorsed.answer, contract.ordered) == ({"number": 3}, 0)
    assert await endorsed.committed() is valid
    assert contract.ordered == 1


async def test_an_endorsed_transaction_that_is_invalid_for_another_reason_is_an_error():
    endorsed = await over(Staged(ValidationCode.ENDORSEMENT_POLICY_FAILURE)).endorsed("ProposeAggregate", training="t")
    with pytest.raises(LedgerError, match="ENDORSEMENT_POLICY_FAILURE") as caught:
        await endorsed.committed()
    assert (caught.value.code, caught.value.where) == ("FL4005", "ProposeAggregate")


async def test_a_lineage_of_many_rounds_is_read_page_by_page():
    steps = [{"round": number} for number in range(1, 124)]

    class Paged(Contract):
        async def evaluate(self, _: str, argument: bytes, **__: Any) -> bytes:
            request = json.loads(argument)
            start = int(request["bookmark"] or 0)
            end = start + request["page_size"]
            page = {"training": "t", "steps": steps[start:end], "bookmark": str(end) if end < len(steps) else ""}
            return json.dumps(page).encode()

    answer = await over(Paged()).lineage("t")
    assert (answer["training"], answer["steps"]) == ("t", steps)
