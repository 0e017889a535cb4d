"""The retry table of gateway/README.md on a real network: each row that a network can bring about.

The others, and all rows once more, are in tests/unit/gateway/test_retry_wire.py.
gateway/RETRIES.md says which is which.
"""

import time
from collections.abc import AsyncIterator

import pytest

from gateway import Contract, Identity, RetryPolicy, ValidationCode
from gateway.errors import CommitError, EndorseError, EvaluateError, StatusCode, SubmitError
from tests.contract.harness.calls import (
    Calls,
    Interference,
    Send,
    arrives_without_answer,
    counted,
    is_lost_after_its_answer,
    never_arrives,
)
from tests.contract.harness.ledger import Ledger, refusals

QUICK = RetryPolicy(attempts=3, first_delay=0.01)
TOTAL_S = 1.5
SLACK_S = 10.0


@pytest.fixture
async def counting(ledger: Ledger) -> AsyncIterator[tuple[Contract, Calls]]:
    """The contract, and the connection that counts its calls."""
    async with counted(ledger) as (gateway, connection):
        yield ledger.contract_of(gateway), connection


async def test_a_refusal_of_the_chaincode_is_final(counting: tuple[Contract, Calls]):
    contract, connection = counting
    with pytest.raises(EndorseError):
        await contract.submit("Fail", "FL0203", "closed", retry=QUICK)
    assert connection.calls == {"Endorse": 1}


async def test_a_refusal_whose_code_the_caller_names_is_proposed_again(counting: tuple[Contract, Calls]):
    contract, connection = counting
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate(
            "Fail", "FL0203", "not yet", retry=RetryPolicy(3, first_delay=0.01, retryable={"FL0203"})
        )
    assert connection.calls == {"Evaluate": 3}
    assert isinstance(caught.value.__cause__, EvaluateError)


async def test_answers_that_differ_are_asked_for_again_at_most_so_often(counting: tuple[Contract, Calls], key: str):
    contract, connection = counting
    with pytest.raises(EndorseError, match="do not match"):
        await contract.submit("PutRandom", key, retry=QUICK)
    assert connection.calls == {"Endorse": 3}


async def test_where_only_ones_own_organisation_refuses_the_fallback_endorses(ledger: Ledger, key: str):
    holders = tuple(ledger.msp_ids[: ledger.threshold])
    policy = RetryPolicy(first_delay=0.01, retryable={"FL0902"}, fallback_organizations=holders)
    async with counted(ledger, organisation="hospital-d") as (gateway, connection):
        contract = ledger.contract_of(gateway)
        await contract.submit("PutIfProcessOf", key, *holders, retry=policy)
        assert await contract.evaluate("Get", key) == b"held"
    assert connection.calls["Endorse"] == 2


@pytest.mark.parametrize("interference", [arrives_without_answer, never_arrives])
async def test_an_envelope_without_acknowledgement_has_exactly_one_effect(
    counting: tuple[Contract, Calls], key: str, interference: Interference
):
    contract, connection = counting
    connection.instead["Submit"].append(interference)
    await contract.submit("Increment", key, retry=RetryPolicy(ask_deadline=2.0, first_delay=0.01))
    assert await contract.evaluate("Get", key) == b"1"
    assert connection.calls["Endorse"] == 1
    assert connection.calls["Submit"] == (1 if interference is arrives_without_answer else 2)


async def test_a_transaction_that_the_orderers_lost_is_sent_again(counting: tuple[Contract, Calls], key: str):
    contract, connection = counting
    connection.instead["Submit"].append(is_lost_after_its_answer)
    await contract.submit("Increment", key, retry=RetryPolicy(resend_after=1.0, ask_deadline=1.0, first_delay=0.01))
    assert await contract.evaluate("Get", key) == b"1"
    assert (connection.calls["Endorse"], connection.calls["Submit"]) == (1, 2)


async def test_what_all_orderers_forbid_is_final(ledger: Ledger, key: str):
    who = ledger.user("regulator")
    async with counted(ledger, Identity(who.msp_id, who.cert_pem), who.signer) as (gateway, connection):
        with pytest.raises(SubmitError) as caught:
            await ledger.contract_of(gateway).submit("Put", key, "value")
    assert all("FORBIDDEN" in said for said in refusals(caught.value))
    assert connection.calls == {"Endorse": 1, "Submit": 1}


@pytest.mark.parametrize(
    ("mine", "others"),
    [
        (("Increment", "{0}"), ("Increment", "{0}")),
        (("CountInto", "{0}", "{0}~", "sum-{0}"), ("Put", "{0}new", "value")),
    ],
    ids=["MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"],
)
async def test_a_conflict_is_proposed_again(
    ledger: Ledger, counting: tuple[Contract, Calls], key: str, mine: tuple[str, ...], others: tuple[str, ...]
):
    contract, connection = counting

    async def after_another_commit(send: Send) -> bytes:
        async with ledger.contract() as another:
            await another.submit(*(word.format(key) for word in others))
        return await send()

    connection.instead["Submit"].append(after_another_commit)
    await contract.submit(*(word.format(key) for word in mine))
    assert connection.calls["Submit"] == 2
    assert connection.calls["Endorse"] >= 2


async def test_another_invalid_commit_is_final(ledger: Ledger, counting: tuple[Contract, Calls], key: str):
    contract, connection = counting
    few = ledger.msp_ids[: ledger.threshold - 1]
    with pytest.raises(CommitError) as caught:
        await contract.submit("Put", key, "value", endorsing_organizations=few)
    assert caught.value.validation_code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    assert (connection.calls["Endorse"], connection.calls["Submit"]) == (1, 1)


async def test_all_of_it_takes_no_longer_than_its_policy_says(counting: tuple[Contract, Calls], key: str):
    contract, _ = counting
    begun = time.monotonic()
    with pytest.raises(EndorseError) as caught:
        await contract.submit("SlowPut", key, "value", "20000", retry=RetryPolicy(total=TOTAL_S))
    assert caught.value.code in {StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED, StatusCode.ABORTED}
    assert time.monotonic() - begun < TOTAL_S + SLACK_S
